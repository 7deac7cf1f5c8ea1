//! The checks of the fuzz target `console`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/console.rs"]
mod console;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "console",
    likely: b"\n\r /:.0a GETPOST",
    check: console::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(10);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(30_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(30_000);
}
