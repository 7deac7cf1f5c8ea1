//! The command line: what was typed, and what it means.
//!
//! `skynet CONFIG` has no command word, as in skynet (C). So the first argument decides: an option or a command word is
//! given to the parser, anything else is a configuration file, and what follows it is ignored. A file that is called
//! like a command is named `./run`.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use skynet_vm::loops::LoopAssignments;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is to be done.
#[derive(Debug)]
pub enum Invocation {
    /// There was no argument.
    Nothing,
    /// Help, the version or a complaint has been shown; the program ends.
    Shown(ExitCode),
    /// Start a node with this configuration file.
    Node(PathBuf),
    /// Start a node with a Lua service and no configuration file.
    Run(RunArgs),
    /// Run Lua without a node.
    Lua(LuaArgs),
    /// Examine a configuration file.
    Check(PathBuf),
    /// Write the headers for C code into a folder.
    Headers(PathBuf),
    /// Print a secret.
    Keygen,
}

/// A node of the skynet actor runtime, and tools for it.
#[derive(Debug, Parser)]
#[command(
    name = "skynet",
    version,
    override_usage = "skynet CONFIG\n       skynet run [OPTIONS] MAIN.lua [ARGS]...\n       skynet lua [OPTIONS] \
        [FILE | -] [ARGS]...\n       skynet check CONFIG\n       skynet headers DIR\n       skynet keygen",
    after_help = "skynet CONFIG starts a node with a configuration file, and ends when all its services are gone.\n\
                  SIGTERM and SIGINT stop a node in order, a second one at once; SIGHUP reopens its log file.",
    disable_help_subcommand = true
)]
struct Typed {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Parser)]
enum Command {
    /// Start a single node without a configuration file
    #[command(override_usage = "skynet run [OPTIONS] MAIN.lua [ARGS]...")]
    Run(TypedRun),
    /// Run Lua code in a plain interpreter, without a node
    #[command(override_usage = "skynet lua [OPTIONS] [FILE | -] [ARGS]...")]
    Lua(TypedLua),
    /// Say what is wrong with a configuration file, without starting
    Check {
        /// The configuration file
        #[arg(value_name = "CONFIG")]
        config: PathBuf,
    },
    /// Write the headers that C services and C modules for Lua are compiled with
    Headers {
        /// The folder, which is made if it is missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Print a new secret for the nodes of a cluster: 32 random bytes in base64
    Keygen,
}

#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
struct TypedRun {
    /// Worker threads; as many as the CPU quota allows if not given
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Set a configuration key
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// The Lua service to start, or a folder with a main.lua, and its arguments, without blanks. The file's folder is
    /// searched for other services and for modules
    // One list, so that what follows the file belongs to the service, also if it looks like an option.
    #[arg(
        value_name = "MAIN.lua",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    words: Vec<OsString>,
}

#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
struct TypedLua {
    /// Run CODE first
    #[arg(short = 'e', value_name = "CODE")]
    code: Vec<OsString>,
    /// Load module NAME into the global NAME first
    #[arg(short = 'l', value_name = "NAME")]
    module: Vec<OsString>,
    /// Sources of Lua 5.4 that assign to loop variables: true loads them, warn also says so, false refuses them
    #[arg(long, value_name = "WHAT", default_value = "warn", value_parser = loops)]
    lua54: LoopAssignments,
    /// A file to run, `-` for standard input, and the script's arguments; without it and without -e, standard input
    #[arg(
        value_name = "FILE",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    script: Vec<OsString>,
}

/// `skynet run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunArgs {
    /// Worker threads, 1 to 1024.
    pub threads: Option<u32>,
    /// Configuration keys and their values.
    pub set: Vec<(String, String)>,
    /// The Lua service to start, or its folder.
    pub main: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// `skynet lua`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LuaArgs {
    /// Chunks to run first.
    pub code: Vec<CString>,
    /// Modules to load before.
    pub modules: Vec<CString>,
    /// The script or `-`, if there is one.
    pub script: Option<CString>,
    /// The whole command line, for the table `arg`.
    pub command_line: Vec<CString>,
    /// How many arguments follow the script.
    pub arguments: usize,
    /// What is done about sources that assign to loop variables.
    pub loops: LoopAssignments,
}

