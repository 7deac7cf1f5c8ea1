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

macro_rules! stretched {
    ($($(#[$doc:meta])* $name:ident: $hash:ty, $size:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name(password: &[u8], salt: &[u8], rounds: u32) -> [u8; $size] {
            // The state after the key is the same in all rounds.
            let keyed = Hmac::<$hash>::new_from_slice(password).expect("HMAC takes keys of any length");
            let first = keyed.clone().chain_update(salt).chain_update(1u32.to_be_bytes());
            let mut last: [u8; $size] = first.finalize().into_bytes().into();
            let mut all = last;
            for _ in 1..rounds {
                last = keyed.clone().chain_update(last).finalize().into_bytes().into();
                for (sum, byte) in all.iter_mut().zip(last) {
                    *sum ^= byte;
                }
            }
            all
        }
    )*};
}

stretched! {
    /// PBKDF2 (RFC 8018) with HMAC-SHA-1: the first block, as SCRAM uses it.
    pbkdf2_sha1: Sha1, 20;
    /// PBKDF2 (RFC 8018) with HMAC-SHA-256: the first block, as SCRAM uses it.
    pbkdf2_sha256: Sha256, 32;
}

#[cfg(test)]
mod tests {
    use super::{pbkdf2_sha1, pbkdf2_sha256};

    /// RFC 6070, and the same inputs with SHA-256.
    #[test]
    fn published_values() {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let (password, salt) = (&b"password"[..], &b"salt"[..]);
        assert_eq!(
            hex(&pbkdf2_sha1(password, salt, 1)),
            "0c60c80f961f0e71f3a9b524af6012062fe037a6"
        );
        assert_eq!(
            hex(&pbkdf2_sha1(password, salt, 4096)),
            "4b007901b765489abead49d926f721d065a429c1"
        );
        assert_eq!(
            hex(&pbkdf2_sha256(password, salt, 1)),
            "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"
        );
    }
}
