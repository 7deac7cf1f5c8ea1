//! The checks of the fuzz target `mysql`, without the fuzzer.

mod fuzzing;

#[path = "../../../fuzz/src/mysql.rs"]
mod mysql;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "mysql",
    likely: &[
        0, 0, 0, 1, 2, 3, 4, 5, 7, 8, 11, 12, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
    ],
    check: mysql::check,
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
