//! `skynet check CONFIG`.

use skynet_node::config::{self, Severity};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Prints what is wrong with `file`, one line each; fails if any of it is an error.
pub fn run(file: &Path) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(error) => {
            let place = error.place().map(|(file, line)| format!("{file}:{line}: "));
            // Some texts begin with their place.
            let place = place.filter(|place| !error.to_string().starts_with(place.as_str()));
            let _ = writeln!(io::stdout(), "{}{error}", place.unwrap_or_default());
            if let Some(hint) = error.hint() {
                let _ = writeln!(io::stdout(), "{hint}");
            }
            return ExitCode::FAILURE;
        }
    };
    let findings = config::check(&config);
    for finding in &findings {
        // If this fails, the reader has closed the pipe.
        let _ = writeln!(io::stdout(), "{finding}");
    }
    match findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
    {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
