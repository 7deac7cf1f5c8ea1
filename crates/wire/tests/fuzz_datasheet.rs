//! The checks of the fuzz target `datasheet`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/datasheet.rs"]
mod datasheet;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "datasheet",
    likely: &[0, 0, 0, 1, 2, 4, 5, 8, 255],
    check: datasheet::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(4);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(50_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
