//! The command line: [`args`] turns what was typed into what is meant, and a module for each command does it.
//!
//! Exit codes: 0 the node stopped in order or the task is done; 1 it could not start, the script failed or the
//! configuration has errors; 2 the command line is wrong; 128 + signal at the second signal.

mod args;
mod check;
mod headers;
mod keygen;
mod lua;
mod node;
mod run;
mod signals;
mod unix;

use args::Invocation;
use std::ffi::OsString;
use std::process::ExitCode;

/// What all messages to operators begin with, apart from those whose text is given by skynet (C).
const NAME: &str = "skynet";

/// Runs the command line `args`, the first of which is the program.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let result = match args::parse(args) {
        Invocation::Nothing => {
            eprintln!(
                "A config file is needed; examples/ and docs/ show how one looks, `skynet --help` what else there is."
            );
            eprintln!("usage: skynet configfilename");
            return ExitCode::FAILURE;
        }
        Invocation::Shown(code) => return code,
        Invocation::Node(file) => node::from_file(&file),
        Invocation::Run(options) => run::run(&options),
        Invocation::Lua(options) => {
            skynet_kernel::huge::allow();
            return lua::run(&options);
        }
        Invocation::Check(file) => Ok(check::run(&file)),
        Invocation::Headers(folder) => headers::run(&folder),
        Invocation::Keygen => keygen::run(),
    };
    result.unwrap_or_else(|error| {
        // `{:#}` gives the causes as well.
        eprintln!("{NAME}: {error:#}");
        ExitCode::FAILURE
    })
}
