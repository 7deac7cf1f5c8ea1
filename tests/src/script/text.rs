//! Bytes of HTTP as they are compared: the order of header lines is free, and the random key of a websocket is left out.

use skynet_crypt::{digest, text};

use super::ports::{Ports, find};

const KEY: &[u8] = b"Sec-WebSocket-Key:";

/// Where the key of a websocket's request lies.
fn key(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let at = find(bytes, KEY)? + KEY.len();
    (bytes.len() >= at + 24).then_some(at..at + 24)
}

/// The text that accepts the key in a request.
pub fn accept(request: &[u8]) -> Vec<u8> {
    let key = key(request).map_or(&b""[..], |range| &request[range]);
    let text = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    text::base64_encode(&digest::sha1(&text))
}

/// The form in which bytes are compared.
pub fn comparable(bytes: &[u8], ports: &Ports) -> Vec<u8> {
    let mut bytes = ports.recorded_bytes(bytes);
    if let Some(range) = key(&bytes) {
        bytes[range].fill(b'K');
    }
    let is_head = bytes.starts_with(b"HTTP/") || find(&bytes, b" HTTP/1.").is_some();
    let Some(end) = find(&bytes, b"\r\n\r\n").filter(|_| is_head) else {
        return bytes;
    };
    let head = bytes[..end].to_vec();
    let mut lines: Vec<&[u8]> = head
        .split(|b| *b == b'\n')
        .map(|l| l.trim_ascii_end())
        .collect();
    lines[1..].sort_unstable();
    let mut sorted = lines.join(&b"\r\n"[..]);
    sorted.extend_from_slice(&bytes[end..]);
    sorted
}

/// Bytes for a person to read.
pub fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(600)].escape_ascii().to_string()
}
