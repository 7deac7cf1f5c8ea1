//! Protocols of a service: what a message type means to it.
//!
//! The class tables that `skynet.register_protocol` takes are Lua's, and applications may look at and change their
//! `dispatch`, `pack` and `unpack` at any time; so those are read from the table at every message. Here is only what
//! finds the table. Once the application has got hold of `skynet._proto`, where it may put other tables, that one is
//! asked (`Svc::push_class`).

use skynet_kernel::kind;

use super::Svc;
use skynet_vm::lua::{Lua, Type};

/// One registered protocol.
struct Protocol {
    id: u8,
    /// Registry reference of the class table.
    class: i32,
    /// Address of the interned name, see `Lua::string_address`; 0 for names too long to be interned.
    name: usize,
    /// `skynet.traceproto`.
    trace: Option<bool>,
}

/// The protocols of a service; few, so they are searched in a row.
#[derive(Default)]
pub(crate) struct Protocols {
    all: Vec<Protocol>,
}

impl Protocols {
    /// Adds a protocol; another one of the same type or name makes way. Returns the class of that type that was there.
    pub(crate) fn register(
        &mut self,
        id: u8,
        class: i32,
        name: usize,
        trace: Option<bool>,
    ) -> Option<i32> {
        let before = self.all.iter().position(|p| p.id == id);
        let before = before.map(|at| self.all.remove(at).class);
        for p in &mut self.all {
            if p.name == name {
                p.name = 0;
            }
        }
        self.all.push(Protocol {
            id,
            class,
            name,
            trace,
        });
        before
    }

    pub(crate) fn contains(&self, id: u8) -> bool {
        self.class(id).is_some()
    }

    /// The class table of a message type.
    pub(crate) fn class(&self, id: u8) -> Option<i32> {
        self.all.iter().find(|p| p.id == id).map(|p| p.class)
    }

    /// (type, class) of a name by the address of its string.
    pub(crate) fn by_name(&self, name: usize) -> Option<(u8, i32)> {
        self.all
            .iter()
            .find(|p| p.name == name && name != 0)
            .map(|p| (p.id, p.class))
    }

    pub(crate) fn trace(&self, id: u8) -> Option<bool> {
        self.all.iter().find(|p| p.id == id)?.trace
    }

    pub(crate) fn set_trace(&mut self, id: u8, trace: Option<bool>) {
        if let Some(p) = self.all.iter_mut().find(|p| p.id == id) {
            p.trace = trace;
        }
    }
}

impl Svc {
    /// Pushes the class table of a message type; if there is none, pushes nothing and is false. Needs two places on
    /// the stack.
    pub(crate) fn push_class(&self, l: Lua, kind: u8) -> bool {
        if !self.exposed.get() {
            let Some(class) = self.with(|t| t.protocols.class(kind)) else {
                return false;
            };
            l.push_ref(class);
            return true;
        }
        l.push_ref(self.refs.protocols.get());
        if l.raw_geti(-1, kind.into()) != Type::Table {
            l.pop(2);
            return false;
        }
        l.remove(-2);
        true
    }

    /// Is there a class of the type `TRACE`, so that such messages are the application's?
    pub(super) fn takes_traces(&self) -> bool {
        if !self.exposed.get() {
            return self.with(|t| t.protocols.contains(kind::TRACE));
        }
        let main = self.main.get();
        let takes = self.push_class(main, kind::TRACE);
        if takes {
            main.pop(1);
        }
        takes
    }
}
