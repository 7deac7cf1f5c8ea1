#![no_main]

#[path = "../src/mysql.rs"]
mod mysql;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mysql::check(bytes));
