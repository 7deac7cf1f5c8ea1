//! Modules and services of skynet (C) that are not part of this version.
//!
//! Whoever asks for one of them shall not look for a mistake in the search paths. They are found if the application has
//! them, like any other; this is what the error says if it has not.

/// What an application may ask for: names, of which one that ends in `*` stands for all that begin so.
const MODULES: &[&str] = &["skynet.db.mongo", "skynet.db.redis.cluster"];

/// C modules that skynet (C) is delivered with, which are nobody's part: they are built from their own sources.
const FOREIGN: &[&str] = &["cjson", "lfs"];

/// What to tell who has not found the module `name`, if it is one of these.
pub(crate) fn hint(name: &str) -> Option<String> {
    let listed = |entry: &&str| match entry.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => *entry == name,
    };
    if MODULES.iter().any(listed) {
        return Some(format!(
            "({name} is a module of skynet (C) that this version does not have yet; README.md, \"Not there yet\", has the list)"
        ));
    }
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
        for name in MODULES {
            assert!(LIBRARY.module(name).is_none(), "{name}");
        }
        assert!(hint("skynet.socket").is_none() && hint("http").is_none());
    }

    #[test]
    fn names_and_families() {
        for name in ["skynet.db.mongo", "skynet.db.redis.cluster"] {
            assert!(hint(name).unwrap().contains("does not have yet"), "{name}");
        }
        assert!(hint("lfs").unwrap().contains("lua_cpath"));
    }
}
