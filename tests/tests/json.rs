//! `cjson` and `cjson.safe`: what they do, and random values and texts in comparison with the library of that name, built
//! from the sources that `luaclib.rs` uses too. Without them that part is skipped, and says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use skynet_tests::{Node, lua_cases, lua_dir, skynet};
use tempfile::TempDir;

lua_cases! {
    "json/cjson" {
        arrays;
        hostile;
        safe;
        settings;
        values;
    }
}

/// The folder with the library as it is built from its sources.
fn library() -> Option<TempDir> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lua-c-sources");
    let sources = std::env::var_os("LUA_C_SOURCES").map_or(default, PathBuf::from);
    let archive = std::fs::read_dir(&sources).ok().and_then(|entries| {
        let mut paths = entries.flatten().map(|entry| entry.path());
        paths.find(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("lua-cjson_") && name.contains(".orig.tar"))
        })
    });
    let Some(archive) = archive else {
        skynet_tests::skipped(
            &format!("no sources of lua-cjson in {}", sources.display()),
            ".ci/run fetches them",
        );
        return None;
    };
    let folder = tempfile::tempdir().expect("folder");
    let done = |command: &mut Command| {
        let output = command
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
    };
    done(
        Command::new("tar")
            .args(["--strip-components=1", "-xf"])
            .arg(archive),
    );
    done(Command::new(skynet()).args(["headers", "headers"]));
    done(
        Command::new("sh")
            .arg("-c")
            .arg("cc -shared -fPIC -O2 -w -I headers -o cjson.so lua_cjson.c strbuf.c fpconv.c"),
    );
    Some(folder)
}

/// Runs `skynet lua` with the library on `package.cpath`.
fn beside(library: &TempDir, args: &[&str]) -> Output {
    let path = format!("package.cpath = '{}/?.so'", library.path().display());
    Command::new(skynet())
        .args(["lua", "-e", &path])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

#[test]
fn random_values_and_texts_are_what_they_are_in_the_library() {
    let Some(library) = library() else { return };
    let rounds = std::env::var("JSON_ROUNDS").unwrap_or_else(|_| "400".to_owned());
    let program = lua_dir().join("json/oracle.lua");
    let program = program.to_str().expect("a path");
    for seed in ["1", "2", "3", "4", "5"] {
        let output = beside(&library, &[program, &rounds, seed]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
        let compared = said.strip_prefix("compared ").map(str::trim);
        let compared: u64 = compared.and_then(|n| n.parse().ok()).unwrap_or(0);
        assert!(compared >= 10_000, "seed {seed}: {said}{wrong}");
    }
}

#[test]
fn a_library_of_the_application_wins() {
    let Some(library) = library() else { return };
    let bytes = std::fs::read(library.path().join("cjson.so")).expect("the library");
    let main = r#"
        local skynet = require "skynet" require "skynet.manager"
        local cjson, safe = require "cjson", require "cjson.safe"
        skynet.start(function()
            print("own", cjson.empty_array == nil, safe.empty_array == nil, cjson.encode { 1 }, (safe.decode "{"))
            print("inside", require "skynet.json.core".cjson.empty_array ~= nil)
            skynet.abort()
        end)"#;
    let output = Node::source(main)
        .key("lua_cpath", "'./luaclib/?.so'")
        .file("luaclib/cjson.so", bytes)
        .run();
    output
        .exit(0)
        .has("own\ttrue\ttrue\t[1]\tnil")
        .has("inside\ttrue");
    let output = beside(
        &library,
        &[
            "-e",
            "print(require 'cjson'.empty_array, require 'cjson.safe'.empty_array)",
        ],
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nil\tnil\n");
}

#[test]
fn it_is_there_without_a_node_too() {
    let output = Command::new(skynet())
        .args(["lua", "-e"])
        .arg("print(require 'cjson'.encode { 1, { a = true } }, (require 'cjson.safe'.decode '['))")
        .output()
        .expect("it runs");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "[1,{\"a\":true}]\tnil\n"
    );
}

#[test]
fn a_file_of_the_application_wins_too() {
    let main = r#"
        local skynet = require "skynet" require "skynet.manager"
        print("own", require "cjson")
        skynet.start(function() skynet.abort() end)"#;
    let output = Node::source(main)
        .file("lualib/cjson.lua", "return 'my own'")
        .key("lua_path", "'./lualib/?.lua'")
        .run();
    output.exit(0).has("own\tmy own");
}
