//! The checks of the fuzz target `cluster_request`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/cluster_request.rs"]
mod cluster_request;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "cluster_request",
    likely: &[0, 0, 0, 1, 2, 3, 4, 5, 6, 9, 13, 0x41, 0x80, 0x81, 0xc1],
    check: cluster_request::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(80);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(100_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
