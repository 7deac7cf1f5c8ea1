//! Exports the Lua C API from the `skynet` program, so that C modules for Lua find it when they are loaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for names in ["lua_*", "luaL_*", "luaopen_*"] {
        println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol={names}");
    }
}
