//! Lists the Lua modules and services that ship with the binary, so that they can be embedded.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let root = package.join("../..");
    let mut out = String::new();
    for (table, folder) in [("MODULES", "lualib"), ("SERVICES", "service")] {
        let base = root.join(folder);
        println!("cargo:rerun-if-changed={}", base.display());
        let mut files = Vec::new();
        collect(&base, &mut files)?;
        files.sort();
        writeln!(out, "pub(crate) static {table}: &[Embedded] = &[").expect("in memory");
        for file in files {
            println!("cargo:rerun-if-changed={}", file.display());
            let inside = file.strip_prefix(&base).expect("below its base");
            let name = inside
                .with_extension("")
                .to_string_lossy()
                .replace(['/', '\\'], ".");
            writeln!(
                out,
                "    Embedded {{ name: {name:?}, file: {:?}, source: include_bytes!({:?}) }},",
                format!("{folder}/{}", inside.display()),
                fs::canonicalize(&file)?
            )
            .expect("in memory");
        }
        out.push_str("];\n");
    }
    let target = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));
    fs::write(target.join("embedded.rs"), out)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "lua") {
            files.push(path);
        }
    }
    Ok(())
}
