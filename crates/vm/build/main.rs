//! Builds Lua (`lua.rs`), and lists its headers so that they can be embedded.

mod lua;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let lua = lua::build(&package)?;
    let target = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));
    fs::write(target.join("headers.rs"), lua_headers(&lua))
}

/// A list of the headers that belong to the Lua that is linked, whose sources are in `folder`.
fn lua_headers(folder: &Path) -> String {
    let mut out = String::from("&[\n");
    for name in ["lua.h", "luaconf.h", "lualib.h", "lauxlib.h"] {
        let file = folder.join(name);
        writeln!(out, "    ({name:?}, include_str!({file:?})),").expect("in memory");
    }
    out.push(']');
    out
}
