//! `skynet lua`.

use super::args::LuaArgs;
use super::{NAME, unix};
use skynet_node::interpreter::{self, Options, Source};
use std::io::{self, IsTerminal};
use std::process::ExitCode;

/// Runs Lua as the stand-alone interpreter does.
pub fn run(args: &LuaArgs) -> ExitCode {
    unix::end_with_the_reader();
    let source = match &args.script {
        Some(script) if script.as_bytes() == b"-" => Source::Stdin,
        Some(script) => Source::File(script.clone()),
        None if !args.code.is_empty() || !args.modules.is_empty() => Source::None,
        None if io::stdin().is_terminal() => Source::Interactive,
        None => Source::Stdin,
    };
    let script = match args.script {
        Some(_) => args.command_line.len() - 1 - args.arguments,
        None => 0,
    };
    let options = Options {
        program: NAME.to_owned(),
        command_line: args.command_line.clone(),
        script,
        modules: args.modules.clone(),
        chunks: args.code.clone(),
        source,
        loops: args.loops,
    };
    match interpreter::run(&options) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
