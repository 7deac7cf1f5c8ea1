//! The checks of the fuzz target `gate`, without the fuzzer.

#[path = "../../wire/tests/fuzzing/mod.rs"]
mod fuzzing;
#[path = "../../../fuzz/src/gate.rs"]
mod gate;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "gate",
    likely: b"\n\n :!.-+[]09afSL",
    check: gate::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(5);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(100_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
