//! Finding modules and services.
//!
//! `package.searchers` has five places: the first also knows the core, the second (Lua files on `package.path`) goes
//! through the code cache, the third finds C modules by their name, the fourth the other embedded modules, and the
//! fifth C libraries of several modules. The last two are in this order so that the library of another program is not
//! taken for a part of this one (`foreign.rs`).

use std::borrow::Cow;
use std::ffi::c_int;

use skynet_kernel::text;
use skynet_vm::cache;
use skynet_vm::code::LoadError;

use super::foreign;
use crate::library::{Embedded, Library};
use crate::service::Svc;
use crate::service::service;
use skynet_vm::lua::{Lua, REGISTRY, Type};
use skynet_vm::native::{Fault, Outcome, c_text, native, results};

/// Puts our searchers into `package.searchers` and the cached `loadfile` and `dofile` into the globals. *raises*
pub(crate) fn install(l: Lua) {
    l.get_global(c"package");
    l.get_field(-1, c"searchers");
    let searchers = l.top();
    l.push_function(search_core);
    l.raw_seti(searchers, 1);
    l.push_function(search_files);
    l.raw_seti(searchers, 2);
    for (from, to) in [(4, 5), (3, 3)] {
        l.raw_geti(searchers, from);
        l.push_bool(from == 4);
        l.push_closure(search_c_module, 2);
        l.raw_seti(searchers, to);
    }
    l.push_function(search_embedded);
    l.raw_seti(searchers, 4);
    l.pop(2);
    l.push_function(loadfile);
    l.set_global(c"loadfile");
    l.push_function(dofile);
    l.set_global(c"dofile");
}

/// Registry field: file name to shipped service, for `loadfile`. It goes when it has been used.
const STAND_IN: &std::ffi::CStr = c"skynet.stand_in";

/// From now on `loadfile` of the file name below the top gives the shipped service that the top names, once. Pops
/// both. *raises*
pub(crate) fn stand_in(l: Lua) {
    l.new_table(0, 1);
    l.insert(-3);
    l.raw_set(-3);
    l.set_field(REGISTRY, STAND_IN);
}

/// Has that been used? If not, it will not be. *raises*
pub(crate) fn stood_in(l: Lua) -> bool {
    let unused = l.get_field(REGISTRY, STAND_IN) == Type::Table;
    l.pop(1);
    l.push_nil();
    l.set_field(REGISTRY, STAND_IN);
    !unused
}

/// The shipped service that stands in for the file at 1.
fn standing_in(l: Lua) -> Option<&'static Embedded> {
    let top = l.top();
    let mut found = None;
    if l.get_field(REGISTRY, STAND_IN) == Type::Table {
        l.push_value(1);
        l.raw_get(-2);
        let name = l.bytes(-1).and_then(|name| std::str::from_utf8(name).ok());
        let library = Svc::of(l).map(Svc::library);
        found = name
            .zip(library)
            .and_then(|(name, library)| library.service(name));
    }
    l.set_top(top);
    if found.is_some() {
        l.push_nil();
        l.set_field(REGISTRY, STAND_IN);
    }
    found
}

fn module_name<'a>(l: Lua) -> Result<Cow<'a, str>, Fault> {
    let bytes = l
        .bytes(1)
        .ok_or(Fault::Argument(1, "string expected".into()))?;
    Ok(text::from_bytes(bytes))
}

/// Pushes the loader of an embedded module and where it is from. *raises*
fn push_embedded(l: Lua, name: &str) -> Outcome {
    let file = embedded(l, name)?;
    load_embedded(l, file)?;
    l.push_str(file.file);
    results(2)
}

/// An embedded module.
fn embedded(l: Lua, name: &str) -> Result<&'static Embedded, Fault> {
    let library = Svc::of(l).ok_or("no service")?.library();
    let file = library.module(name);
    file.ok_or_else(|| format!("no embedded module '{name}'").into())
}

/// Pushes the function of an embedded module.
pub(crate) fn load_module(l: Lua, name: &str) -> Result<(), Fault> {
    load_embedded(l, embedded(l, name)?)
}

