//! `lpeg` and `re`: what the manual promises, what hostile patterns and subjects get, and LPeg itself as the oracle.
//!
//! LPeg's sources are those that `tests/luaclib.rs` tells of, of version 1.1 or later. Without them the tests that need
//! them are skipped, and say so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use skynet_tests::{Node, lua_cases, lua_dir, skipped, skynet};
use tempfile::TempDir;

lua_cases! {
    "lpeg/cases" {
        captures;
        functions_inside;
        grammars;
        interrupted => |out| {
            out.has_times("recv a signal 0", 3);
        };
        limits;
        patterns;
        regular;
        services;
    }
}

fn archive() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lua-c-sources");
    let folder = std::env::var_os("LUA_C_SOURCES").map_or(default, PathBuf::from);
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("lua-lpeg_1.1") && name.contains(".orig.tar"))
    });
    if found.is_empty() {
        skipped(
            &format!("no lua-lpeg_1.1*.orig.tar* in {}", folder.display()),
            "apt-get source --download-only lua-lpeg there, or set LUA_C_SOURCES",
        );
    }
    found.pop()
}

/// LPeg's sources.
fn sources() -> Option<TempDir> {
    let archive = archive()?;
    let folder = tempfile::tempdir().expect("folder");
    let mut tar = Command::new("tar");
    tar.args(["--strip-components=1", "-xf"]).arg(archive);
    done(tar.current_dir(folder.path()));
    Some(folder)
}

/// LPeg's sources, with `lpeg.so` beside them.
fn library() -> Option<TempDir> {
    let folder = sources()?;
    done(
        Command::new(skynet())
            .args(["headers", "headers"])
            .current_dir(folder.path()),
    );
    let mut compiler = Command::new("sh");
    compiler.args(["-c", "cc -shared -fPIC -O2 -w -I headers -o lpeg.so *.c"]);
    done(compiler.current_dir(folder.path()));
    Some(folder)
}

fn done(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text.into_owned()
}

/// The package's own test program, with our `lpeg` and `re`.
#[test]
fn the_package_s_own_tests() {
    let Some(folder) = sources() else { return };
    std::fs::remove_file(folder.path().join("re.lua")).expect("the other re");
    let mut program = Command::new(skynet());
    program.args(["lua", "test.lua"]).current_dir(folder.path());
    assert!(done(&mut program).trim_end().ends_with("OK"));
}

/// The package's `re` on our `lpeg`.
#[test]
fn the_package_s_own_re() {
    let Some(folder) = sources() else { return };
    let mut program = Command::new(skynet());
    program.args(["lua", "test.lua"]).current_dir(folder.path());
    assert!(done(&mut program).trim_end().ends_with("OK"));
}

fn compared(program: &str, seed: &str, times: &str) {
    let Some(folder) = library() else { return };
    let mut run = Command::new(skynet());
    run.arg("lua").arg(lua_dir().join("lpeg").join(program));
    run.arg(folder.path()).args([seed, times]);
    let said = done(&mut run);
    assert!(said.contains("the same: "), "{said}");
}

#[test]
fn random_patterns_as_lpeg() {
    compared("oracle.lua", "1", "6000");
}

#[test]
fn random_texts_as_re() {
    compared("regular.lua", "1", "6000");
}

/// An own `lpeg.so` on `lua_cpath` is taken, and so is an own `re.lua`.
#[test]
fn an_own_library_wins() {
    let Some(folder) = library() else { return };
    let bytes = std::fs::read(folder.path().join("lpeg.so")).expect("the library");
    let main = "local skynet = require 'skynet' require 'skynet.manager'\n\
                local lpeg = require 'lpeg'\n\
                skynet.start(function() print(lpeg.pcode and 'its own' or 'ours', require 're') skynet.abort() end)";
    let run = |path: &str| {
        Node::source(main)
            .key("lua_cpath", path)
            .file("luaclib/lpeg.so", bytes.clone())
            .file("re.lua", "return 'an own re'")
            .run()
    };
    run("'./luaclib/?.so'").exit(0).has("its own\tan own re");
    run("'./nothing/?.so'").exit(0).has("ours\tan own re");
}
