//! Bytes that are expected, which may be recorded as a length and a digest only.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::vectors;

/// What has to come.
#[derive(Debug, Clone)]
pub enum Expected {
    /// These bytes.
    Exact(Vec<u8>),
    /// So many bytes of this SHA-256, in hex.
    Digest(usize, String),
}

impl Expected {
    /// Of a recorded byte string.
    pub fn of(value: &Json) -> Expected {
        match (value["len"].as_u64(), value.get("concat")) {
            (Some(len), None) => {
                let sha256 = value["sha256"].as_str().expect("a digest").to_string();
                Expected::Digest(usize::try_from(len).expect("a size"), sha256)
            }
            _ => Expected::Exact(vectors::bytes(value)),
        }
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        match self {
            Expected::Exact(bytes) => bytes.len(),
            Expected::Digest(len, _) => *len,
        }
    }

    /// No bytes?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Are they these?
    pub fn is(&self, bytes: &[u8]) -> bool {
        match self {
            Expected::Exact(want) => want == bytes,
            Expected::Digest(len, sha256) => {
                let digest = Sha256::digest(bytes);
                let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                bytes.len() == *len && text == *sha256
            }
        }
    }

    /// For messages.
    pub fn show(&self) -> String {
        match self {
            Expected::Exact(bytes) => show(bytes),
            Expected::Digest(len, _) => format!("{len} bytes"),
        }
    }
}

/// Bytes for messages.
pub fn show(bytes: &[u8]) -> String {
    let more = if bytes.len() > 400 { "..." } else { "" };
    let shown = &bytes[..bytes.len().min(400)];
    format!("{}{more}", shown.escape_ascii())
}
