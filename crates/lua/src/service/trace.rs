//! Trace tags: following one request through the services that it touches.
//!
//! A traced task logs its steps, and sends its tag in front of every call, so that the callee's task is traced under
//! the same tag. Off unless something asks for it; then one flag is all that a message pays.

use std::ffi::{CStr, c_int};
use std::rc::Rc;

use mlua_sys::lua55 as ffi;
use rustc_hash::FxHashMap;
use skynet_kernel::{Handle, Payload, kind};

use super::log::call_error;
use super::tasks::{NO_TASK, TaskId};
use super::{Incoming, Svc};
use skynet_vm::lua::Lua;
use skynet_vm::place;

/// What a task's tracing is.
#[derive(Clone, PartialEq)]
pub(crate) enum Tag {
    /// Switched off for its protocol, whatever the caller sent.
    Off,
    On(Rc<[u8]>),
}

/// The trace state of a service.
#[derive(Default)]
pub(crate) struct Traces {
    tasks: FxHashMap<TaskId, Tag>,
    /// Tags that came ahead of the next request of a source.
    incoming: FxHashMap<Handle, Rc<[u8]>>,
    counter: u64,
}

impl Svc {
    /// A TRACE message: the tag of the next request from its source.
    pub(crate) fn on_trace(&self, m: &Incoming) {
        self.tracing.set(true);
        self.with(|t| {
            t.traces.incoming.insert(m.source, Rc::from(m.bytes()));
        });
    }

    /// No request follows the tag that `source` has sent.
    pub(crate) fn trace_unused(&self, source: Handle) {
        if self.tracing.get() {
            self.with(|t| t.traces.incoming.remove(&source));
        }
    }

    /// A new tag of this service.
    fn new_tag(&self) -> Rc<[u8]> {
        let n = self.with(|t| {
            t.traces.counter += 1;
            t.traces.counter
        });
        Rc::from(format!("{}-{n}", self.handle()).as_bytes())
    }

    /// Decides on the tag of a request's task.
    pub(crate) fn trace_request(&self, id: TaskId, m: &Incoming) {
        if !self.tracing.get() {
            return;
        }
        let (flag, sent) = self.with(|t| {
            (
                t.protocols.trace(m.kind),
                t.traces.incoming.remove(&m.source),
            )
        });
        let tag = match (flag, sent) {
            (Some(false), _) => Tag::Off,
            (_, Some(tag)) => Tag::On(tag),
            (Some(true), None) => Tag::On(self.new_tag()),
            (None, None) => return,
        };
        self.set_tag(id, tag);
        self.trace_step(id, "request");
    }

    fn set_tag(&self, id: TaskId, tag: Tag) {
        self.tracing.set(true);
        self.with(|t| t.traces.tasks.insert(id, tag));
    }

    /// The tag of a task.
    pub(crate) fn tag(&self, id: TaskId) -> Option<Tag> {
        if !self.tracing.get() {
            return None;
        }
        self.with(|t| t.traces.tasks.get(&id).cloned())
    }

    /// Logs one step of a traced task.
    fn trace_step(&self, id: TaskId, what: &str) {
        if let Some(Tag::On(tag)) = self.tag(id) {
            self.trace_log(&tag, what.as_bytes(), None);
        }
    }

    pub(crate) fn trace_log(&self, tag: &[u8], what: &[u8], at: Option<(Lua, c_int)>) {
        let mut line = [b"<TRACE ", tag, b"> "].concat();
        line.extend(self.cx.node().hpc_ns().to_string().into_bytes());
        if !what.is_empty() {
            line.push(b' ');
            line.extend(what);
        }
        if let Some((l, level)) = at {
            let places = places(l, level);
            if !places.is_empty() {
                line.extend(b" : ");
                line.extend(places.join(" ").into_bytes());
            }
        }
        self.cx.log(line);
    }

    /// The running task logs a step with its place, three levels deep.
    pub(crate) fn trace_place(&self, l: Lua, what: &str) {
        let id = self.running.get();
        if id == NO_TASK {
            return;
        }
        if let Some(Tag::On(tag)) = self.tag(id) {
            self.trace_log(&tag, what.as_bytes(), Some((l, place::level(l))));
        }
    }

    /// Sends the running task's tag ahead of a request, and logs it.
    pub fn trace_call(&self, l: Lua, to: Handle) {
        self.trace_call_by(l, |tag| {
            let _ = self.cx.send(to, kind::TRACE, 0, tag);
        });
    }

    /// [`trace_call`](Self::trace_call), where the tag is sent by `send`.
    pub(crate) fn trace_call_by(&self, l: Lua, send: impl FnOnce(Payload)) {
        let id = self.running.get();
        if id == NO_TASK {
            return;
        }
        if let Some(Tag::On(tag)) = self.tag(id) {
            self.trace_log(&tag, b"call", Some((l, place::level(l))));
            send(Payload::from_slice(&tag));
        }
    }

    pub(crate) fn trace_resume(&self, id: TaskId) {
        self.trace_step(id, "resume");
    }

    pub(crate) fn trace_response(&self) {
        if self.running.get() != NO_TASK {
            self.trace_step(self.running.get(), "response");
        }
    }

    pub(crate) fn trace_error(&self, id: TaskId) {
        if self.tracing.get() {
            self.trace_step(id, "error");
            self.with(|t| t.traces.tasks.remove(&id));
        }
    }

    pub(crate) fn trace_end(&self, id: TaskId) {
        if self.tracing.get() {
            self.trace_step(id, "end");
            self.with(|t| t.traces.tasks.remove(&id));
        }
    }

    /// The task is killed: the next one that runs in its place has no tag.
    pub(crate) fn trace_forget(&self, id: TaskId) {
        if self.tracing.get() {
            self.with(|t| t.traces.tasks.remove(&id));
        }
    }

    /// `skynet.trace([info])`.
    pub(crate) fn start_trace(&self, l: Lua, info: &[u8]) {
        let id = self.running.get();
        if id == NO_TASK {
            return;
        }
        // Kept nowhere while Lua runs, which may raise.
        l.push_str("TRACE");
        let off = match self.tag(id) {
            Some(Tag::Off) => {
                l.push_bool(false);
                true
            }
            Some(Tag::On(old)) => {
                let text = old.to_vec();
                drop(old);
                l.push_owned(text);
                false
            }
            None => {
                l.push_nil();
                false
            }
        };
        call_error(l, self, 2);
        if off {
            return;
        }
        let tag = self.new_tag();
        self.set_tag(id, Tag::On(Rc::clone(&tag)));
        let what = if info.is_empty() {
            b"trace".to_vec()
        } else {
            [b"trace ", info].concat()
        };
        self.trace_log(&tag, &what, None);
    }
}

/// `@file:line` of up to three Lua functions from `level` on.
pub(crate) fn places(l: Lua, level: c_int) -> Vec<String> {
    let mut found = Vec::new();
    for n in 0..3 {
        // SAFETY: `ar` is filled in by `lua_getstack` and `lua_getinfo` before it is read.
        unsafe {
            let mut ar: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(l.0, level + n, &mut ar) == 0 {
                break;
            }
            ffi::lua_getinfo(l.0, c"Sl".as_ptr(), &mut ar);
            if ar.currentline > 0 {
                let source = CStr::from_ptr(ar.source).to_string_lossy();
                found.push(format!("{source}:{}", ar.currentline));
            }
        }
    }
    found
}
