//! RSA encryption with OAEP padding, SHA-1 and no label, as MySQL wants it for a password that is sent over a connection
//! without TLS (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>).

use getrandom::SysRng;
use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey;
use sha1::Sha1;

use crate::Error;

/// Enciphers `text` for the owner of a public key, which is given as PEM (`BEGIN PUBLIC KEY`). The result is as long as
/// the modulus of the key: 256 bytes for one of 2,048 bits.
///
/// # Errors
/// [`Error::PublicKey`] for a text that is no such key, or a key that is too short or too long to be used;
/// [`Error::RsaLength`] for a text that is longer than the key can take, or without random bytes.
pub fn encrypt(public_key: &str, text: &[u8]) -> Result<Vec<u8>, Error> {
    let key = PublicKey::from_public_key_pem(public_key.trim())
        .map_err(|why| Error::PublicKey(why.to_string()))?;
    key.oaep_encrypt_with_rng::<Sha1, _>(&mut SysRng, text)
        .map_err(|why| Error::RsaLength(text.len(), why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::encrypt;
    use crate::Error;

    #[test]
    fn what_is_no_key() {
        for text in [
            "",
            "garbage",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        ] {
            let refused = encrypt(text, b"x");
            assert!(matches!(refused, Err(Error::PublicKey(_))), "{refused:?}");
        }
    }
}
