//! Building what is measured, so that nobody measures yesterday's program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// A program of a package.
#[derive(Clone, Copy)]
pub struct Program {
    /// The package.
    pub package: &'static str,
    /// `--bin` or `--example`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The folder of its workspace, from the root of this one.
    pub workspace: &'static str,
    /// Its features, if they are not the usual ones. What is built with others has a target folder of its own.
    pub features: Option<&'static str>,
}

/// A bare interpreter with this project's Lua.
pub const LUA: Program = Program {
    package: "skynet-vm",
    kind: "--example",
    name: "lua",
    workspace: ".",
    features: None,
};

/// The same with Lua as it is published.
pub const PUBLISHED_LUA: Program = Program {
    features: Some("mimalloc"),
    ..LUA
};

/// The command `skynet`.
pub const SKYNET: Program = Program {
    package: "skynet",
    kind: "--bin",
    name: "skynet",
    workspace: ".",
    features: None,
};

/// The kernel's own benchmark.
pub const KERNEL: Program = Program {
    package: "skynet-kernel",
    kind: "--example",
    name: "bench",
    workspace: ".",
    features: None,
};

/// Actors that send each other messages.
pub const ACTORS: Program = Program {
    package: "skynet",
    kind: "--example",
    name: "actors",
    workspace: ".",
    features: None,
};

/// The folder of this workspace.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The profile that this program was built with: the one whose name its folder has.
pub fn profile() -> anyhow::Result<String> {
    let own = std::env::current_exe().context("where is this program?")?;
    let mut folders = own.ancestors().skip(1);
    // Tests are one folder deeper.
    let folder = folders.find(|folder| !folder.ends_with("deps"));
    let name = folder.and_then(Path::file_name).context("in no folder?")?;
    Ok(match name.to_string_lossy().as_ref() {
        "debug" => "dev".into(),
        other => other.into(),
    })
}

/// Builds a program, which takes a moment if nothing has changed, and returns its file.
pub fn build(program: Program, profile: &str) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command
        .args(["build", "--profile", profile, "-p", program.package])
        .args([program.kind, program.name])
        .arg("--message-format=json-render-diagnostics")
        .args(target(program)?)
        .args(features(program))
        .current_dir(root().join(program.workspace))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cannot build {} of {}", program.name, program.package);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| executable(line, program.name))
        .with_context(|| format!("cargo does not say where {} is", program.name))
}

fn features(program: Program) -> Vec<&'static str> {
    match program.features {
        None => Vec::new(),
        Some(features) => vec!["--no-default-features", "--features", features],
    }
}

/// Another workspace is built inside this one's target folder, so that nothing is left among the sources.
fn target(program: Program) -> anyhow::Result<Vec<OsString>> {
    if program.workspace == "." && program.features.is_none() {
        return Ok(Vec::new());
    }
    let own = std::env::current_exe().context("where is this program?")?;
    let folder = own.ancestors().nth(2).context("in no folder?")?;
    Ok(vec![
        "--target-dir".into(),
        folder.join(program.name).into_os_string(),
    ])
}

/// The file of a program, from one of the lines that cargo prints.
fn executable(line: &str, name: &str) -> Option<PathBuf> {
    let json: Value = serde_json::from_str(line).ok()?;
    let right = json["reason"] == "compiler-artifact" && json["target"]["name"] == name;
    right
        .then(|| json["executable"].as_str().map(PathBuf::from))
        .flatten()
}

/// The version of a package in the workspace's `Cargo.lock`.
pub fn locked(package: &str) -> Option<String> {
    let text = std::fs::read_to_string(root().join("Cargo.lock")).ok()?;
    let (_, rest) = text.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_among_cargos_lines() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"a"},"executable":"/x/a"}"#;
        assert_eq!(executable(line, "a"), Some("/x/a".into()));
        assert_eq!(executable(line, "b"), None);
        assert_eq!(executable("Compiling a", "a"), None);
    }

    #[test]
    fn profiles_and_versions_are_known() {
        assert!(["dev", "release", "quick"].contains(&profile().unwrap().as_str()));
        assert!(locked("serde_json").unwrap().starts_with("1."));
        assert!(locked("no such package").is_none());
    }
}
