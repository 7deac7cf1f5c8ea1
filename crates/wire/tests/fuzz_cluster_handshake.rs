//! The checks of the fuzz target `cluster_handshake`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/cluster_handshake.rs"]
mod cluster_handshake;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "cluster_handshake",
    likely: &[0, 1, 2, 3, 4, 0x0f, 0x22, 0x26, 0xf5],
    check: cluster_handshake::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(6);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(100_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
