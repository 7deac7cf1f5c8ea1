//! The hashes, ciphers and text encodings behind `skynet.crypt` and `md5`: plain functions on bytes, without Lua and
//! without I/O.
//!
//! * [`exchange`]: keys, key exchange and the 64-bit authentication codes of skynet's login protocol. They are part of
//!   that protocol and are not secure by today's measure; [`modern`] is for new code.
//! * [`des`]: DES in ECB mode with the two paddings that skynet knows.
//! * [`text`]: hexadecimal and base64, as tolerant as skynet (C).
//! * [`digest`]: MD5, SHA-1, SHA-2 and HMAC.
//! * [`stream`]: the cipher of the module `md5`.
//! * [`rsa_oaep`]: RSA encryption, by which MySQL takes passwords.
//! * [`modern`]: AES-256-GCM, password hashes, random bytes, UUIDs, comparison in constant time.
//!
//! The primitives come from the crates of RustCrypto; this crate has what is skynet's own.

#![forbid(unsafe_code)]

pub mod des;
pub mod digest;
mod error;
pub mod exchange;
pub mod modern;
pub mod rsa_oaep;
pub mod stream;
pub mod text;

pub use error::Error;
