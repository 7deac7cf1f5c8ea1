//! The checks of the fuzz target `sproto`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/sproto.rs"]
mod sproto;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "sproto",
    likely: b"\x00\x01\x02\x03\xff {}:*().#\na0",
    check: sproto::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(20);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(50_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
