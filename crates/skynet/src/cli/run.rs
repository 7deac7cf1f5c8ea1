//! `skynet run MAIN.lua`: a single node without a configuration file.

use super::args::RunArgs;
use super::{NAME, node};
use anyhow::{Context as _, bail};
use skynet_kernel::text;
use skynet_node::config::{Config, Settings};
use skynet_vm::loops::LoopAssignments;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

/// The shipped service that starts the main service, and stops the node if that fails.
const STARTER: &str = "skynet_run";
/// The environment entry in which it says so.
const FAILED: &str = "skynet_run_failed";

/// Starts the node that `args` describe and waits for its end.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let main = main_file(&args.main)?;
    skynet_node::interpreter::compile(&main, loops(args))
        .map_err(|message| anyhow::anyhow!(message))?;
    let config = config(args, &main)?;
    let settings = match Settings::new(&config) {
        Ok(settings) => settings,
        Err(error) => return Ok(node::refuse(&error)),
    };
    node::run(&settings, |node| match node.getenv(FAILED) {
        None => ExitCode::SUCCESS,
        Some(reason) => {
            eprintln!(
                "{NAME}: {} was not started: {reason} (the log above says why)",
                main.display()
            );
            ExitCode::FAILURE
        }
    })
}

/// What the node will do about sources that assign to loop variables. A value that is wrong is refused with the others.
fn loops(args: &RunArgs) -> LoopAssignments {
    let value = args.set.iter().rev().find(|(key, _)| key == "lua54");
    value
        .and_then(|(_, value)| LoopAssignments::named(value))
        .unwrap_or_default()
}

/// The file that `path` means: itself, or the `main.lua` of a folder.
fn main_file(path: &Path) -> anyhow::Result<PathBuf> {
    let file = if path.is_dir() {
        path.join("main.lua")
    } else {
        path.to_owned()
    };
    std::fs::File::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
    Ok(file)
}

/// The configuration that stands for the command line.
fn config(args: &RunArgs, main: &Path) -> anyhow::Result<Config> {
    let name = main
        .file_name()
        .map(|name| text::from_bytes(name.as_encoded_bytes()))
        .context("no file is named")?;
    let folder = main.parent().unwrap_or(Path::new(""));
    let folder = match &*text::from_bytes(folder.as_os_str().as_encoded_bytes()) {
        "" => ".".to_owned(),
        folder => folder.to_owned(),
    };
    if folder.contains([';', '?']) {
        bail!("the folder {folder} cannot be on a search path, since its name has a `;` or `?`");
    }
    let (stem, ending) = match name.strip_suffix(".lua") {
        Some(stem) => (stem, ".lua"),
        None => (&*name, ""),
    };
    // A service's name and arguments are one string, split at blanks.
    let mut words = vec![STARTER, stem];
    words.extend(args.args.iter().map(String::as_str));
    if let Some(word) = words
        .iter()
        .find(|word| word.is_empty() || word.contains(char::is_whitespace))
    {
        bail!("`{word}` cannot be passed to a service: its arguments are separated by blanks");
    }

    let threads = match args.threads {
        Some(threads) => threads as usize,
        // Knows about affinity and cgroup quotas.
        None => thread::available_parallelism()
            .map_or(1, usize::from)
            .min(1024),
    };
    let mut config = Config {
        file: NAME.to_owned(),
        ..Config::default()
    };
    config.set("thread", threads.to_string());
    config.set("harbor", "0");
    let own = if ending.is_empty() {
        format!("{folder}/?;")
    } else {
        String::new()
    };
    config.set(
        "luaservice",
        format!("{own}{folder}/?.lua;{folder}/?/main.lua;./service/?.lua"),
    );
    config.set(
        "lua_path",
        format!("{folder}/?.lua;{folder}/?/init.lua;./lualib/?.lua;./lualib/?/init.lua"),
    );
    config.set("lua_cpath", format!("{folder}/?.so;./luaclib/?.so"));
    config.set("snax", format!("{folder}/?.lua;./service/?.lua"));
    config.set("start", words.join(" "));
    for (key, value) in &args.set {
        config.set(key, value);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(main: &str, args: &[&str]) -> RunArgs {
        RunArgs {
            threads: None,
            set: Vec::new(),
            main: main.into(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        }
    }

    fn made(main: &str, words: &[&str]) -> anyhow::Result<Config> {
        config(&args(main, words), Path::new(main))
    }

    #[test]
    fn the_folder_of_the_service_is_searched_first() {
        let config = made("examples/kv/main.lua", &["-x", "2"]).unwrap();
        assert_eq!(config.get("start"), Some("skynet_run main -x 2"));
        assert_eq!(
            config.get("luaservice"),
            Some("examples/kv/?.lua;examples/kv/?/main.lua;./service/?.lua")
        );
        assert!(
            config
                .get("lua_path")
                .unwrap()
                .starts_with("examples/kv/?.lua;")
        );
        assert_eq!(config.get("harbor"), Some("0"));
        assert!(
            made("main.lua", &[])
                .unwrap()
                .get("luaservice")
                .unwrap()
                .starts_with("./?.lua;")
        );
        assert!(
            made("/a/main", &[])
                .unwrap()
                .get("luaservice")
                .unwrap()
                .starts_with("/a/?;/a/?.lua;")
        );
    }

    #[test]
    fn keys_can_be_set() {
        let mut args = args("main.lua", &[]);
        args.threads = Some(3);
        args.set = vec![
            ("logger".into(), "x.log".into()),
            ("profile".into(), "false".into()),
        ];
        let config = config(&args, Path::new("main.lua")).unwrap();
        let settings = Settings::new(&config).unwrap();
        assert_eq!(
            (settings.thread, settings.harbor, settings.profile),
            (3, 0, false)
        );
        assert_eq!(settings.logger.as_deref(), Some("x.log"));
    }

    #[test]
    fn what_cannot_be_a_word_or_a_pattern_is_refused() {
        for (main, words) in [
            ("a b.lua", &[][..]),
            ("main.lua", &["a b"]),
            ("main.lua", &[""]),
            ("x;y/main.lua", &[]),
        ] {
            assert!(made(main, words).is_err(), "{main} {words:?}");
        }
    }
}
