//! The checks of the fuzz target `websocket`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/websocket.rs"]
mod websocket;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "websocket",
    likely: &[
        0, 1, 2, 3, 0x80, 0x81, 0x82, 0x83, 0x88, 0x89, 0x8a, 0xc1, 126, 127, 254,
    ],
    check: websocket::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(30);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(40_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(40_000);
}
