//! Recorded ports, and those that stand in their place.

use serde_json::Value;

use crate::peer;

/// All recorded ports.
const RECORDED: std::ops::Range<u16> = 21_600..21_690;

/// Pairs of a recorded port and the one that is used. All have five digits.
#[derive(Clone)]
pub struct Ports(Vec<(u16, u16)>);

impl Ports {
    /// For the ports that a case names.
    pub fn of(case: &Value) -> Ports {
        let text = case.to_string();
        let used = RECORDED.filter(|port| text.contains(&port.to_string()));
        let mut pairs: Vec<(u16, u16)> = Vec::new();
        for port in used {
            let other = loop {
                let other = peer::port();
                if !RECORDED.contains(&other) && pairs.iter().all(|pair| pair.1 != other) {
                    break other;
                }
            };
            pairs.push((port, other));
        }
        Ports(pairs)
    }

    /// The port that is used for a recorded one.
    pub fn node(&self, recorded: &Value) -> u16 {
        let port = recorded.as_u64().expect("a port") as u16;
        let pair = self.0.iter().find(|pair| pair.0 == port);
        pair.expect("a recorded port").1
    }

    /// Recorded Lua text for the node. It is recorded with a character for each byte.
    pub fn node_text(&self, text: &str) -> Vec<u8> {
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        self.node_bytes(&bytes.expect("characters below 256"))
    }

    /// Recorded bytes for the node.
    pub fn node_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.replaced(bytes, |pair| pair)
    }

    /// Bytes of the node as they would have been recorded.
    pub fn recorded_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.replaced(bytes, |(recorded, used)| (used, recorded))
    }

    fn replaced(&self, bytes: &[u8], order: impl Fn((u16, u16)) -> (u16, u16)) -> Vec<u8> {
        let mut result = bytes.to_vec();
        for (from, to) in self.0.iter().copied().map(order) {
            let (from, to) = (from.to_string(), to.to_string());
            let mut at = 0;
            while let Some(found) = find(&result[at..], from.as_bytes()) {
                result[at + found..at + found + 5].copy_from_slice(to.as_bytes());
                at += found + 5;
            }
        }
        result
    }
}

/// Where the first of some bytes lie in others.
pub fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}
