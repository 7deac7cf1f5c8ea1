//! Finding modules and services.
//!
//! `package.searchers` keeps its five places: the first also knows the core, the second (Lua files on `package.path`) goes through the
//! code cache, and a sixth knows the other embedded modules.

use std::ffi::c_int;

use crate::code::absent;
use crate::code::cache::{self, LoadError};
use crate::code::embedded;
use crate::modules;
use crate::service::Svc;
use crate::vm::lua::{Lua, REGISTRY, Type};
use crate::vm::native::{Fault, Outcome, c_text, native, results};

/// Puts our searchers into `package.searchers` and the cached `loadfile` and `dofile` into the globals. *raises*
pub(crate) fn install(l: Lua) {
    l.get_global(c"package");
    l.get_field(-1, c"searchers");
    let searchers = l.top();
    l.push_function(search_core);
    l.raw_seti(searchers, 1);
    l.push_function(search_files);
    l.raw_seti(searchers, 2);
    for n in 3..=4 {
        l.raw_geti(searchers, n);
        l.push_closure(search_c_module, 1);
        l.raw_seti(searchers, n);
    }
    l.push_function(search_embedded);
    l.raw_seti(searchers, 5);
    l.pop(2);
    l.push_function(loadfile);
    l.set_global(c"loadfile");
    l.push_function(dofile);
    l.set_global(c"dofile");
}

fn module_name<'a>(l: Lua) -> Result<&'a str, Fault> {
    let bytes = l
        .bytes(1)
        .ok_or(Fault::Argument(1, "string expected".into()))?;
    std::str::from_utf8(bytes).map_err(|_| Fault::from("module name is not valid UTF-8"))
}

/// Pushes the loader of an embedded module and where it is from. *raises*
fn push_embedded(l: Lua, name: &str) -> Outcome {
    let Some(file) = embedded::module(name) else {
        return Err("no such embedded module".into());
    };
    load_embedded(l, file)?;
    l.push_str(file.file);
    results(2)
}

/// Pushes the function of an embedded file.
pub(crate) fn load_embedded(l: Lua, file: &embedded::Embedded) -> Result<(), Fault> {
    let svc = Svc::of(l).ok_or("no service")?;
    let code = cache::embedded_code(file)
        .map_err(|e| Fault::from(String::from_utf8_lossy(&e.text()).into_owned()))?;
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
    let code = cache::file_code(file, mode)?;
    let name = c_text(format!("@{file}").as_bytes());
    let svc = Svc::of(l).ok_or_else(|| LoadError::Open("no service".into()))?;
    if svc.load_code(l, code, &name) {
        return Ok(());
    }
    let text = l.bytes(-1).unwrap_or(b"not enough memory").to_vec();
    l.pop(1);
    Err(LoadError::Compile(text))
}

/// Is there a file that can be opened for reading?
fn readable(file: &str) -> bool {
    std::fs::File::open(file).is_ok_and(|f| f.metadata().is_ok_and(|m| m.is_file()))
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
                        String::from_utf8_lossy(&e.text())
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
const OLD_NAMES: &str = "compat10";

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

/// Ends the list of places where a module was looked for.
const WHERE_TO_ADD: &str =
    "(add the folder of a Lua module to the config key lua_path, that of a C module to lua_cpath)";
/// Follows the reason why a C module cannot be loaded.
const BUILD_IT_ANEW: &str = "(a C module has to be built with the headers of Lua 5.5; one built for another version does not work)";

native! {
    search_core = |l| {
        let name = module_name(l)?;
        l.get_field(REGISTRY, c"_PRELOAD");
        l.push_value(1);
        if l.raw_get(-2) != Type::Nil {
            l.push_str(":preload:");
            return results(2);
        }
        if let Some(open) = modules::native(name) {
            l.push_function(open);
            l.push_str(":native:");
            return results(2);
        }
        if embedded::CORE_MODULES.contains(&name) {
            return push_embedded(l, name);
        }
        l.push_owned(format!("no field package.preload['{name}']"));
        results(1)
    };

    search_files = |l| {
        let name = module_name(l)?;
        l.get_global(c"package");
        l.get_field(-1, c"path");
        let Some(path) = l.bytes(-1) else {
            return Err("'package.path' must be a string".into());
        };
        let (text, found) = find_file(l, name, &String::from_utf8_lossy(path))?;
        l.push_owned(text);
        results(if found { 2 } else { 1 })
    };

    search_embedded = |l| {
        let name = module_name(l)?;
        if embedded::module(name).is_some() {
            return push_embedded(l, name);
        }
        if embedded::module(&format!("{OLD_NAMES}.{name}")).is_some() && wants_old_names(l) {
            return push_embedded(l, &format!("{OLD_NAMES}.{name}"));
        }
        let hint = absent::hint(name);
        let hint = hint.as_deref().unwrap_or(WHERE_TO_ADD);
        l.push_owned(format!("no embedded module '{name}'\n\t{hint}"));
        results(1)
    };

    /// A searcher of the standard library, upvalue 1, which loads C modules: what keeps one from being loaded is often its age.
    search_c_module = |l| {
        let args = l.top();
        l.push_value(mlua_sys::lua55::lua_upvalueindex(1));
        l.insert(1);
        if l.pcall(args, crate::vm::lua::MULTRET, 0) == mlua_sys::lua55::LUA_OK {
            return results(l.top());
        }
        l.push_str("\n\t");
        l.push_str(BUILD_IT_ANEW);
        l.concat(3);
        Err(Fault::Raised)
    };

    /// `loadfile([file [, mode [, env]]])` through the code cache, whatever the mode.
    loadfile = |l| {
        let env: c_int = if l.kind(3) == Type::None { 0 } else { 3 };
        let Some(file) = l.bytes(1) else {
            return Err(Fault::Argument(1, format!("file name expected, got {}", l.type_name(1)).into()));
        };
        match load_file(l, &String::from_utf8_lossy(file)) {
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

    dofile = |l| {
        let Some(file) = l.bytes(1) else {
            return Err(Fault::Argument(1, format!("file name expected, got {}", l.type_name(1)).into()));
        };
        let file = String::from_utf8_lossy(file);
        l.set_top(1);
        match load_file(l, &file) {
            Ok(()) => Ok(crate::vm::native::Next::Call {
                args: 0,
                results: crate::vm::lua::MULTRET,
                ctx: 1,
                then: return_above,
            }),
            Err(e) => Err(Fault::Plain(String::from_utf8_lossy(&e.text()).into_owned().into())),
        }
    };
}

crate::vm::native::continuation! {
    /// Returns everything above the stack index `ctx`.
    return_above = |l: Lua, _, ctx| results(l.top() - ctx as c_int);
}
