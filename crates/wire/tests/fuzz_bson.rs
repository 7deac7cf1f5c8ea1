//! The checks of the fuzz target `bson`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/bson.rs"]
mod bson;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "bson",
    likely: &[0, 0, 0, 1, 2, 3, 4, 5, 11, 16, 18, 255],
    check: bson::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(60);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(100_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
