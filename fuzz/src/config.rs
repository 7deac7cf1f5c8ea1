//! What must hold for any text given to the evaluator of configuration files.

use skynet_kernel::text;
use skynet_node::config::{self, Config, ConfigError, Host, Limits, Settings};
use std::cell::Cell;
use std::fmt::Write;
use std::io;
use std::path::Path;

/// Small, so that loops and giant strings end soon.
const LIMITS: Limits = Limits {
    memory: 2 << 20,
    instructions: 100_000,
    file: 64 << 10,
};

/// The input as the file `c.cfg`, beside others that it may include; nothing of the machine is reachable.
struct Memory<'a> {
    input: &'a [u8],
    /// How often a file was read.
    reads: Cell<usize>,
}

impl Host for Memory<'_> {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        let content = match path.to_str() {
            Some("./c.cfg") => self.input,
            Some("./a.cfg" | "/a.cfg") => b"a = (a or 0) + 1 include 'sub/b.cfg'",
            Some("./sub/b.cfg" | "/sub/b.cfg") => b"b = '$HOME' .. (a or '')",
            Some("/endless.cfg") => return Ok(vec![b' '; limit + 1]),
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(content[..content.len().min(limit + 1)].to_vec())
    }

    fn variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        match name {
            b"HOME" => Some(b"/home".to_vec()),
            b"SELF" => Some(b"include 'c.cfg'".to_vec()),
            b"EMPTY" => Some(Vec::new()),
            _ => None,
        }
    }
}

fn evaluate(input: &[u8]) -> Result<Config, ConfigError> {
    let memory = Memory {
        input,
        reads: Cell::new(0),
    };
    let result = config::load_with(Path::new("c.cfg"), &memory, &LIMITS);
    assert!(memory.reads.get() > 0);
    result
}

/// Evaluates `input`, and uses what came out.
///
/// # Panics
/// If something does not hold.
pub fn check(input: &[u8]) {
    let result = evaluate(input);
    // The seed of the tables is fixed, and an address is never a value.
    assert_eq!(
        result,
        evaluate(input),
        "the same text gives the same result"
    );
    match result {
        Ok(config) => {
            for (key, entry) in &config.entries {
                assert!(!key.contains('\0') && !entry.value.contains('\0'));
                assert!(
                    entry.line > 0 && !entry.file.is_empty(),
                    "{key} has a place"
                );
            }
            let written = evaluate(write(&config).as_bytes());
            match written {
                Ok(again) => assert!(same(&config, &again), "what was read can be written"),
                // The text is longer than what made it.
                Err(error) => assert!(
                    matches!(
                        error,
                        ConfigError::Read { .. }
                            | ConfigError::Memory { .. }
                            | ConfigError::Endless { .. }
                    ),
                    "{error}"
                ),
            }
            match Settings::new(&config) {
                Ok(settings) => {
                    assert!((1..=1024).contains(&settings.thread));
                    assert!(settings.env.len() >= config.entries.len());
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
            for finding in config::check(&config) {
                assert!(finding.to_string().contains(&finding.key));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A configuration with the entries of `config`.
fn write(config: &Config) -> String {
    let quoted = |text: &str| {
        text::to_bytes(text)
            .iter()
            .fold(String::new(), |mut out, byte| {
                write!(out, "\\{byte:03}").expect("in memory");
                out
            })
    };
    config
        .entries
        .iter()
        .fold(String::new(), |mut out, (key, entry)| {
            writeln!(out, "_ENV['{}'] = '{}'", quoted(key), quoted(&entry.value))
                .expect("in memory");
            out
        })
}

fn same(a: &Config, b: &Config) -> bool {
    let values = |config: &Config| -> Vec<(String, String)> {
        config
            .entries
            .iter()
            .map(|(key, entry)| (key.clone(), entry.value.clone()))
            .collect()
    };
    values(a) == values(b)
}