/// Pushes the function of an embedded file.
pub(crate) fn load_embedded(l: Lua, file: &Embedded) -> Result<(), Fault> {
    let svc = Svc::of(l).ok_or("no service")?;
    let code = cache::embedded_code(file.file, file.source)
        .map_err(|e| Fault::from(text::from_bytes(&e.text()).into_owned()))?;
    let name = c_text(b"=?");
    if svc.load_code(l, code, &name) {
        Ok(())
    } else {
        Err(Fault::Raised)
    }
}

/// Pushes the function of a file, or says why there is none.
pub(crate) fn load_file(l: Lua, file: &str) -> Result<(), LoadError> {
    let mode = Svc::of(l).map_or(cache::CacheMode::Off, |svc| svc.cache_mode.get());
    let svc = Svc::of(l).ok_or_else(|| LoadError::Open("no service".into()))?;
    let code = cache::file_code(file, mode, svc.loops().accepts())?;
    if let Some(line) = code.assigned_loop() {
        svc.told_of_loop(file, line);
    }
    let name = c_text(&text::to_bytes(&format!("@{file}")));
    if svc.load_code(l, code, &name) {
        return Ok(());
    }
    let text = l.bytes(-1).unwrap_or(b"not enough memory").to_vec();
    l.pop(1);
    Err(LoadError::Compile(text))
}

/// The function of the file named at 1, or of standard input, if its code is of the kind that `mode` allows.
fn load_any_file(l: Lua, mode: &[u8]) -> Result<Result<(), LoadError>, Fault> {
    let file = match l.kind(1) {
        Type::None | Type::Nil => return Ok(load_stdin(l, mode)),
        _ => l.string_argument(1)?,
    };
    let file = text::from_bytes(file);
    let every = mode.contains(&b'b') && mode.contains(&b't');
    // A file that can't be read is for `load_file` to complain about.
    if !every && let Ok(code) = std::fs::read(text::path(&file)) {
        allowed(without_first_comment(&code), mode)
            .map_or_else(|e| Ok(Err(e)), |()| Ok(load_file(l, &file)))
    } else {
        Ok(load_file(l, &file))
    }
}

fn load_stdin(l: Lua, mode: &[u8]) -> Result<(), LoadError> {
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut all)
        .map_err(|e| LoadError::Open(format!("cannot read stdin: {e}")))?;
    let code = without_first_comment(&all);
    allowed(code, mode)?;
    if l.load(code, c"=stdin", c"bt") == mlua_sys::lua55::LUA_OK {
        return Ok(());
    }
    let text = l.bytes(-1).unwrap_or(b"not enough memory").to_vec();
    l.pop(1);
    Err(LoadError::Compile(text))
}

/// Code as Lua takes it from a file: without a byte order mark, and the first line is nothing if it begins with `#`.
fn without_first_comment(code: &[u8]) -> &[u8] {
    let code = code.strip_prefix(b"\xef\xbb\xbf").unwrap_or(code);
    if code.first() != Some(&b'#') {
        return code;
    }
    let end = code.iter().position(|&b| b == b'\n').unwrap_or(code.len());
    match &code[end..] {
        // The line end stays, so that lines have their numbers.
        [b'\n', rest @ ..] if rest.first() == Some(&0x1b) => rest,
        rest => rest,
    }
}

/// Does `mode` allow such code?
fn allowed(code: &[u8], mode: &[u8]) -> Result<(), LoadError> {
    let (kind, letter) = match code.first() {
        Some(0x1b) => ("binary", b'b'),
        _ => ("text", b't'),
    };
    if mode.contains(&letter) {
        return Ok(());
    }
    let mode = String::from_utf8_lossy(mode);
    let text = format!("attempt to load a {kind} chunk (mode is '{mode}')");
    Err(LoadError::Compile(text.into_bytes()))
}

/// Is there a file that can be opened for reading?
fn readable(file: &str) -> bool {
    std::fs::File::open(text::path(file)).is_ok_and(|f| f.metadata().is_ok_and(|m| m.is_file()))
}

