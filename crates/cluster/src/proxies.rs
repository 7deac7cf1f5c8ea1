//! The proxies of this node: one for each remote address that somebody has asked for.
//!
//! The first who asks makes the daemon launch it; it is asked then whether it has found its sender, and whoever comes
//! meanwhile waits for that with the first. A proxy that has found none ends. Between its end and its answer those who
//! ask must not start another one: they would take the place of those who wait.

use std::collections::HashMap;

use rustc_hash::FxHashMap;
use skynet_kernel::{Context, Handle, Payload, kind};

use crate::command::Asker;
use crate::proxy;

/// A proxy that was launched.
struct Proxy {
    handle: Handle,
    /// Who waits for it to start; nobody once it has.
    askers: Vec<Asker>,
    started: bool,
}

#[derive(Default)]
pub(crate) struct Proxies {
    /// By node and name.
    known: HashMap<(String, String), Proxy>,
    /// Those that were asked whether they have started, by the session of that request.
    asked: FxHashMap<i32, (String, String)>,
}

impl Proxies {
    /// The proxy for an address. `None`: whoever asks is answered later.
    ///
    /// # Errors
    /// It cannot be launched: why.
    pub(crate) fn ask(
        &mut self,
        cx: &Context,
        node: &str,
        name: &str,
        asker: Asker,
    ) -> Result<Option<Handle>, String> {
        let key = (node.to_owned(), name.to_owned());
        match self.known.get_mut(&key) {
            // Whether it has started is still to come, also if it has ended meanwhile: those who ask hear of it
            // together.
            Some(proxy) if !proxy.started => {
                proxy.askers.push(asker);
                return Ok(None);
            }
            Some(proxy) if cx.node().is_alive(proxy.handle) => return Ok(Some(proxy.handle)),
            _ => {}
        }
        let line = proxy::line(node, name);
        let session = cx.new_session();
        let launched = cx
            .node()
            .launch(cx.handle(), "snlua", &line)
            .filter(|handle| {
                cx.send(*handle, kind::SYSTEM, session, Payload::EMPTY)
                    .is_ok()
            });
        let Some(handle) = launched else {
            return Err(format!("cannot launch {line}"));
        };
        self.asked.insert(session, key.clone());
        let proxy = Proxy {
            handle,
            askers: vec![asker],
            started: false,
        };
        self.known.insert(key, proxy);
        Ok(None)
    }

    /// The answer to a request of this session. False if none of them was asked so.
    pub(crate) fn answered(&mut self, cx: &Context, session: i32, started: bool) -> bool {
        let Some(key) = self.asked.remove(&session) else {
            return false;
        };
        if let Some(proxy) = self.known.get_mut(&key) {
            proxy.started = started;
            let handle = proxy.handle;
            for asker in proxy.askers.drain(..) {
                match started {
                    true => asker.answer(cx, &[handle.0.into()]),
                    false => asker.fail(cx),
                }
            }
            if !started {
                self.known.remove(&key);
            }
        }
        true
    }

    /// Everybody who waits.
    pub(crate) fn askers(&mut self) -> impl Iterator<Item = Asker> {
        self.known
            .values_mut()
            .flat_map(|proxy| proxy.askers.drain(..))
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.known.values().map(|proxy| proxy.askers.len()).sum()
    }
}
