//! What Lua code finds without a file: native modules, and the Lua files inside the program.
//!
//! This crate has no list of them; it is handed one ([`crate::install`]). The *core* always comes from the program,
//! because it and the native side are one. Everything else that ships gives way to a file of the same name on
//! `lua_path` or `luaservice`, so that an application can put its own in place.

use mlua_sys::lua55::lua_CFunction;

/// A Lua file inside the program.
#[derive(Debug)]
pub struct Embedded {
    /// Name for `require` or `newservice`.
    pub name: &'static str,
    /// Where it is in the source tree; its chunk name.
    pub file: &'static str,
    /// The text.
    pub source: &'static [u8],
}

/// Native modules by name.
pub type Native = &'static [(&'static str, lua_CFunction)];

/// Modules and services that need no file.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// Native modules.
    pub native: &'static [Native],
    /// Lua modules.
    pub modules: &'static [Embedded],
    /// Lua services.
    pub services: &'static [Embedded],
    /// Lua modules that are never looked for on disk.
    pub core_modules: &'static [&'static str],
    /// Services that are never looked for on disk.
    pub core_services: &'static [&'static str],
    /// Does a file, without the `@` of its chunk name, belong to one of the modules? Frames of such files are passed
    /// over when the place of an error is looked for.
    pub is_module_file: fn(&[u8]) -> bool,
    /// What to tell who asks for a module that nobody has, if there is something to tell.
    pub hint: fn(&str) -> Option<String>,
}

impl Library {
    /// The function that opens a native module.
    pub fn open(&self, name: &str) -> Option<lua_CFunction> {
        let mut all = self.native.iter().copied().flatten();
        all.find(|(n, _)| *n == name).map(|(_, open)| *open)
    }

    /// Names of the native modules.
    pub fn native_names(&self) -> impl Iterator<Item = &'static str> {
        self.native.iter().copied().flatten().map(|(name, _)| *name)
    }

    /// A Lua module.
    pub fn module(&self, name: &str) -> Option<&'static Embedded> {
        self.modules.iter().find(|file| file.name == name)
    }

    /// A Lua service.
    pub fn service(&self, name: &str) -> Option<&'static Embedded> {
        self.services.iter().find(|file| file.name == name)
    }
}
