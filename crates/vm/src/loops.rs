//! Sources of Lua 5.4: those that assign to the variables of `for` loops, which Lua 5.5 refuses.
//!
//! `patch/lloops.h` tells how they are compiled. Here is who asks for that, and who is told. Without the feature
//! `shared-code` Lua is as it is published, and refuses them.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int, c_void};

use mlua_sys::lua55::lua_State;
use skynet_kernel::text;

/// What is done about a source that assigns to loop variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoopAssignments {
    /// It is loaded with the meaning that Lua 5.4 gives it, and a log line says so.
    #[default]
    Warn,
    /// The same without the log line.
    Silent,
    /// It is refused, as Lua 5.5 does.
    Refuse,
}

impl LoopAssignments {
    /// The values of the config key.
    pub const VALUES: [(&'static str, LoopAssignments); 3] = [
        ("warn", LoopAssignments::Warn),
        ("true", LoopAssignments::Silent),
        ("false", LoopAssignments::Refuse),
    ];

    /// By the value of the config key.
    pub fn named(value: &str) -> Option<LoopAssignments> {
        let mut all = LoopAssignments::VALUES.into_iter();
        all.find(|(name, _)| *name == value)
            .map(|(_, meaning)| meaning)
    }

    /// Is such a source loaded?
    pub fn accepts(self) -> bool {
        self != LoopAssignments::Refuse
    }
}

/// Is this Lua able to load such sources?
pub const AVAILABLE: bool = cfg!(feature = "shared-code");

/// Who is told that a source has been loaded: with its chunk name and the line of its first assignment to a loop
/// variable. It must neither raise nor use the stack.
pub type Told = unsafe extern "C-unwind" fn(*mut lua_State, *const c_char, c_int, *mut c_void);

#[cfg(feature = "shared-code")]
unsafe extern "C-unwind" {
    fn lua_onassignedloop(l: *mut lua_State, told: Option<Told>, data: *mut c_void);
}

/// From now on the state takes such sources, and `told` hears of each, with `data`.
///
/// # Safety
/// The state is this thread's. Whatever `told` does with `data` is sound as long as the state lives.
pub unsafe fn accept(l: *mut lua_State, told: Told, data: *mut c_void) {
    #[cfg(feature = "shared-code")]
    // SAFETY: by the caller.
    unsafe {
        lua_onassignedloop(l, Some(told), data);
    }
    #[cfg(not(feature = "shared-code"))]
    let _ = (l, told, data);
}

/// How messages name a chunk: `@file` is the file, `=name` the name, and anything else a source, of which the beginning
/// is shown.
pub fn shown_chunk(name: &CStr) -> Cow<'_, str> {
    match name.to_bytes() {
        [b'@' | b'=', rest @ ..] => text::from_bytes(rest),
        source => {
            const SHOWN: usize = 40;
            let line = source.split(|&b| b == b'\n').next().unwrap_or_default();
            let cut = line.len() < source.len() || line.len() > SHOWN;
            let line = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
            format!("[string \"{line}{}\"]", if cut { "..." } else { "" }).into()
        }
    }
}

/// What a log line says of a source that was loaded.
pub fn told_text(chunk: &str, line: u32) -> String {
    format!(
        "{chunk}:{line}: assigns to the variable of a for loop, which Lua 5.5 refuses; loaded with its meaning in \
         Lua 5.4"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_named_as_lua_names_them() {
        assert_eq!(shown_chunk(c"@a/b.lua"), "a/b.lua");
        assert_eq!(shown_chunk(c"=stdin"), "stdin");
        assert_eq!(shown_chunk(c"x = 1"), "[string \"x = 1\"]");
        assert_eq!(shown_chunk(c"x = 1\ny = 2"), "[string \"x = 1...\"]");
    }

    #[test]
    fn the_values_of_the_key() {
        assert_eq!(LoopAssignments::named("warn"), Some(LoopAssignments::Warn));
        assert_eq!(
            LoopAssignments::named("true"),
            Some(LoopAssignments::Silent)
        );
        assert_eq!(
            LoopAssignments::named("false"),
            Some(LoopAssignments::Refuse)
        );
        assert_eq!(LoopAssignments::named("yes"), None);
    }
}
