//! Where and from what the figures come.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::node::Binary;
use crate::proc;

/// The machine. The load is that of the minute before, so one can see whether it was quiet.
pub fn machine() -> Value {
    json!({
        "cpu": proc::cpu_model(),
        "cores": std::thread::available_parallelism().map(usize::from).ok(),
        "memory_kb": proc::memory_kb(),
        "kernel": proc::kernel(),
        "load_before": proc::load(),
    })
}

/// One line for the head of the table.
pub fn line(machine: &Value) -> String {
    let text = |key: &str| machine[key].as_str().unwrap_or("unknown").to_owned();
    format!(
        "{}, {} cores, Linux {}, load {}",
        text("cpu"),
        machine["cores"],
        text("kernel"),
        machine["load_before"]
    )
}

/// A binary: when it was built and by which compiler.
pub fn binary(binary: &Binary) -> Value {
    json!({
        "label": binary.label,
        "mode": binary.mode.name(),
        "built": modified(&binary.path),
        "bytes": fs::metadata(&binary.path).map(|data| data.len()).ok(),
        "compiler": fs::read(&binary.path).ok().and_then(|bytes| {
            compiler(&bytes, b"rustc version ").or_else(|| compiler(&bytes, b"GCC: ("))
        }),
    })
}

/// What a compiler left in the file's `.comment` section, from `name` on.
pub fn compiler(bytes: &[u8], name: &[u8]) -> Option<String> {
    let mut windows = bytes.windows(name.len());
    let at = windows.position(|window| window == name)?;
    let text = bytes[at..].split(|&byte| byte == 0).next()?;
    Some(String::from_utf8_lossy(&text[..text.len().min(80)]).into_owned())
}

fn modified(path: &Path) -> Option<u64> {
    let time = fs::metadata(path).ok()?.modified().ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// The revision of the source that this program was built from, and whether files differ from it.
pub fn source() -> Value {
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .args(args)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    json!({
        "revision": git(&["rev-parse", "HEAD"]),
        "changed": git(&["status", "--porcelain", "--untracked-files=no"]).map(|text| !text.is_empty()),
    })
}

/// Seconds since 1970.
pub fn now() -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.as_secs())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_compiler_of_this_program_is_found() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(
            super::compiler(&own, b"rustc version ")
                .unwrap()
                .starts_with("rustc version 1.")
        );
    }
}
