//! The checks of the fuzz target `peg`, without the fuzzer.

#[path = "../../wire/tests/fuzzing/mod.rs"]
mod fuzzing;
#[path = "../../../fuzz/src/peg.rs"]
mod peg;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "peg",
    likely: b"\x01\x08\x0a\x0c\x0d\x0e\x10\x11\x12\x13aabbccd",
    check: peg::check,
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
    TARGET.random_bytes_hold(200_000);
}
