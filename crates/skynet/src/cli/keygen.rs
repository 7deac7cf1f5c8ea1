//! `skynet keygen`.

use std::io::{self, Write};
use std::process::ExitCode;

use skynet_crypt::{modern, text};

/// Bytes of a secret.
const BYTES: usize = 32;

/// Prints a line with a new secret for `clustersecret`.
pub fn run() -> anyhow::Result<ExitCode> {
    let secret = text::base64_encode(&modern::random_bytes(BYTES)?);
    io::stdout().write_all(&[&secret[..], b"\n"].concat())?;
    Ok(ExitCode::SUCCESS)
}
