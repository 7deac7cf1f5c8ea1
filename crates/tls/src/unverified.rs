//! Who has been told that a peer is not verified.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Peers that are remembered. Beyond that nothing is said, so that a log is not filled by many names.
const MOST: usize = 1000;

/// One loud line for each peer that is not verified, and not one for each connection.
#[derive(Debug, Default)]
pub struct Unverified(Mutex<HashSet<String>>);

impl Unverified {
    /// The line for the log, if this peer has not been spoken of yet. `why` is the setting that says so.
    pub fn line(&self, peer: &str, why: &str) -> Option<String> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST || told.contains(peer) {
            return None;
        }
        told.insert(peer.to_owned());
        Some(format!(
            "warning: TLS: the certificate of {peer} is NOT VERIFIED ({why}): whoever is on the way can read and \
             change everything. This line comes once for each peer"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_peer_and_not_without_end() {
        let told = Unverified::default();
        assert!(
            told.line("a:443", "verify = false")
                .unwrap()
                .contains("a:443")
        );
        assert_eq!(told.line("a:443", "verify = false"), None);
        let lines = (0..2 * MOST).filter(|n| told.line(&n.to_string(), "").is_some());
        assert_eq!(lines.count(), MOST - 1);
    }
}
