//! The checks of the fuzz target `text`, without the fuzzer.

#[path = "../../wire/tests/fuzzing/mod.rs"]
mod fuzzing;

#[path = "../../../fuzz/src/text.rs"]
mod text;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "text",
    likely: b"AZaz09+/==\n g`\0",
    check: text::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(60);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(20_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(20_000);
}
