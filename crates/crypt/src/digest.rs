//! Digests and keyed digests.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};

/// MD5 (RFC 1321).
pub fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// SHA-1 (RFC 3174).
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-512 (FIPS 180-4).
pub fn sha512(bytes: &[u8]) -> [u8; 64] {
    Sha512::digest(bytes).into()
}

macro_rules! keyed {
    ($($(#[$doc:meta])* $name:ident: $hash:ty, $size:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name(key: &[u8], bytes: &[u8]) -> [u8; $size] {
            let mac = Hmac::<$hash>::new_from_slice(key).expect("HMAC takes keys of any length");
            mac.chain_update(bytes).finalize().into_bytes().into()
        }
    )*};
}

keyed! {
    /// HMAC (RFC 2104) with MD5.
    hmac_md5: Md5, 16;
    /// HMAC (RFC 2104) with SHA-1.
    hmac_sha1: Sha1, 20;
    /// HMAC (RFC 2104) with SHA-256.
    hmac_sha256: Sha256, 32;
    /// HMAC (RFC 2104) with SHA-512.
    hmac_sha512: Sha512, 64;
}
