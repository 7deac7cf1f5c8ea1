//! The checks of the fuzz target `command`, over its corpus and over what a fixed sequence of random numbers makes of
//! it.
#![cfg(not(loom))]

#[path = "../../../fuzz/src/command.rs"]
mod command;
#[path = "../../wire/tests/fuzzing/mod.rs"]
#[allow(dead_code)]
mod fuzzing;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "command",
    likely: b"\n\n :.x023fF-+",
    check: command::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(9);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(1500);
}
