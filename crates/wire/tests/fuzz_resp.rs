//! The checks of the fuzz target `resp`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/resp.rs"]
mod resp;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "resp",
    likely: b"\r\n\r\n+-:$*_#,(!=%~>|0123\xff",
    check: resp::check,
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
