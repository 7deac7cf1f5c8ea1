#![no_main]

#[path = "../src/dns.rs"]
mod dns;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dns::check(bytes));
