//! The Lua modules and services inside the binary.
//!
//! The *core* (the lists below) always comes from the binary, because it and the native side are one. Everything else that ships
//! gives way to a file of the same name on `lua_path` or `luaservice`, so that an application can put its own in place.

/// One embedded Lua file.
pub(crate) struct Embedded {
    /// Name for `require` or `newservice`.
    pub(crate) name: &'static str,
    /// Where it is in the source tree; its chunk name.
    pub(crate) file: &'static str,
    pub(crate) source: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Modules that are never looked for on disk. The native ones are in `modules::NATIVE`.
pub const CORE_MODULES: &[&str] = &[
    "skynet.cluster",
    "skynet.datasheet",
    "skynet.datasheet.builder",
    "skynet.datasheet.dump",
    "skynet.debug",
    "skynet.debugcmds",
    "skynet.inject",
    "skynet.lazy",
    "skynet.loading",
    "skynet.manager",
    "skynet.multicast",
    "skynet.remotedebug",
    "skynet.service",
    "skynet.sharedata",
    "skynet.sharedata.corelib",
    "skynet.sharetable",
    "skynet.socket",
    "skynet.socketchannel",
];

/// Services that are never looked for on disk.
pub const CORE_SERVICES: &[&str] = &[
    "bootstrap",
    "cdummy",
    "cmaster",
    "cslave",
    "launcher",
    "multicastd",
    "service_cell",
    "service_mgr",
    "service_provider",
    "sharedatad",
];

pub(crate) fn module(name: &str) -> Option<&'static Embedded> {
    find(MODULES, name)
}

pub(crate) fn service(name: &str) -> Option<&'static Embedded> {
    find(SERVICES, name)
}

/// Is this the chunk name (without `@`) of an embedded module, or of a file that stands in its place, in whatever folder?
pub(crate) fn is_module_file(file: &[u8]) -> bool {
    MODULES.iter().any(|e| {
        let folder = file.strip_suffix(e.file.as_bytes());
        folder.is_some_and(|folder| folder.is_empty() || folder.ends_with(b"/"))
    })
}

/// Is there an embedded service of this name?
pub fn has_service(name: &str) -> bool {
    service(name).is_some()
}

fn find(list: &'static [Embedded], name: &str) -> Option<&'static Embedded> {
    // The build script sorts by path, which is not quite the order of names.
    list.iter().find(|e| e.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_is_there() {
        for name in CORE_MODULES {
            assert!(module(name).is_some(), "{name}");
        }
        for name in CORE_SERVICES {
            assert!(service(name).is_some(), "{name}");
        }
        assert!(module("skynet.nothing").is_none());
    }

    #[test]
    fn files_of_modules() {
        for file in [
            "lualib/skynet/lazy.lua",
            "./lualib/snax/interface.lua",
            "/a/lualib/skynet/snax.lua",
        ] {
            assert!(is_module_file(file.as_bytes()), "{file}");
        }
        for file in [
            "skynet/lazy.lua",
            "mylualib/skynet/lazy.lua",
            "lualib/game.lua",
            "",
        ] {
            assert!(!is_module_file(file.as_bytes()), "{file}");
        }
    }
}
