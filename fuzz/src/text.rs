//! Fuzz target `text`: any bytes as base64 and hexadecimal text, and as a DES cipher text.

use skynet_crypt::des::{self, Padding};
use skynet_crypt::{stream, text};

/// What is decoded is no longer than it can be, and what is encoded comes back.
pub fn check(bytes: &[u8]) {
    if let Ok(decoded) = text::base64_decode(bytes) {
        assert!(decoded.len() <= bytes.len());
    }
    if let Ok(decoded) = text::hex_decode(bytes) {
        assert_eq!(decoded.len() * 2, bytes.len());
    }
    assert_eq!(
        text::base64_decode(&text::base64_encode(bytes)).as_deref(),
        Ok(bytes)
    );
    assert_eq!(
        text::hex_decode(&text::hex_encode(bytes)).as_deref(),
        Ok(bytes)
    );
    let key = bytes.get(..8).unwrap_or(b"12345678");
    for padding in [Padding::Iso7816, Padding::Pkcs7] {
        let _ = des::decode(key, bytes, padding);
        let encoded = des::encode(key, bytes, padding).expect("a key of 8 bytes");
        assert_eq!(des::decode(key, &encoded, padding).as_deref(), Ok(bytes));
    }
    if let Ok(decoded) = stream::decrypt(bytes, key) {
        assert!(decoded.len() < bytes.len());
    }
}
