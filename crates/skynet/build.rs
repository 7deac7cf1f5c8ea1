//! Exports the Lua C API and the functions for services written in C from the `skynet` program, so that shared
//! libraries find them when they are loaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for names in ["lua_*", "luaL_*", "luaopen_*", "skynet_*"] {
        println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol={names}");
    }
}
