//! Functions that the application has put into the table `skynet` in the place of ours: the library's own functions
//! call those, as if they were written in Lua and looked them up there.

use std::cell::Cell;

use mlua_sys::lua55::lua_CFunction;
use skynet_vm::Value;
use skynet_vm::field::Field;
use skynet_vm::lua::{Lua, Type};

use super::Svc;

/// The table, and where the functions lie in it that others of the library call on every message.
pub(crate) struct Replaced {
    /// Nil before `require "skynet"`; `refs.skynet` keeps it alive.
    table: Cell<Value>,
    ret: Field,
    pack: Field,
    sleep: Field,
    now: Field,
}

impl Default for Replaced {
    fn default() -> Replaced {
        Replaced {
            table: Cell::new(Value::NIL),
            ret: Field::new("ret"),
            pack: Field::new("pack"),
            sleep: Field::new("sleep"),
            now: Field::new("now"),
        }
    }
}

impl Replaced {
    /// The table `skynet`, at the top of the stack, which is kept alive from now on.
    pub(crate) fn watch(&self, l: Lua) {
        self.table.set(l.value(l.top() as usize));
    }

    /// Is another function there than this native one?
    #[inline(always)]
    fn is(&self, field: &Field, native: lua_CFunction) -> bool {
        // SAFETY: the registry keeps the table alive as long as its state; a service runs on one thread at a time.
        !unsafe { field.has(self.table.get(), native) }
    }

    #[inline(always)]
    pub(crate) fn ret(&self, native: lua_CFunction) -> bool {
        self.is(&self.ret, native)
    }

    #[inline(always)]
    pub(crate) fn pack(&self, native: lua_CFunction) -> bool {
        self.is(&self.pack, native)
    }

    #[inline(always)]
    pub(crate) fn sleep(&self, native: lua_CFunction) -> bool {
        self.is(&self.sleep, native)
    }

    #[inline(always)]
    pub(crate) fn now(&self, native: lua_CFunction) -> bool {
        self.is(&self.now, native)
    }
}

impl Svc {
    /// Pushes what is in this field of `skynet`, whatever it is. *raises*
    pub(crate) fn push_function_of_skynet(&self, l: Lua, name: &'static str) -> Type {
        l.push_ref(self.refs.skynet.get());
        l.push_str(name);
        let kind = l.get(-2);
        l.remove(-2);
        kind
    }
}