/// Looks for a module on a path: its function is pushed, and the file's name returned; or which files are not there.
fn find_file(l: Lua, name: &str, path: &str) -> Result<(String, bool), Fault> {
    let inside = name.replace('.', "/");
    let mut tried = String::new();
    for pattern in path.split(';').filter(|p| !p.is_empty()) {
        let file = pattern.replace('?', &inside);
        if readable(&file) {
            return match load_file(l, &file) {
                Ok(()) => Ok((file, true)),
                Err(e) => Err(Fault::Plain(
                    format!(
                        "error loading module '{name}' from file '{file}':\n\t{}",
                        text::from_bytes(&e.text())
                    )
                    .into(),
                )),
            };
        }
        if !tried.is_empty() {
            tried.push_str("\n\t");
        }
        tried.push_str(&format!("no file '{file}'"));
    }
    Ok((tried, false))
}

/// The folder of modules under the names that they had before version 1.0 of skynet (C): `socket` and so on.
pub const OLD_NAMES: &str = "compat10";

/// Is that folder, wherever it may be, on `package.path`? It need not be on disk. *raises*
fn wants_old_names(l: Lua) -> bool {
    let top = l.top();
    l.get_global(c"package");
    l.get_field(-1, c"path");
    let path = l.bytes(-1).unwrap_or_default();
    let wanted = path
        .split(|&byte| byte == b';')
        .any(|pattern| pattern.ends_with(b"compat10/?.lua"));
    l.set_top(top);
    wanted
}

/// The file that a searcher of C modules would open for the module at 1: the first one on `package.cpath`. *raises*
fn c_file(l: Lua, of_several: bool) -> Result<Option<String>, Fault> {
    let name = &*module_name(l)?;
    let inside = match name.split_once('.') {
        Some((root, _)) if of_several => root.to_owned(),
        None if of_several => return Ok(None),
        _ => name.replace('.', "/"),
    };
    let top = l.top();
    l.get_global(c"package");
    l.get_field(-1, c"cpath");
    let path = text::from_bytes(l.bytes(-1).unwrap_or_default()).into_owned();
    l.set_top(top);
    let mut files = path
        .split(';')
        .filter(|pattern| !pattern.is_empty())
        .map(|pattern| pattern.replace('?', &inside));
    Ok(files.find(|file| readable(file)))
}

/// Embedded modules that give way to a C library of several modules: an application that has its own `cjson` wants its
/// `cjson.safe`, too.
const OF_A_LIBRARY: &[&str] = &["cjson.safe"];

/// Ends the list of places where a module was looked for.
const WHERE_TO_ADD: &str =
    "(add the folder of a Lua module to the config key lua_path, that of a C module to lua_cpath)";
/// What to do about a module that nobody has, behind the places where it was looked for.
fn hint(library: &Library, name: &str) -> String {
    let hint = (library.hint)(name);
    format!("\n\t{}", hint.as_deref().unwrap_or(WHERE_TO_ADD))
}

/// Follows the reason why a C module cannot be loaded.
const BUILD_IT_ANEW: &str = "(a C module has to be built with the headers of Lua 5.5; one built for another version \
    does not work)";

