//! The kernel's own benchmark: native services alone, in one process, without Lua.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Runs the program once with so many worker threads, each of its workloads for so many seconds, and returns what it
/// measured: the name of each metric and its value.
pub fn run(program: &Path, threads: u32, seconds: f64) -> anyhow::Result<Vec<(String, f64)>> {
    let output = Command::new(program)
        .args([threads.to_string(), seconds.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        bail!("it ended with {}", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let metrics: Vec<_> = text.lines().filter_map(metric).collect();
    if metrics.is_empty() {
        bail!("it printed no figures");
    }
    Ok(metrics)
}

/// `ring of 512     38.0   (26.3 M/s, ...)`: nanoseconds, unless another unit follows the number.
fn metric(line: &str) -> Option<(String, f64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    // Names have numbers too, but never one with a fraction.
    let at = words
        .iter()
        .position(|word| word.contains('.') && word.parse::<f64>().is_ok())?;
    let unit = match words.get(at + 1) {
        Some(&"µs") => "us",
        Some(&"ms") => "ms",
        Some(&"bytes") => "bytes",
        _ => "ns",
    };
    let name = words[..at].join("-");
    if name.is_empty() {
        return None;
    }
    Some((format!("{name}_{unit}"), words[at].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::metric;

    #[test]
    fn its_lines_are_read() {
        let read = |line| metric(line).map(|(name, value)| format!("{name}={value}"));
        assert_eq!(
            read(" ring of 512     38.0   (26.3 M/s, 1.00 cores, 3 parks)").as_deref(),
            Some("ring-of-512_ns=38")
        );
        assert_eq!(
            read("  wake and reply      9.5 µs median").as_deref(),
            Some("wake-and-reply_us=9.5")
        );
        assert_eq!(
            read("  idle    0.012 ms CPU in 500 ms, 0 wake-ups").as_deref(),
            Some("idle_ms=0.012")
        );
        assert!(read("2 workers, profile true: ns per message").is_none());
    }
}
