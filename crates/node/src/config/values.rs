//! Values of keys, and where they were written.

use super::error::Written;
use super::{Config, ConfigError};

/// What was written for a key, and where.
pub(super) fn written(config: &Config, key: &str) -> Written {
    let entry = config.entries.get(key).cloned().unwrap_or_default();
    Written {
        text: entry.value,
        file: entry.file,
        line: entry.line,
    }
}

/// A number above 0, as a decimal integer.
pub(super) fn positive(config: &Config, key: &'static str) -> Result<Option<u64>, ConfigError> {
    let Some(value) = config.get(key) else {
        return Ok(None);
    };
    match value.parse() {
        // Durations are added to clocks, so that an absurd value must not get there.
        Ok(number @ 1..=0x7fff_ffff) => Ok(Some(number)),
        _ => Err(ConfigError::Setting {
            key,
            value: value.to_owned(),
            expected: "a whole number from 1 to 2147483647",
            written: written(config, key),
        }),
    }
}
