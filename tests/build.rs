//! Which servers and other programs this machine has, or what stands in for them. Tests that need one that is missing
//! are ignored, and say how to get it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn main() {
    for (cfg, program) in [
        ("redis_server", "redis-server"),
        ("mariadb_server", "mariadbd"),
        ("postgres_server", "initdb"),
        ("etcd_server", "etcd"),
        ("dnsmasq", "dnsmasq"),
        ("openssl", "openssl"),
    ] {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        let mut found = false;
        for folder in folders() {
            let path = folder.join(program);
            if path.is_file() {
                found = true;
            }
            println!("cargo::rerun-if-changed={}", path.display());
        }
        if found {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
    mongoeco();
    println!("cargo::rerun-if-env-changed=PATH");
}

/// A Python that has what stands in for MongoDB: `MONGOECO_PYTHON`, or the usual one.
fn mongoeco() {
    println!("cargo::rustc-check-cfg=cfg(mongoeco)");
    println!("cargo::rerun-if-env-changed=MONGOECO_PYTHON");
    let python = std::env::var("MONGOECO_PYTHON").unwrap_or_else(|_| "python3".into());
    let modules = Command::new(python)
        .args(["-c", "import mongoeco.wire.proxy, bson"])
        .stderr(Stdio::null())
        .status();
    if modules.is_ok_and(|status| status.success()) {
        println!("cargo::rustc-cfg=mongoeco");
    }
}

fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(Path::new("/usr/sbin").to_owned());
    // Debian keeps PostgreSQL in a folder for each version.
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    folders.extend(
        versions
            .into_iter()
            .flatten()
            .filter_map(|version| Some(version.ok()?.path().join("bin"))),
    );
    folders
}
