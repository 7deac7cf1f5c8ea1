//! Is a native function still in its field of a table, or has the application put another one there?
//!
//! An assignment to a field that is there tells nobody, so it has to be looked up; but the place where the field was
//! last is nearly always where it still is, and to look there takes a few instructions.

use std::cell::Cell;

use mlua_sys::lua55::lua_CFunction;

use crate::layout::{Parts, Str, Value, tag};

/// A field of one table, by its name, and where it was last.
pub struct Field {
    name: &'static str,
    place: Cell<usize>,
    /// The key there, a short string.
    key: Cell<*const Str>,
}

impl Field {
    /// A field that has not been looked for yet.
    pub const fn new(name: &'static str) -> Field {
        Field {
            name,
            place: Cell::new(usize::MAX),
            key: Cell::new(std::ptr::null()),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Does the table have this function, without an upvalue, in the field? True also if there is no table.
    ///
    /// # Safety
    /// `table` is nil, or a table that is alive, of the state that this thread runs, and always the same one.
    #[inline(always)]
    pub unsafe fn has(&self, table: Value, f: lua_CFunction) -> bool {
        if table.tag != tag::TABLE {
            return true;
        }
        // SAFETY: the tag says so; alive by contract.
        let parts = unsafe { Parts::of(table.content.table) };
        match parts.function_at(self.place.get(), self.key.get()) {
            Some(there) if there as usize == f as usize => true,
            _ => self.search(parts, f),
        }
    }

    /// Goes through the table.
    #[cold]
    #[inline(never)]
    fn search(&self, parts: Parts, f: lua_CFunction) -> bool {
        let Some((place, key)) = parts.place_of(self.name.as_bytes()) else {
            return false;
        };
        self.place.set(place);
        self.key.set(key);
        parts
            .function_at(place, key)
            .is_some_and(|there| there as usize == f as usize)
    }
}
