#![no_main]

#[path = "../src/cluster_handshake.rs"]
mod cluster_handshake;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| cluster_handshake::check(stream));
