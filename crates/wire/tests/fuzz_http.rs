//! The checks of the fuzz target `http`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/http.rs"]
mod http;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "http",
    likely: b"\r\n\r\n\r\n: 0123aAfF;,HTTP/1.1\t",
    check: http::check,
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
