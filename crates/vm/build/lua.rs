//! Builds Lua from the sources of the crate `lua-src`: with our patch, which lets states share code, or as it is.
//!
//! `mlua-sys` declares the C API and links nothing (its feature `external`). The sources are copied to the output
//! folder, patched there, and compiled together with `patch/lshared.c`. Each hunk has to match exactly once: another
//! version of Lua must not be patched by guesswork.

use std::path::{Path, PathBuf};
use std::{env, fs, io, panic};

const VERSION: &str = "lua-5.5.1";
const PATCH: &str = "patch/lua-5.5.1.patch";
/// What the patched sources include, and what goes with them.
const OWN: [&str; 10] = [
    "patch/lshared.c",
    "patch/lshared.h",
    "patch/lsharedtable.c",
    "patch/lfast.h",
    "patch/lfastc.c",
    "patch/llazy.c",
    "patch/llibs.c",
    "patch/lloops.c",
    "patch/lloops.h",
    "patch/lsuspend.h",
];
/// What messages and hooks need beyond the C API, and the layout that is relied on, patched or not.
const ALWAYS: [&str; 4] = [
    "patch/lhooks.c",
    "patch/lseri.c",
    "patch/llayout.c",
    "patch/lreload.c",
];
/// A folder with Lua's sources, for builds that rewrite the paths of their compiler.
const OVERRIDE: &str = "SKYNET_LUA_SOURCE";

/// Builds and links Lua; returns the folder of the sources that were compiled.
pub(crate) fn build(package: &Path) -> io::Result<PathBuf> {
    for variable in [OVERRIDE, "CC", "CFLAGS", "AR"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    println!("cargo:rerun-if-changed={}", package.join("build").display());
    println!("cargo:rerun-if-changed={}", package.join("patch").display());
    let shared = env::var_os("CARGO_FEATURE_SHARED_CODE").is_some();
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join(VERSION);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(sources())? {
        let file = entry?.path();
        fs::copy(&file, folder.join(file.file_name().expect("a file")))?;
    }
    if shared {
        apply(&fs::read_to_string(package.join(PATCH))?, &folder)?;
        for file in OWN.map(|f| package.join(f)) {
            fs::copy(&file, folder.join(file.file_name().expect("a file")))?;
        }
    }
    for file in ALWAYS.map(|f| package.join(f)) {
        fs::copy(&file, folder.join(file.file_name().expect("a file")))?;
    }
    compile(&folder, shared)?;
    Ok(folder)
}

/// Where `lua-src` has its sources. It does not say; but it can be made to panic, and a panic knows the file it comes
/// from.
fn sources() -> PathBuf {
    if let Some(folder) = env::var_os(OVERRIDE) {
        return folder.into();
    }
    let (tell, told) = std::sync::mpsc::channel();
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let _ = tell.send(info.location().map(|l| PathBuf::from(l.file())));
    }));
    let _ = panic::catch_unwind(|| {
        lua_src::Build::new()
            .target("none")
            .build(lua_src::Version::Lua55)
    });
    panic::set_hook(usual);
    let folder = told
        .try_recv()
        .ok()
        .flatten()
        .and_then(|file| Some(file.parent()?.parent()?.join(VERSION)))
        .unwrap_or_default();
    assert!(
        folder.join("lstring.c").exists(),
        "no sources of {VERSION} in {folder:?}; set {OVERRIDE} to their folder"
    );
    folder
}

fn compile(folder: &Path, shared: bool) -> io::Result<()> {
    let target = env::var("CARGO_CFG_TARGET_OS").expect("set by cargo");
    let mut cc = cc::Build::new();
    cc.include(folder)
        .warnings(false)
        .cargo_metadata(false)
        .flag_if_supported("-fno-common")
        .define(
            match target.as_str() {
                "macos" => "LUA_USE_MACOSX",
                "linux" | "freebsd" | "netbsd" | "openbsd" | "dragonfly" => "LUA_USE_LINUX",
                _ => "LUA_USE_POSIX",
            },
            None,
        );
    if env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_some() {
        cc.define("LUA_USE_APICHECK", None).debug(true);
    }
    // Services spend their time in here, in debug builds too.
    if matches!(env::var("OPT_LEVEL").as_deref(), Ok("0" | "1")) {
        cc.opt_level(2);
    }
    if !shared {
        // As its makefile does.
        cc.opt_level(2);
    }
    if shared {
        cc.define("SKYNET_SHARED_CODE", None);
        // Strings that most states use are not in the states' own tables.
        cc.define("MINSTRTABSIZE", "16");
        cc.define("STRCACHE_N", "11").define("STRCACHE_M", "2");
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|e| e == "c") {
            files.push(file);
        }
    }
    files.sort();
    // The interpreter's loop: at -O3 more values live at once than there are registers (fib: 5 % more instructions),
    // and GCC merges the jumps at the ends of its 80 cases into a few, which the processor then mispredicts.
    let (interpreter, files) = files
        .into_iter()
        .partition::<Vec<_>, _>(|file| file.ends_with("lvm.c"));
    let mut loops = cc.clone();
    loops.opt_level(2).files(interpreter);
    if shared {
        loops.flag_if_supported("-fno-crossjumping");
    }
    let interpreter = loops.compile_intermediates();
    cc.files(files).objects(interpreter).compile("skynetlua");
    let out = env::var("OUT_DIR").expect("set by cargo");
    println!("cargo:rustc-link-search=native={out}");
    // All of it: C modules, loaded later, may call any function of the API.
    println!("cargo:rustc-link-lib=static:+whole-archive=skynetlua");
    Ok(())
}

/// Applies a unified diff whose hunks are found by their text; line numbers are not looked at.
fn apply(patch: &str, folder: &Path) -> io::Result<()> {
    let mut file = PathBuf::new();
    let mut hunk: Option<Hunk> = None;
    for line in patch.lines().chain(["@@ end"]) {
        let ends = line.starts_with("@@ ") || line.starts_with("--- ") || line.starts_with("+++ ");
        if ends && let Some(done) = hunk.take() {
            done.apply(&file)?;
        }
        if let Some(name) = line.strip_prefix("+++ b/") {
            file = folder.join(name);
        } else if let Some(rest) = line.strip_prefix("@@ ") {
            hunk = Some(Hunk {
                name: rest.to_owned(),
                old: String::new(),
                new: String::new(),
            });
        } else if let Some(hunk) = &mut hunk {
            let (mark, text) = line.split_at(line.len().min(1));
            if mark != "+" {
                hunk.old += text;
                hunk.old.push('\n');
            }
            if mark != "-" {
                hunk.new += text;
                hunk.new.push('\n');
            }
        }
    }
    Ok(())
}

struct Hunk {
    /// What follows the first `@@`.
    name: String,
    old: String,
    new: String,
}

impl Hunk {
    fn apply(&self, file: &Path) -> io::Result<()> {
        let text = fs::read_to_string(file)?;
        let found = text.matches(&self.old).count();
        assert!(
            found == 1 && !self.old.is_empty(),
            "the hunk `{}` of {PATCH} fits {found} places of {}; this patch is for {VERSION}",
            self.name,
            file.display()
        );
        fs::write(file, text.replacen(&self.old, &self.new, 1))
    }
}
