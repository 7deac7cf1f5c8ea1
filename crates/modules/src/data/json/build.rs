//! Documents to tables, on the Lua stack.
//!
//! What is in an array or object is first collected on the stack, so that its table gets its final size at once. Of a
//! large one, that is so for the first batch; the others are added.

use skynet_vm::lua::Lua;
use skynet_vm::tables;
use skynet_wire::json::{Build, Kind, Number, Text, unescape};

use super::options::Config;

/// Elements, or pairs, that are collected on the stack before they go into their table: many, so that nearly every
/// table gets its size at once; fewer where tables lie deep in each other, so that the stack does not fill up.
const BATCH: usize = 1024;
const DEEP_BATCH: usize = 64;
/// From this depth on.
const DEEP: usize = 6;

pub(super) struct Tables {
    l: Lua,
    config: *mut Config,
    array_mt: bool,
    depth: usize,
}

impl Tables {
    /// `config` is on the stack or an upvalue.
    pub(super) fn new(l: Lua, config: *mut Config) -> Tables {
        Tables {
            l,
            config,
            // SAFETY: alive.
            array_mt: unsafe { (*config).decode_array_with_array_mt },
            depth: 0,
        }
    }

    /// *raises*
    #[inline(always)]
    fn push_text(&mut self, text: Text<'_>) {
        if !text.escaped {
            return tables::push_string(self.l, text.raw);
        }
        // SAFETY: nobody else uses the buffer before the string is pushed, which collects nothing.
        let buffer = unsafe { &mut (*self.config).buffer };
        buffer.clear();
        unescape(text, buffer);
        tables::push_string(self.l, buffer);
    }
}

/// An array or object of which something is on the stack.
pub(super) struct Open {
    kind: Kind,
    batch: usize,
    /// Elements or pairs on the stack, above the slot of the table.
    waiting: usize,
    /// Those that are in the table, which is made then.
    inside: usize,
}

impl Open {
    /// *raises*
    fn put(&mut self, l: Lua, more: bool) {
        let (elements, pairs) = match self.kind {
            Kind::Array => (self.waiting, 0),
            Kind::Object => (0, self.waiting),
        };
        if self.inside == 0 {
            tables::make(l, elements, pairs, if more { 2 * pairs } else { pairs });
        } else {
            tables::fill(l, self.inside, elements, pairs);
        }
        self.inside += self.waiting;
        self.waiting = 0;
    }
}

impl Build for Tables {
    type Open = Open;

    fn open(&mut self, kind: Kind) -> Option<Open> {
        if !tables::room(self.l, 8) {
            return None;
        }
        // The table will be here.
        tables::push_bool(self.l, false);
        self.depth += 1;
        Some(Open {
            kind,
            batch: if self.depth < DEEP { BATCH } else { DEEP_BATCH },
            waiting: 0,
            inside: 0,
        })
    }

    #[inline(always)]
    fn null(&mut self) {
        tables::push_pointer(self.l, std::ptr::null_mut());
    }

    #[inline(always)]
    fn bool(&mut self, value: bool) {
        tables::push_bool(self.l, value);
    }

    #[inline(always)]
    fn number(&mut self, value: Number) {
        match value {
            Number::Int(n) => tables::push_int(self.l, n),
            Number::Float(n) => tables::push_float(self.l, n),
        }
    }

    #[inline(always)]
    fn string(&mut self, text: Text<'_>) {
        self.push_text(text);
    }

    #[inline(always)]
    fn key(&mut self, text: Text<'_>) {
        self.push_text(text);
    }

    #[inline(always)]
    fn add(&mut self, open: &mut Open) {
        open.waiting += 1;
        if open.waiting == open.batch || !tables::room(self.l, 4) {
            open.put(self.l, true);
        }
    }

    fn close(&mut self, mut open: Open) {
        self.depth -= 1;
        if open.waiting > 0 || open.inside == 0 {
            open.put(self.l, false);
        }
        if self.array_mt && open.kind == Kind::Array {
            self.l.get_field(skynet_vm::lua::REGISTRY, super::ARRAY_MT);
            self.l.set_metatable(-2);
        }
    }
}
