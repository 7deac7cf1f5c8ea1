#![no_main]

#[path = "../src/op_msg.rs"]
mod op_msg;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| op_msg::check(bytes));