native! {
    search_core = |l| {
        let name = &*module_name(l)?;
        l.get_field(REGISTRY, c"_PRELOAD");
        l.push_value(1);
        if l.raw_get(-2) != Type::Nil {
            l.push_str(":preload:");
            return results(2);
        }
        let library = service(l)?.library();
        if let Some(open) = library.open(name) {
            l.push_function(open);
            l.push_str(":native:");
            return results(2);
        }
        if library.core_modules.contains(&name) {
            return push_embedded(l, name);
        }
        l.push_owned(text::into_bytes(format!("no field package.preload['{name}']")));
        results(1)
    };

    search_files = |l| {
        let name = &*module_name(l)?;
        l.get_global(c"package");
        l.get_field(-1, c"path");
        let Some(path) = l.bytes(-1) else {
            return Err("'package.path' must be a string".into());
        };
        let (file, found) = find_file(l, name, &text::from_bytes(path))?;
        l.push_owned(text::into_bytes(file));
        results(if found { 2 } else { 1 })
    };

    search_embedded = |l| {
        let name = &*module_name(l)?;
        let library = service(l)?.library();
        if OF_A_LIBRARY.contains(&name) && c_file(l, true)?.is_some() {
            l.push_str("");
            return results(1);
        }
        if library.module(name).is_some() {
            return push_embedded(l, name);
        }
        if library.module(&format!("{OLD_NAMES}.{name}")).is_some() && wants_old_names(l) {
            return push_embedded(l, &format!("{OLD_NAMES}.{name}"));
        }
        l.push_owned(text::into_bytes(format!("no embedded module '{name}'")));
        results(1)
    };

    /// A searcher of the standard library, upvalue 1, which loads C modules; upvalue 2: from libraries of several
    /// modules. What keeps one from being loaded is often its age, or that it is a part of another program.
    search_c_module = |l| {
        let last = l.bool(mlua_sys::lua55::lua_upvalueindex(2));
        let name = module_name(l)?.into_owned();
        let file = c_file(l, last)?;
        let library = service(l)?.library();
        let original = file.as_deref().and_then(foreign::original);
        if let (Some(file), Some(original)) = (&file, &original)
            && let Some(refusal) = original.refusal(library, file, &name)
        {
            let hint = if last { hint(library, &name) } else { String::new() };
            l.push_owned(text::into_bytes(refusal + &hint));
            return results(1);
        }
        let args = l.top();
        l.push_value(mlua_sys::lua55::lua_upvalueindex(1));
        l.insert(1);
        if l.pcall(args, skynet_vm::lua::MULTRET, 0) == mlua_sys::lua55::LUA_OK {
            if last && l.kind(1) != Type::Function {
                let tried = l.bytes(1).map(|text| text::from_bytes(text).into_owned());
                let places = tried.unwrap_or_default() + &hint(library, &name);
                let places = places.trim_start_matches(['\n', '\t']);
                l.push_owned(text::to_bytes(places));
                return results(1);
            }
            return results(l.top());
        }
        l.push_str("\n\t");
        match original {
            Some(original) => l.push_owned(format!("({})", original.about(library))),
            None => l.push_str(BUILD_IT_ANEW),
        }
        l.concat(3);
        Err(Fault::Raised)
    };

    /// `loadfile([file [, mode [, env]]])` through the code cache, whatever the mode.
    loadfile = |l| {
        let env: c_int = if l.kind(3) == Type::None { 0 } else { 3 };
        let mode = match l.kind(2) {
            Type::None | Type::Nil => b"bt".as_slice(),
            _ => l.string_argument(2)?,
        };
        if let Some(file) = standing_in(l) {
            load_embedded(l, file)?;
            return results(1);
        }
        match load_any_file(l, mode)? {
            Ok(()) => {
                if env != 0 {
                    l.push_value(env);
                    // SAFETY: the function is right below the new environment.
                    let set = unsafe { mlua_sys::lua55::lua_setupvalue(l.0, -2, 1) };
                    if set.is_null() {
                        l.pop(1);
                    }
                }
                results(1)
            }
            Err(e) => {
                l.push_nil();
                l.push_owned(e.text());
                results(2)
            }
        }
    };

    /// `dofile([file])`
    dofile = |l| {
        l.set_top(1);
        match load_any_file(l, b"bt")? {
            Ok(()) => Ok(skynet_vm::native::Next::Call {
                args: 0,
                results: skynet_vm::lua::MULTRET,
                ctx: 1,
                then: return_above,
            }),
            Err(e) => Err(Fault::Plain(text::from_bytes(&e.text()).into_owned().into())),
        }
    };
}

skynet_vm::native::continuation! {
    /// Returns everything above the stack index `ctx`.
    return_above = |l: Lua, _, ctx| results(l.top() - ctx as c_int);
}
