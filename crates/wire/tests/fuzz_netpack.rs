//! The checks of the fuzz target `netpack`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/netpack.rs"]
mod netpack;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "netpack",
    likely: &[0, 0, 0, 1, 2, 3],
    check: netpack::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(30);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(100_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
