//! Lines of the log.

use std::time::{Duration, Instant};

use super::Check;
use super::client::PATIENCE;
use super::ports::Ports;

/// Waits until these lines have come in this order; others may lie between.
pub fn wait_for(wanted: &[&str], log: impl Fn() -> String, ports: &Ports) -> Check {
    let started = Instant::now();
    loop {
        let text = log();
        let text = String::from_utf8_lossy(&ports.recorded_bytes(text.as_bytes())).into_owned();
        let mut lines = text.lines().map(without_source);
        let missing = wanted
            .iter()
            .find(|wanted| !lines.any(|line| matches(wanted, line)));
        match missing {
            None => return Ok(()),
            Some(line) if started.elapsed() > PATIENCE => {
                return Err(format!("no line {line:?} in its place in the log:\n{text}"));
            }
            Some(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// What a service has logged, without its address.
fn without_source(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, text)| text)
}

/// A `#` of the recorded line stands for a number, and runs of blanks are one.
fn matches(wanted: &str, line: &str) -> bool {
    let line: Vec<&str> = line.split_whitespace().collect();
    let line = line.join(" ");
    let mut rest = line.as_str();
    for (i, part) in wanted.split('#').enumerate() {
        if i > 0 {
            let number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            if number.len() == rest.len() {
                return false;
            }
            rest = number;
        }
        match rest.strip_prefix(part) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    rest.is_empty()
}
