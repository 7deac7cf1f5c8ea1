//! Which servers of databases this machine has. Tests that need one that is missing are ignored, and say how to get it.

use std::path::{Path, PathBuf};

fn main() {
    for (cfg, program) in [
        ("redis_server", "redis-server"),
        ("mariadb_server", "mariadbd"),
        ("postgres_server", "initdb"),
        ("etcd_server", "etcd"),
        ("dnsmasq", "dnsmasq"),
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
    println!("cargo::rerun-if-env-changed=PATH");
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
