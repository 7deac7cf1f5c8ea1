//! Protocols of a service: what a message type means to it.
//!
//! The class tables that `skynet.register_protocol` takes are Lua's, and applications may look at and change their
//! `dispatch`, `pack` and `unpack` at any time; so those are read from the table at every message. Here is only what finds the table.

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
    pub(crate) fn register(&mut self, id: u8, class: i32, name: usize, trace: Option<bool>) {
        self.all.push(Protocol {
            id,
            class,
            name,
            trace,
        });
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

    /// Names are looked up elsewhere until they are set again.
    #[cfg(feature = "shared-code")]
    pub(crate) fn forget_names(&mut self) {
        self.all.iter_mut().for_each(|p| p.name = 0);
    }

    /// Sets the address of the name of the protocol whose class `of` knows; returns its type.
    #[cfg(feature = "shared-code")]
    pub(crate) fn set_name(&mut self, name: usize, of: impl Fn(i32) -> bool) -> Option<u8> {
        let protocol = self.all.iter_mut().find(|p| of(p.class))?;
        protocol.name = name;
        Some(protocol.id)
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
