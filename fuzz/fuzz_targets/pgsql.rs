#![no_main]

#[path = "../src/pgsql.rs"]
mod pgsql;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pgsql::check(bytes));
