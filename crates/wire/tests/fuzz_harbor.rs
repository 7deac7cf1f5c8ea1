//! The checks of the fuzz target `harbor`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/harbor.rs"]
mod harbor;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "harbor",
    likely: &[0, 0, 0, 1, 12, 13],
    check: harbor::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(20);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(100_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
