//! Compiles the functions that C code calls, which are C themselves; see `src/lib.rs`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for file in ["include/skynet.h", "include/skynet_malloc.h", "src/shim.h"] {
        println!("cargo:rerun-if-changed={file}");
    }
    cc::Build::new()
        .file("src/shim.c")
        .include("include")
        .include("src")
        .warnings(true)
        .extra_warnings(true)
        .compile("skynet_cabi");
}