/// Understands `args`, of which the first is the program.
pub fn parse(args: Vec<OsString>) -> Invocation {
    let Some(first) = args.get(1) else {
        return Invocation::Nothing;
    };
    let words: Vec<String> = Typed::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let is_word = first
        .to_str()
        .is_some_and(|first| words.iter().any(|word| word == first));
    if !is_word && !first.as_encoded_bytes().starts_with(b"-") {
        return Invocation::Node(first.into());
    }
    let command_line: Vec<CString> = args.iter().cloned().filter_map(c_string).collect();
    match Typed::try_parse_from(args) {
        Ok(Typed {
            command:
                Command::Run(TypedRun {
                    threads,
                    set,
                    words,
                }),
        }) => {
            // Everything after the file belongs to the service, so that the parser takes an option it does not know for
            // the file.
            if let Some(option) = words
                .first()
                .and_then(|word| word.to_str())
                .filter(|word| word.starts_with('-'))
            {
                let text = format!(
                    "unexpected argument '{option}' found; a file of that name is ./{option}"
                );
                let error = Typed::command().error(ErrorKind::UnknownArgument, text);
                let _ = error.print();
                return Invocation::Shown(ExitCode::from(error.exit_code() as u8));
            }
            let mut words = words.into_iter();
            let main = words.next().map(PathBuf::from).unwrap_or_default();
            Invocation::Run(RunArgs {
                threads,
                set,
                main,
                args: words
                    .map(|word| {
                        skynet_kernel::text::from_bytes(word.as_encoded_bytes()).into_owned()
                    })
                    .collect(),
            })
        }
        Ok(Typed {
            command: Command::Check { config },
        }) => Invocation::Check(config),
        Ok(Typed {
            command: Command::Headers { folder },
        }) => Invocation::Headers(folder),
        Ok(Typed {
            command: Command::Keygen,
        }) => Invocation::Keygen,
        Ok(Typed {
            command: Command::Lua(typed),
        }) => Invocation::Lua(LuaArgs {
            arguments: typed.script.len().saturating_sub(1),
            code: typed.code.into_iter().filter_map(c_string).collect(),
            modules: typed.module.into_iter().filter_map(c_string).collect(),
            script: typed.script.into_iter().next().and_then(c_string),
            command_line,
            loops: typed.lua54,
        }),
        Err(error) => {
            // A closed standard output is no reason for another exit code.
            let _ = error.print();
            Invocation::Shown(ExitCode::from(error.exit_code() as u8))
        }
    }
}

/// Arguments of a process are C strings, so that none is lost here.
fn c_string(text: OsString) -> Option<CString> {
    CString::new(text.into_vec()).ok()
}

fn loops(text: &str) -> Result<LoopAssignments, String> {
    LoopAssignments::named(text).ok_or_else(|| "warn, true or false is needed".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("KEY=VALUE is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(args: &[&str]) -> Invocation {
        parse(["skynet"].iter().chain(args).map(OsString::from).collect())
    }

    fn shown(args: &[&str]) -> ExitCode {
        match typed(args) {
            Invocation::Shown(code) => code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Typed::command().debug_assert();
    }

    #[test]
    fn a_file_needs_no_command_word() {
        assert!(matches!(typed(&[]), Invocation::Nothing));
        for args in [&["etc/config"][..], &["etc/config", "run", "--x"]] {
            assert!(matches!(typed(args), Invocation::Node(file) if file == *"etc/config"));
        }
        assert!(matches!(typed(&["./run"]), Invocation::Node(file) if file == *"./run"));
        assert!(matches!(typed(&["check", "c"]), Invocation::Check(file) if file == *"c"));
    }

    #[test]
    fn run_takes_options_before_the_service_only() {
        let Invocation::Run(options) = typed(&[
            "run",
            "-t",
            "3",
            "--set",
            "a=b=c",
            "x/main.lua",
            "-t",
            "--",
            "y",
        ]) else {
            panic!("not run");
        };
        assert_eq!(options.threads, Some(3));
        assert_eq!(options.set, [("a".to_owned(), "b=c".to_owned())]);
        assert_eq!(options.main, PathBuf::from("x/main.lua"));
        assert_eq!(options.args, ["-t", "--", "y"]);
    }

    #[test]
    fn lua_takes_what_lua_takes() {
        let lua = |args: &[&str]| match typed(args) {
            Invocation::Lua(options) => options,
            other => panic!("{other:?}"),
        };
        let text = |text: &str| CString::new(text).unwrap();
        let options = lua(&["lua", "-e", "a=1", "-l", "m", "f.lua", "-e", "x"]);
        assert_eq!(options.code, [text("a=1")]);
        assert_eq!(options.modules, [text("m")]);
        assert_eq!(
            (options.script, options.arguments),
            (Some(text("f.lua")), 2)
        );
        assert_eq!(options.command_line.len(), 9);
        let options = lua(&["lua", "-", "x"]);
        assert_eq!((options.script, options.arguments), (Some(text("-")), 1));
        assert_eq!(lua(&["lua"]).script, None);
    }

    #[test]
    fn exit_codes() {
        let code = |code: ExitCode| format!("{code:?}");
        for args in [&["--help"][..], &["--version"], &["run", "--help"]] {
            assert_eq!(code(shown(args)), code(ExitCode::SUCCESS), "{args:?}");
        }
        for args in [
            &["--nonsense"][..],
            &["check"],
            &["run"],
            &["run", "-t", "0", "x"],
            &["run", "--set", "a", "x"],
        ] {
            assert_eq!(code(shown(args)), code(ExitCode::from(2)), "{args:?}");
        }
    }
}
