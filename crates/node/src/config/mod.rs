//! The node's configuration file.
//!
//! A configuration is a Lua text chunk that runs in an empty environment: its global assignments are the
//! keys. Only one function is visible, `include "file"`, which runs another file in the same environment.
//! Before compilation every `$NAME` in the text is replaced by the environment variable of that name, in
//! strings and comments too. Afterwards every value is a string; that is what services see through
//! `skynet.getenv`.
//!
//! * [`load`] evaluates a file (`eval` holds the Lua part, `expand` the `$NAME` part);
//! * [`Settings`] gives the keys that the runtime itself reads their types and defaults;
//! * [`check`] says what is wrong with a configuration without starting a node.
//!
//! Evaluation is bounded ([`Limits`]): a file that loops or builds giant strings ends in an error and never
//! takes the process with it.

mod check;
mod cluster;
mod discovery;
mod error;
mod eval;
mod expand;
mod finding;
mod keys;
mod security;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod values;

pub use check::{check, check_with};
pub use error::{ConfigError, Written};
pub use finding::{Finding, Severity};
pub use keys::{KEYS, Key};
pub use security::{PolicyFile, load_policy};
pub use settings::{MailboxPolicy, Settings};

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Between the parts of a key, for values within tables.
const SEPARATOR: char = '\x1f';

/// The evaluated configuration: every key with its value as a string and the place that set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The file that was asked for, as it was named.
    pub file: String,
    /// Key to value; a key that was set to `nil` last is absent.
    pub entries: BTreeMap<String, Entry>,
}

/// One key's value and where it was last assigned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The value: strings as they are, booleans as `true`/`false`, numbers as Lua's `tostring` writes them.
    pub value: String,
    /// The file of the last assignment, relative to the working directory unless it was named absolutely.
    pub file: String,
    /// The line of the last assignment, from 1; 0 if unknown.
    pub line: u32,
}

impl Config {
    /// The value of `key`, if it is set.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| entry.value.as_str())
    }

    /// Sets `key` as if a configuration file had done so, without a place.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let entry = Entry {
            value: value.into(),
            ..Entry::default()
        };
        self.entries.insert(key.into(), entry);
    }
}

/// What an evaluation may use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that the Lua state may hold.
    pub memory: usize,
    /// Lua instructions that may run.
    pub instructions: u64,
    /// Bytes of one file, before and after the `$NAME` replacement.
    pub file: usize,
}

impl Default for Limits {
    /// Far more than any configuration needs: 64 MiB, 200 million instructions (about a second or two), 16 MiB a file.
    fn default() -> Self {
        Limits {
            memory: 64 << 20,
            instructions: 200_000_000,
            file: 16 << 20,
        }
    }
}

/// Where an evaluation gets files and environment variables from.
pub trait Host {
    /// The content of `path`, at most `limit + 1` bytes of it (one more tells that it is too large).
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;
    /// The environment variable `name`.
    fn variable(&self, name: &[u8]) -> Option<Vec<u8>>;
}

/// The process's own file system and environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        // Bounded, since a path may name a device or a pipe that never ends.
        std::fs::File::open(path)?
            .take(limit as u64 + 1)
            .read_to_end(&mut content)?;
        Ok(content)
    }

    fn variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        std::env::var_os(std::ffi::OsStr::from_bytes(name)).map(OsStringExt::into_vec)
    }
}

/// Evaluates the configuration file at `path`.
///
/// # Errors
/// A [`ConfigError`], whose text is what the `skynet` command prints.
pub fn load(path: impl AsRef<Path>) -> Result<Config, ConfigError> {
    load_with(path, &SystemHost, &Limits::default())
}

/// [`load`] with another source of files and variables, or with other limits.
///
/// # Errors
/// A [`ConfigError`].
pub fn load_with(
    path: impl AsRef<Path>,
    host: &dyn Host,
    limits: &Limits,
) -> Result<Config, ConfigError> {
    eval::evaluate(path.as_ref().as_os_str().as_bytes(), host, limits, false)
}

/// Evaluates a file with the names and addresses of cluster nodes: its globals, with booleans as `true` and `false`.
///
/// `$` has no meaning in such a file.
///
/// # Errors
/// A [`ConfigError`].
pub fn load_addresses(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let entries = load_addresses_of(path)?;
    Ok(entries.map(|(name, entry)| (name, entry.value)).collect())
}

/// [`load_addresses`], with the places where the values were set.
fn load_addresses_of(
    path: &Path,
) -> Result<impl Iterator<Item = (String, Entry)> + use<>, ConfigError> {
    let config = load_with(path, &Plain, &Limits::default())?;
    Ok(config.entries.into_iter())
}

/// Files in which `$` has no meaning.
struct Plain;

impl Host for Plain {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        SystemHost.read(path, limit)
    }

    fn variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        Some([b"$", name].concat())
    }
}

/// Evaluates such a file with tables for values, whose entries have keys of several parts.
fn load_tables(path: &Path) -> Result<Config, ConfigError> {
    let path = path.as_os_str().as_bytes();
    eval::evaluate(path, &Plain, &Limits::default(), true)
}
