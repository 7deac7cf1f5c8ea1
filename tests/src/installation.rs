//! The folder of an installation of skynet (C), as a team has it that exchanges the program only.
//!
//! There is none on most machines, so one is made: Lua libraries and services under the names of that program, which
//! call its native halves (copies of those of this project, which note that they are used), others in the place of the
//! core, which fail when they are loaded, a loader, and C libraries that end the process when they are opened.
//! `SKYNET_C=folder` names a real one: a checkout of skynet (C), built by its own `make linux`, whose files are not
//! copies of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{Node, node::quote};

/// A loader as that program has it: it finds the service's file, and runs the preload script and the service.
const LOADER: &str = r#"
local words = {}
for word in (...):gmatch "%S+" do words[#words + 1] = word end
SERVICE_NAME = words[1]
local main, where
local reasons = {}
for pattern in LUA_SERVICE:gmatch "[^;]+" do
	local f, err = loadfile((pattern:gsub("?", SERVICE_NAME)))
	if f then
		main, where = f, pattern
		break
	end
	reasons[#reasons + 1] = err
end
assert(main, table.concat(reasons, "\n"))
package.path, package.cpath = LUA_PATH, LUA_CPATH
local folder = where:match "(.*/)[^/?]+$"
if folder then
	folder = folder:gsub("?", SERVICE_NAME)
	package.path = folder .. "?.lua;" .. package.path
	SERVICE_PATH = folder
else
	SERVICE_PATH = where:match "(.*/).+$"
end
LOADED_BY = "the loader of the installation"
local preload = LUA_PRELOAD
LUA_SERVICE, LUA_PATH, LUA_CPATH, LUA_PRELOAD = nil, nil, nil, nil
if preload then
	assert(loadfile(preload))(table.unpack(words))
end
_G.require = require("skynet.require").require
main(table.unpack(words, 2))
"#;

/// C libraries with the modules that they open.
const LIBRARIES: &[(&str, &[&str])] = &[
    (
        "luaclib/skynet.so",
        &[
            "skynet_core",
            "skynet_socketdriver",
            "skynet_netpack",
            "skynet_cluster_core",
            "skynet_memory",
            "skynet_profile",
            "skynet_multicast_core",
            "skynet_crypt",
            "skynet_sharedata_core",
            "skynet_stm",
            "skynet_debugchannel",
            "skynet_datasheet_core",
            "skynet_sharetable_core",
            "skynet_of_another_program",
        ],
    ),
    ("luaclib/sproto.so", &["sproto_core"]),
    ("luaclib/client.so", &["client_socket", "client_crypt"]),
    ("cservice/snlua.so", &[]),
    ("cservice/logger.so", &[]),
    ("cservice/gate.so", &[]),
    ("cservice/harbor.so", &[]),
];

/// An installation.
pub struct Installation {
    root: PathBuf,
    /// Kept as long as it is used; none of a real one.
    _made: Option<TempDir>,
}

impl Installation {
    /// One that is made for this test. `core` tells the modules and services that always come from the program.
    pub fn made(core: impl Fn(&str) -> bool) -> Installation {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().to_owned();
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for part in ["lualib", "service"] {
            copy(&project.join(part), &root.join(part), "", &core);
        }
        for core in ["skynet", "skynet/require", "skynet/coroutine"] {
            let file = root.join("lualib").join(core).with_extension("lua");
            fs::write(file, "error 'the core of another program'").expect("file");
        }
        fs::write(root.join("lualib/loader.lua"), LOADER).expect("file");
        for (library, modules) in LIBRARIES {
            compile(&root, library, modules);
        }
        Installation {
            root,
            _made: Some(folder),
        }
    }

    /// A real one, if the environment names it; says how to get one otherwise.
    pub fn real() -> Option<Installation> {
        let Some(root) = std::env::var_os("SKYNET_C") else {
            crate::skipped(
                "no installation of skynet (C)",
                "clone github.com/cloudwu/skynet, run `make linux` there, and set SKYNET_C to the full path of that \
                 folder",
            );
            return None;
        };
        let root = PathBuf::from(root);
        for file in [
            "lualib/skynet.lua",
            "lualib/loader.lua",
            "service/launcher.lua",
        ] {
            assert!(
                root.is_absolute() && root.join(file).exists(),
                "SKYNET_C={} is not the full path of a checkout of skynet (C): it has no {file}",
                root.display()
            );
        }
        Some(Installation { root, _made: None })
    }

    /// The full path of a file in it.
    pub fn path(&self, file: &str) -> String {
        self.root.join(file).display().to_string()
    }

    /// Puts it on all paths of the node, in front of what is there.
    pub fn around(&self, mut node: Node) -> Node {
        for (key, patterns) in [
            ("luaservice", "service/?.lua"),
            ("lua_path", "lualib/?.lua;lualib/?/init.lua"),
            ("lua_cpath", "luaclib/?.so"),
            ("cpath", "cservice/?.so"),
            ("lualoader", "lualib/loader.lua"),
        ] {
            let paths: Vec<String> = patterns.split(';').map(|one| self.path(one)).collect();
            let front = quote(&paths.join(";"));
            let value = match node.value(key) {
                Some(rest) => format!("{front} .. ';' .. {rest}"),
                None => front,
            };
            node = node.key(key, &value);
        }
        node
    }
}

/// Copies Lua files; each notes in the global table `FROM_INSTALLATION` that it has been run. Those of the core fail
/// instead.
fn copy(from: &Path, to: &Path, prefix: &str, core: &impl Fn(&str) -> bool) {
    fs::create_dir_all(to).expect("folder");
    for entry in fs::read_dir(from).expect("the project's files").flatten() {
        let file = entry.file_name().into_string().expect("a name");
        if entry.path().is_dir() {
            copy(
                &entry.path(),
                &to.join(&file),
                &format!("{prefix}{file}."),
                core,
            );
        } else if let Some(stem) = file.strip_suffix(".lua") {
            let name = format!("{prefix}{stem}");
            let source = fs::read_to_string(entry.path()).expect("a source");
            let text = match core(&name) {
                true => format!("error 'the core of another program: {name}'"),
                false => format!(
                    "FROM_INSTALLATION = FROM_INSTALLATION or {{}} FROM_INSTALLATION['{name}'] = true {source}"
                ),
            };
            fs::write(to.join(&file), text).expect("file");
        }
    }
}

fn compile(root: &Path, library: &str, modules: &[&str]) {
    let file = root.join(library);
    fs::create_dir_all(file.parent().expect("a folder")).expect("folder");
    let mut source = format!(
        "#include <stdio.h>\n#include <stdlib.h>\n\
         __attribute__((constructor)) static void opened(void) {{ fputs(\"ANOTHER LIBRARY {library}\\n\", stderr); abort(); }}\n"
    );
    for module in modules {
        source += &format!("int luaopen_{module}(void *l) {{ (void)l; abort(); }}\n");
    }
    let c = file.with_extension("c");
    fs::write(&c, source).expect("file");
    let done = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&file)
        .arg(&c)
        .status();
    assert!(done.expect("a C compiler").success(), "{library}");
    fs::remove_file(c).expect("file");
}
