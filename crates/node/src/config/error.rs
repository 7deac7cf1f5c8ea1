//! What can be wrong with a configuration, with the texts that operators and scripts know.

/// Why a configuration cannot be used. `Display` is the line that the command writes to standard error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A configuration file, or an included one, cannot be read.
    #[error("[skynet config]:{line}: {path}: {reason}")]
    Read {
        /// The line of the `include`, 1 for the file that was asked for.
        line: u32,
        /// The path that was opened.
        path: String,
        /// The system's reason, such as `No such file or directory`.
        reason: String,
    },
    /// A file does not compile.
    #[error("[skynet config]:{line}: {message}")]
    Syntax {
        /// The line of the `include`, 1 for the file that was asked for.
        line: u32,
        /// Lua's message, which begins with `file:line:`.
        message: String,
    },
    /// The chunk raised an error.
    #[error("{message}")]
    Runtime {
        /// Lua's message, which begins with `file:line:` when Lua code raised it.
        message: String,
    },
    /// `$NAME` names an environment variable that is not set.
    #[error("os.getenv() failed: {name}")]
    Variable {
        /// The variable's name.
        name: String,
        /// The file that names it.
        file: String,
        /// The line that names it.
        line: u32,
    },
    /// The chunk ran for too long.
    #[error("{file}:{line}: the configuration has not ended after {limit} instructions")]
    Endless {
        /// The file that was running.
        file: String,
        /// The line that was running.
        line: u32,
        /// How many Lua instructions a configuration may run.
        limit: u64,
    },
    /// The chunk used too much memory.
    #[error("not enough memory: a configuration may use {limit} bytes")]
    Memory {
        /// How many bytes it may use.
        limit: usize,
    },
    /// A key is not a string.
    #[error("Invalid config table")]
    Key,
    /// A value is neither string, number nor boolean.
    #[error("Invalid config table key = {key}")]
    Value {
        /// The key.
        key: String,
        /// The file that set it.
        file: String,
        /// The line that set it.
        line: u32,
    },
    /// `thread` is out of range.
    #[error("Invalid thread {value} , should be in [1,1024]")]
    Thread {
        /// The number that was asked for.
        value: i64,
        /// What was written.
        written: Written,
    },
    /// `harbor` is out of range.
    #[error("Invalid harbor {value} , should be in [0,255]")]
    Harbor {
        /// The number that was asked for.
        value: i64,
        /// What was written.
        written: Written,
    },
    /// A pattern of `cpath` has no `?`.
    #[error("Invalid C service path")]
    ServicePath {
        /// What was written.
        written: Written,
    },
    /// A key of this runtime's own has a value that it does not understand.
    #[error("Invalid {key} {value} , should be {expected}")]
    Setting {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
        /// The same value, with its place.
        written: Written,
    },
}

/// A value as it was written, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The value.
    pub text: String,
    /// The file that set it; empty if none did.
    pub file: String,
    /// The line that set it.
    pub line: u32,
}

impl ConfigError {
    /// The place that the error is about, if one is known: file and line.
    pub fn place(&self) -> Option<(&str, u32)> {
        match self {
            ConfigError::Endless { file, line, .. }
            | ConfigError::Value { file, line, .. }
            | ConfigError::Variable { file, line, .. } => Some((file, *line)),
            ConfigError::Thread { written, .. }
            | ConfigError::Harbor { written, .. }
            | ConfigError::ServicePath { written }
            | ConfigError::Setting { written, .. } => {
                (!written.file.is_empty()).then_some((written.file.as_str(), written.line))
            }
            _ => None,
        }
    }

    /// A second line beside the text, which scripts know: the place, what was written there, and what to write.
    pub fn hint(&self) -> Option<String> {
        let place = self.place().map(|(file, line)| format!("{file}:{line}: "));
        let place = place.unwrap_or_default();
        match self {
            ConfigError::Variable { name, .. } => {
                return Some(format!(
                    "{place}${name}: set the environment variable {name} (names behind a $ are replaced in comments, \
                     too)"
                ));
            }
            ConfigError::Value { key, .. } => {
                return Some(format!(
                    "{place}{key}: write a string, a number or a boolean"
                ));
            }
            ConfigError::Key => {
                return Some("the keys of a configuration are names, as in `thread = 4`".into());
            }
            _ => {}
        }
        let (key, written, remedy) = match self {
            ConfigError::Thread { written, .. } => (
                "thread",
                written,
                "a whole number from 1 to 1024, such as 8".to_owned(),
            ),
            ConfigError::Harbor { written, .. } => (
                "harbor",
                written,
                "a whole number from 0 to 255; 0 is a single node".to_owned(),
            ),
            ConfigError::ServicePath { written } => (
                "cpath",
                written,
                "patterns with a `?` where the name belongs, such as \"./cservice/?.so\""
                    .to_owned(),
            ),
            ConfigError::Setting {
                key,
                written,
                expected,
                ..
            } => (*key, written, (*expected).to_owned()),
            _ => return None,
        };
        Some(format!("{place}{key} = `{}`: write {remedy}", written.text))
    }
}
