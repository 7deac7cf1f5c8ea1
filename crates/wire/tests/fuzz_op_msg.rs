//! The checks of the fuzz target `op_msg`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/op_msg.rs"]
mod op_msg;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "op_msg",
    likely: &[0, 0, 0, 0, 1, 2, 5, 7, 0xdd, 0xff],
    check: op_msg::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(20);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(100_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
