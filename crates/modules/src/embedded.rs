//! The Lua modules and services inside the binary.
//!
//! The *core* (the lists below) always comes from the binary, because it and the native side are one. Everything else
//! that ships gives way to a file of the same name on `lua_path` or `luaservice`, so that an application can put its
//! own in place.

use skynet_lua::Embedded;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Modules that are never looked for on disk. The native ones are in [`NATIVE`](crate::NATIVE).
pub const CORE_MODULES: &[&str] = &[
    "skynet.cluster",
    "skynet.datasheet",
    "skynet.datasheet.builder",
    "skynet.datasheet.dump",
    "skynet.debug",
    "skynet.debugcmds",
    "skynet.ends",
    "skynet.inject",
    "skynet.lazy",
    "skynet.loading",
    "skynet.manager",
    "skynet.multicast",
    "skynet.patient",
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

/// Is this the chunk name (without `@`) of an embedded module, or of a file that stands in its place, in whatever
/// folder?
pub(crate) fn is_module_file(file: &[u8]) -> bool {
    MODULES.iter().any(|e| {
        let folder = file.strip_suffix(e.file.as_bytes());
        folder.is_some_and(|folder| folder.is_empty() || folder.ends_with(b"/"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LIBRARY;

    #[test]
    fn the_core_is_there() {
        for name in CORE_MODULES {
            assert!(LIBRARY.module(name).is_some(), "{name}");
        }
        for name in CORE_SERVICES {
            assert!(LIBRARY.service(name).is_some(), "{name}");
        }
        assert!(LIBRARY.module("skynet.nothing").is_none());
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
