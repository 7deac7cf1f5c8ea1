#![no_main]

#[path = "../src/cluster_response.rs"]
mod cluster_response;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| cluster_response::check(stream));
