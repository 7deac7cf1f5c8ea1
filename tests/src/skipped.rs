//! Tests that cannot run on this machine.

use std::io::Write;

/// Says that a test, or a part of it, is left out since `what` is missing, and how to get it. Also without
/// `--nocapture`: nobody is to take for tested what was not.
pub fn skipped(what: &str, how: &str) {
    // The macros that print are captured; this is not.
    let _ = writeln!(std::io::stderr(), "skipped: {what}; {how}");
}
