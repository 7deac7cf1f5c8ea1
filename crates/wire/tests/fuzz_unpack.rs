//! The checks of the fuzz target `unpack`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/unpack.rs"]
mod unpack;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "unpack",
    likely: &[
        0, 0, 0, 0x01, 0x02, 0x0a, 0x12, 0x22, 0x42, 0x04, 0x0c, 0x06, 0x06, 0x0e, 0x16, 0xfe,
    ],
    check: unpack::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(50);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(200_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(200_000);
}
