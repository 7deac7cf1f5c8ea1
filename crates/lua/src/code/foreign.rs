//! What a C library on `lua_cpath` is, before it is opened.
//!
//! In the folder of an installation of skynet (C) `./luaclib/skynet.so` is found for any module `skynet.…` that has no
//! file, and `sproto.so` for `sproto`. These libraries belong to that program: their modules are part of this one,
//! natively. The names that a library exports tell what it is; they are looked for in the file, as texts between zeros,
//! so nothing of it has to run for that.

use std::collections::HashMap;
use std::fs;
use std::sync::Mutex;
use std::time::SystemTime;

use skynet_kernel::lock;

use crate::library::Library;

/// What the name of a function begins with that opens a C module.
const OPEN: &[u8] = b"luaopen_";
/// Larger files are not looked into.
const LARGEST: u64 = 64 << 20;
/// Modules by which libraries of skynet (C) are known.
const OF_SKYNET: &[&str] = &["skynet.core", "sproto.core", "client.socket"];
/// The module that calls functions of the other program all over.
const HEART: &str = "skynet.core";

/// The modules in a library of skynet (C), under their names in Lua as far as these can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    modules: Vec<String>,
}

impl Original {
    /// Why the library is not opened for the module `name`; none if it may be.
    pub fn refusal(&self, library: &Library, file: &str, name: &str) -> Option<String> {
        let ours = is_here(library, name);
        let heart = self.modules.iter().any(|module| module == HEART);
        (ours || heart).then(|| format!("library '{file}' is not opened: {}", self.about(library)))
    }

    /// What it is, and what of it is missed.
    pub fn about(&self, library: &Library) -> String {
        let missing: Vec<&str> = self
            .modules
            .iter()
            .map(String::as_str)
            .filter(|name| !is_here(library, name))
            .collect();
        let missing = match &missing[..] {
            [] => "all modules in it are part of this program".to_owned(),
            [one] => format!("of the modules in it {one} is not here"),
            _ => format!(
                "of the modules in it these are not here: {}",
                missing.join(", ")
            ),
        };
        format!("it is skynet (C)'s own library, made for that program only; {missing}")
    }
}

fn is_here(library: &Library, name: &str) -> bool {
    library.open(name).is_some() || library.module(name).is_some()
}

/// What has been found out about a file of this size and age.
type Known = (u64, Option<SystemTime>, Option<Original>);

/// What the file is, if it is a library of skynet (C).
pub fn original(file: &str) -> Option<Original> {
    static KNOWN: Mutex<Option<HashMap<String, Known>>> = Mutex::new(None);
    let data = fs::metadata(skynet_kernel::text::path(file)).ok()?;
    let (size, age) = (data.len(), data.modified().ok());
    let mut known = lock(&KNOWN);
    let known = known.get_or_insert_default();
    if let Some((of_size, of_age, found)) = known.get(file)
        && (*of_size, *of_age) == (size, age)
    {
        return found.clone();
    }
    if !data.is_file() || size > LARGEST {
        return None;
    }
    let found = examine(&fs::read(skynet_kernel::text::path(file)).ok()?);
    known.insert(file.to_owned(), (size, age, found.clone()));
    found
}

fn examine(bytes: &[u8]) -> Option<Original> {
    let mut modules: Vec<String> = bytes
        .split(|&byte| byte == 0)
        .filter_map(|text| text.strip_prefix(OPEN))
        .filter(|name| name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_'))
        .map(|name| String::from_utf8_lossy(name).replace('_', "."))
        .collect();
    modules.sort();
    modules.dedup();
    let is = modules
        .iter()
        .any(|name| OF_SKYNET.contains(&name.as_str()));
    is.then_some(Original { modules })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Library = Library {
        native: &[&[
            ("skynet.core", crate::open::core),
            ("client.socket", crate::open::core),
        ]],
        modules: &[],
        services: &[],
        core_modules: &[],
        core_services: &[],
        is_module_file: |_| false,
        hint: |_| None,
    };

    #[test]
    fn by_what_it_exports() {
        let library =
            b"\x7fELF\0\0luaopen_skynet_core\0luaopen_skynet_nothing\0x\0luaopen_skynet_core\0";
        let found = examine(library).expect("skynet.so");
        assert_eq!(found.modules, ["skynet.core", "skynet.nothing"]);
        assert!(
            found
                .about(&HERE)
                .ends_with("of the modules in it skynet.nothing is not here")
        );
        assert!(found.refusal(&HERE, "x", "skynet.nothing").is_some());
        assert_eq!(examine(b"luaopen_lpeg\0"), None);
        assert_eq!(examine(b"luaopen_my_skynet_core\0"), None);
        let client =
            examine(b"\0luaopen_client_socket\0luaopen_client_other\0").expect("client.so");
        assert!(client.refusal(&HERE, "x", "client.socket").is_some());
        assert!(client.refusal(&HERE, "x", "client.other").is_none());
    }
}
