//! The checks of the fuzz target `dns`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/dns.rs"]
mod dns;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "dns",
    likely: b"\0\x01\x05\x06\x1c\x21\xc0\x0c\x80\x81\x3f\xff",
    check: dns::check,
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
