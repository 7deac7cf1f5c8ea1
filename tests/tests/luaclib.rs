//! C modules for Lua that users have: lpeg, lua-cjson and LuaFileSystem, compiled from their sources against the
//! headers that the program writes. Their own test programs run, and services use them.
//!
//! The sources are those of the Debian packages, as `.ci/run` fetches them into `target/lua-c-sources`; `LUA_C_SOURCES`
//! names another folder with the archives. Without them these tests are skipped, and say so.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use skynet_tests::{Node, skipped, skynet};
use tempfile::TempDir;

/// The archive of a module, such as `lua-lpeg_1.0.2.orig.tar.gz`.
fn archive(package: &str) -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lua-c-sources");
    let folder = std::env::var_os("LUA_C_SOURCES").map_or(default, PathBuf::from);
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    let found = entries.flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| {
            name.starts_with(&format!("{package}_")) && name.contains(".orig.tar")
        })
    });
    if found.is_none() {
        skipped(
            &format!("no {package}_*.orig.tar* in {}", folder.display()),
            &format!("apt-get source --download-only {package} there, or set LUA_C_SOURCES"),
        );
    }
    found
}

fn done(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text.into_owned()
}

/// A module's sources, with the library beside them.
struct Module {
    folder: TempDir,
    library: &'static str,
}

impl Module {
    /// Compiles `files` of the archive of `package` to `library`.
    fn new(package: &str, library: &'static str, files: &str, compat: bool) -> Option<Module> {
        let archive = archive(package)?;
        let folder = tempfile::tempdir().expect("folder");
        let tar = Command::new("tar")
            .args(["--strip-components=1", "-xf"])
            .arg(archive)
            .current_dir(folder.path())
            .output();
        done(tar.expect("tar"));
        let headers = Command::new(skynet())
            .args(["headers", "headers"])
            .current_dir(folder.path())
            .output();
        done(headers.expect("it runs"));
        let mut compiler = Command::new("sh");
        compiler
            .current_dir(folder.path())
            .arg("-c")
            .arg(format!(
                "cc -shared -fPIC -O2 -w -I headers $COMPAT -o {library}.so {files}"
            ))
            .env("COMPAT", "");
        if compat {
            let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/compat.h");
            compiler.env("COMPAT", format!("-include {}", header.display()));
        }
        done(compiler.output().expect("a shell"));
        Some(Module { folder, library })
    }

    /// Runs the module's own test program in its folder.
    fn own_tests(&self, folder: &str, prelude: &str) -> Output {
        let prelude = format!(
            "package.cpath = '{}/?.so' {prelude}",
            self.folder.path().display()
        );
        let output = Command::new(skynet())
            .args(["lua", "-e", &prelude, "test.lua"])
            .current_dir(self.folder.path().join(folder))
            .stdin(Stdio::null())
            .output();
        output.expect("it runs")
    }

    /// Runs a program as a service that has the library on `lua_cpath`. It prints `fine` at its end.
    fn service(&self, program: &str) {
        let file = format!("{}.so", self.library);
        let bytes = std::fs::read(self.folder.path().join(&file)).expect("the library");
        let main = format!(
            "local skynet = require 'skynet' require 'skynet.manager'\n\
             local module = require '{}'\n\
             skynet.start(function()\n{program}\nprint 'fine' skynet.abort() end)",
            self.library
        );
        let output = Node::source(&main)
            .key("lua_cpath", "'./luaclib/?.so'")
            .file(&format!("luaclib/{file}"), bytes)
            .run();
        output.exit(0).has("fine");
    }
}

#[test]
fn lpeg() {
    let Some(module) = Module::new("lua-lpeg", "lpeg", "*.c", false) else {
        return;
    };
    assert!(done(module.own_tests(".", "")).trim_end().ends_with("OK"));
    // Patterns that call Lua functions, which block: the whole chain waits.
    module.service(
        "local digits = module.R '09' ^ 1 / tonumber
         local sum = module.Cf(digits * (module.P '+' * digits) ^ 0, function(a, b) return a + b end)
         assert(sum:match '1+20+300' == 321)
         for i = 1, 1000 do assert(module.match(module.C(module.P(tostring(i))), tostring(i)) == tostring(i)) end
         assert(not pcall(module.match, module.P(error), 'x'))",
    );
}

#[test]
fn cjson() {
    let Some(module) = Module::new("lua-cjson", "cjson", "lua_cjson.c strbuf.c fpconv.c", false)
    else {
        return;
    };
    // The tests were written for Lua 5.1: how it names functions in errors, how it unpacks nil, and a file that is made
    // by Perl.
    let output = module.own_tests(
        "tests",
        "unpack = table.unpack package.path = '../lua/?.lua;' .. package.path",
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.matches(": PASS").count() >= 92, "{said}");
    let failed = said.lines().filter(|line| line.ends_with(": FAIL"));
    for line in failed {
        let expected = ["] Set ", "(safe)", "octets", "UTF-16 escapes"];
        assert!(expected.iter().any(|part| line.contains(part)), "{line}");
    }
    module.service(
        "local text = module.encode { a = { 1, 2.5, 'x' }, b = module.null }
         local back = module.decode(text)
         assert(back.a[2] == 2.5 and back.a[3] == 'x' and back.b == module.null)
         assert(select(2, pcall(module.decode, '[1,')):find 'T_END')
         skynet.dispatch('lua', function(_, _, text) skynet.retpack(module.decode(text)) end)
         assert(skynet.call(skynet.self(), 'lua', '{\"k\": [true]}').k[1] == true)",
    );
}

#[test]
fn lfs() {
    let Some(module) = Module::new("lua-filesystem", "lfs", "src/lfs.c", true) else {
        return;
    };
    assert!(
        done(module.own_tests("tests", ""))
            .trim_end()
            .ends_with("Ok!")
    );
    module.service(
        "assert(module.mkdir 'folder' and module.attributes('folder', 'mode') == 'directory')
         local seen = {}
         for name in module.dir '.' do seen[name] = true end
         assert(seen.folder and seen['main.lua'] and module.rmdir 'folder')",
    );
}
