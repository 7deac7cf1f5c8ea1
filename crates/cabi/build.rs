//! Compiles the functions that C code calls, which are C themselves; see `src/lib.rs`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for file in [
        "include",
        "src/shim.c",
        "src/shim.h",
        "src/sockets.c",
        "src/sockets.h",
    ] {
        println!("cargo:rerun-if-changed={file}");
    }
    cc::Build::new()
        .file("src/shim.c")
        .file("src/sockets.c")
        .include("include")
        .include("src")
        .warnings(true)
        .extra_warnings(true)
        .compile("skynet_cabi");
}
