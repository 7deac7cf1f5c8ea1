//! The checks of the fuzz target `cluster_response`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/cluster_response.rs"]
mod cluster_response;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "cluster_response",
    likely: &[0, 0, 0, 1, 2, 3, 4, 5, 6, 9],
    check: cluster_response::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(40);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(100_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
