//! Services written in C and C modules for Lua, compiled here against the headers that the program writes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use skynet_tests::{Node, skynet};
use tempfile::TempDir;

/// A folder with the libraries of `tests/c`, which are compiled once.
fn libraries() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("folder");
        let headers = folder.path().join("include/of/skynet");
        let status = Command::new(skynet())
            .arg("headers")
            .arg(&headers)
            .status()
            .expect("it runs");
        assert!(status.success());
        for (source, library) in [
            ("probe", "probe"),
            ("plain", "some.plain"),
            ("plain", "plain"),
            ("null", "null"),
            ("noinit", "noinit"),
            ("ask", "ask"),
            ("wire", "wire"),
            ("owner", "owner"),
        ] {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("c/{source}.c"));
            let compiler = Command::new("cc")
                .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I"])
                .arg(&headers)
                .arg("-o")
                .arg(folder.path().join(format!("{library}.so")))
                .arg(source)
                .output()
                .expect("a C compiler");
            assert!(compiler.status.success(), "{library}: {compiler:?}");
        }
        std::fs::write(folder.path().join("broken.so"), "not a library").expect("file");
        folder
    });
    folder.path()
}

/// A node whose folder has the libraries.
fn with_libraries(node: Node) -> Node {
    let mut node = node.key("cpath", "'./nowhere/?.so;./?.so'");
    for entry in std::fs::read_dir(libraries()).expect("folder") {
        let path: PathBuf = entry.expect("entry").path();
        if path.is_file() {
            let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
            node = node.file(name, std::fs::read(&path).expect("library"));
        }
    }
    node
}

fn case(name: &str) -> skynet_tests::Output {
    let output = with_libraries(Node::case("cabi/service", name)).run();
    output.passed();
    output
}

#[test]
fn life() {
    let output = case("life");
    output
        .in_order(&[
            "init with one two",
            "LAUNCH probe one two",
            "KILL :9",
            "released",
        ])
        .has("init with NULL")
        .has("init with three")
        .has("error: launch probe FAILED")
        .has("error: launch null FAILED")
        .has_not("initialised")
        .has("error: launch noinit FAILED: ./noinit.so has no function noinit_init")
        .has("error: launch broken FAILED: try open broken failed : ")
        .has("error: launch absent FAILED: there is no such module")
        .has("plain instance none, x")
        // All that were created, also the one whose init failed; the rest when the node ends.
        .has_times("] released", 4);
}

#[test]
fn messages() {
    case("messages");
}

#[test]
fn functions() {
    let output = case("functions");
    let long = format!("] long {}.", "x".repeat(999));
    output
        .in_order(&[
            "error: Don't support query global name unknown",
            "] number 7 of nine",
            &long,
            "] raw\0%s!",
            "[:00000000] nobody's line",
            "error: Destination address can't be 0",
            " is too large",
        ])
        .has_error("] memory now 0x");
}

#[test]
fn signals() {
    case("signals").has_times("] released", 1);
}

#[test]
fn without_callback() {
    case("without_callback");
}

#[test]
fn requests_in_the_queue_of_the_dead() {
    case("requests_in_the_queue_of_the_dead");
}

#[test]
fn lua_module() {
    case("lua_module").has("error: skynet_callback is for services written in C");
}

/// A library as log service: it exists before anything else.
#[test]
fn log_service() {
    let main = r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function() skynet.error "a line" skynet.abort() end)
    "#;
    let output = with_libraries(Node::source(main))
        .key("logservice", "'plain'")
        .key("logger", "'to nowhere'")
        .run();
    output.exit(0).in_order(&[
        "plain instance none, to nowhere",
        "plain <00000002> LAUNCH snlua bootstrap",
        "a line",
    ]);
}

/// What `skynet headers` writes.
#[test]
fn headers() {
    let include = libraries().join("include/of/skynet");
    for name in [
        "lauxlib.h",
        "lua.h",
        "lua.hpp",
        "luaconf.h",
        "lualib.h",
        "skynet.h",
        "skynet_malloc.h",
    ] {
        let text = std::fs::read_to_string(include.join(name)).expect(name);
        assert!(text.len() > 50, "{name}");
    }
    let lua = std::fs::read_to_string(include.join("lua.h")).expect("lua.h");
    assert!(
        lua.contains("LUA_VERSION_MINOR_N") && lua.contains("Permission is hereby granted"),
        "with its version and licence"
    );
    let folder = include.join("lua.h/below");
    let output = Command::new(skynet())
        .arg("headers")
        .arg(folder)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot make "));
}

/// A service in C that a connection is given to, as the `package` services of public games are.
#[test]
fn owner_of_a_connection() {
    case("owner_of_a_connection").has("error: launch owner FAILED");
}

/// Sockets of a service in C: a listener, connections, datagrams, and what it is told.
#[test]
fn sockets() {
    let output = case("sockets");
    output
        .has("error: socket 127.0.0.1:70000: ports are numbers from 0 to 65535")
        .has("error: socket no.such.host.invalid:0: ")
        .has("wire: failed Bad file descriptor");
}
