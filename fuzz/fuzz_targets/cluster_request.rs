#![no_main]

#[path = "../src/cluster_request.rs"]
mod cluster_request;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| cluster_request::check(stream));
