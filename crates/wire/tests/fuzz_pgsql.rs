//! The checks of the fuzz target `pgsql`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/pgsql.rs"]
mod pgsql;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "pgsql",
    likely: b"\0\0\0\x01\x04{},\"\\NULLDTCZ\x17\xff",
    check: pgsql::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(8);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(100_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}
