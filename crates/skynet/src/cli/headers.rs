//! `skynet headers DIR`.

use anyhow::Context as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// For C++, as Lua's own distribution has it.
const LUA_HPP: (&str, &str) = (
    "lua.hpp",
    "extern \"C\" {\n#include \"lua.h\"\n#include \"lualib.h\"\n#include \"lauxlib.h\"\n}\n",
);

/// Writes the headers of Lua and those for services written in C.
pub fn run(folder: &Path) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let lua = skynet_vm::HEADERS.iter().chain([&LUA_HPP]);
    for (name, text) in lua.chain(skynet_cabi::HEADERS) {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
