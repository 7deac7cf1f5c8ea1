//! Modules that are not part of this program, though skynet (C) is delivered with them.
//!
//! Whoever asks for one of them shall not look for a mistake in the search paths. They are found if the application has
//! them, like any other; this is what the error says if it has not.

/// C modules that skynet (C) is delivered with, which are nobody's part: they are built from their own sources.
const FOREIGN: &[&str] = &["lfs"];

/// What to tell who has not found the module `name`, if it is one of these.
pub(crate) fn hint(name: &str) -> Option<String> {
    FOREIGN.contains(&name).then(|| {
        format!("({name} is a C module of its own: build it for Lua 5.5 and put it on lua_cpath; docs/c.md tells how)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LIBRARY;

    #[test]
    fn what_is_here_is_not_called_absent() {
        for name in FOREIGN {
            assert!(LIBRARY.module(name).is_none(), "{name}");
        }
        assert!(hint("skynet.socket").is_none() && hint("http").is_none());
    }

    #[test]
    fn what_is_to_be_built() {
        assert!(hint("lfs").unwrap().contains("lua_cpath"));
    }
}
