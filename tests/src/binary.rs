//! Finding the binary under test.
//!
//! `SKYNET_BIN` decides if it is set. Otherwise it is the `skynet` of the profile that the running test was built with.
//! Cargo does not know that these tests need it, so it is built here when it is missing or older than a source file;
//! without the second condition `cargo test -p skynet-tests` would quietly test yesterday's runtime.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The path of the binary under test.
pub fn skynet() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(locate)
}

fn locate() -> PathBuf {
    if let Some(path) = std::env::var_os("SKYNET_BIN") {
        let path = PathBuf::from(path);
        assert!(
            path.is_file(),
            "SKYNET_BIN={} is not a file",
            path.display()
        );
        return path.canonicalize().expect("canonical path of SKYNET_BIN");
    }
    // target/<profile>/deps/<test> -> target/<profile>
    let test = std::env::current_exe().expect("path of the test executable");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>");
    let binary = folder.join("skynet");
    if modified(&binary).is_none_or(|built| newest_source() > built) {
        build(folder);
    }
    assert!(binary.is_file(), "{} was not built", binary.display());
    binary
}

fn build(folder: &Path) {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let status = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["build", "--quiet", "-p", "skynet", "--profile", profile])
        .current_dir(workspace())
        .status()
        .expect("cargo runs");
    assert!(status.success(), "cargo build -p skynet failed");
}

fn newest_source() -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut folders: Vec<PathBuf> = ["crates", "lualib", "service"]
        .iter()
        .map(|name| workspace().join(name))
        .collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|ext| ext == "rs" || ext == "lua" || ext == "toml")
            {
                newest = newest.max(modified(&path).unwrap_or(newest));
            }
        }
    }
    newest
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// The workspace's root folder.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
