//! `skynet CONFIG`, and what `skynet run` shares with it: from settings to the end of the node.

use super::unix::Daemon;
use super::{signals, unix};
use anyhow::Context as _;
use skynet::boot::{self, StartError};
use skynet_kernel::Node;
use skynet_node::config::{self, ConfigError, Settings};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs a node with the configuration `file` until all its services are gone.
pub fn from_file(file: &Path) -> anyhow::Result<ExitCode> {
    // These texts are known to scripts, so that nothing is put in front of them.
    let settings = match config::load(file).and_then(|config| Settings::new(&config)) {
        Ok(settings) => settings,
        Err(error) => return Ok(refuse(&error)),
    };
    run(&settings, |_| ExitCode::SUCCESS)
}

/// Says what is wrong with the configuration, and how to put it right.
pub fn refuse(error: &ConfigError) -> ExitCode {
    eprintln!("{error}");
    if let Some(hint) = error.hint() {
        eprintln!("{hint}");
    }
    ExitCode::FAILURE
}

/// Runs a node; `end` gives the exit code after an orderly stop.
pub fn run(
    settings: &Settings,
    end: impl FnOnce(&Arc<Node>) -> ExitCode,
) -> anyhow::Result<ExitCode> {
    let daemon = match settings
        .daemon
        .as_deref()
        .map(|path| unix::daemonize(&skynet_kernel::text::path(path)))
    {
        None => None,
        Some(Ok(daemon)) => Some(daemon),
        Some(Err(error)) => {
            eprintln!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let caught = signals::catch().context("signals cannot be caught")?;
    let node = match boot::start(settings) {
        Ok(node) => node,
        Err(error) => {
            // What the log has said is not repeated here.
            if !matches!(error, StartError::Bootstrap(_)) {
                eprintln!("{error}");
            }
            if let StartError::Kernel(skynet_kernel::Error::LogService { reason, .. }) = &error
                && !reason.is_empty()
            {
                eprintln!("{reason}");
            }
            if let Some(daemon) = daemon {
                daemon.failed();
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    // Nothing has been dispatched yet.
    let pid_file = daemon.map(Daemon::started).transpose()?;
    caught
        .govern(node.clone())
        .context("no thread for signals")?;
    node.run();
    let in_time = node.wait_at_most(settings.shutdown_timeout);
    if in_time {
        node.wait();
    }
    if let Some(file) = pid_file {
        file.remove();
    }
    if !in_time {
        signals::give_up(&node, settings.shutdown_timeout);
    }
    // The log says why. A supervisor reads the status.
    if node.getenv(boot::FAILED).is_some() {
        return Ok(ExitCode::FAILURE);
    }
    Ok(end(&node))
}
