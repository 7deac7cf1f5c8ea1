//! Messages for a Lua function given to `core.callback`, and what such a function passes back to the dispatcher.

use std::ffi::c_void;

use mlua_sys::lua55 as ffi;
use skynet_kernel::Message;

use super::entry::add_traceback;
use super::{Incoming, Svc, Taken, is_request};
use skynet_vm::lua::Lua;
use skynet_vm::native::{Fault, Outcome, results};

impl Svc {
    /// The message goes to the function given to `core.callback`.
    pub(super) fn deliver_to_callback(&self, msg: &mut Message, mut m: Incoming, forward: bool) {
        if is_request(m.kind, m.session) {
            self.with(|t| t.owed.remember(m.session, m.source));
        }
        if forward {
            let (data, len) = msg.take_payload().into_raw();
            (m.data, m.len, m.shared) = (data, len, false);
        }
        let main = self.main.get();
        let base = main.top();
        main.push_ref(self.refs.callback_thread.get());
        let thread = main.thread(-1).unwrap_or(main);
        main.pop(1);
        if thread != main {
            thread.set_top(0);
        }
        let handler = thread.top() + 1;
        thread.push_function(add_traceback);
        thread.push_ref(self.refs.callback.get());
        thread.push_int(m.kind as i64);
        if m.len == 0 {
            thread.push_pointer(std::ptr::null_mut());
        } else {
            thread.push_pointer(m.data as *mut c_void);
        }
        thread.push_int(m.len as i64);
        thread.push_int(m.session as i64);
        thread.push_int(m.source.0 as i64);
        let active = self.interrupts.set_active(thread.0);
        self.interrupts.arm(thread);
        let current = (!forward).then_some(&m);
        let status = self.dispatching(current, || thread.pcall(5, 0, handler));
        self.interrupts.set_active(active);
        match status {
            ffi::LUA_OK => {}
            ffi::LUA_ERRMEM => {
                self.cx.log(format!(
                    "lua memory error : [{:x} to :{:x} : {}]",
                    m.source.0,
                    self.handle().0,
                    m.session
                ));
            }
            ffi::LUA_ERRERR => {
                self.cx.log(format!(
                    "lua error in error : [{:x} to :{:x} : {}]",
                    m.source.0,
                    self.handle().0,
                    m.session
                ));
            }
            _ => {
                let text = thread
                    .bytes(-1)
                    .unwrap_or(b"error object is not a string")
                    .to_vec();
                self.note_error(text);
            }
        }
        thread.set_top(handler - 1);
        main.set_top(base);
        self.report(&m);
        self.release_taken(msg);
    }

    /// `skynet.dispatch_message`, called by a Lua callback: errors are raised there. *raises*
    pub(crate) fn dispatch_from_lua(&self, l: Lua, m: &Incoming) -> Outcome {
        self.with(|t| t.owed.settle(m.session, m.source));
        let host = self.main.replace(l);
        let taken = self.taken.replace(Taken::Forbidden);
        self.dispatch_inline(m);
        self.taken.set(taken);
        self.main.set(host);
        let errors = self.with(|t| std::mem::take(&mut t.errors));
        if errors.is_empty() {
            return results(0);
        }
        Err(Fault::Plain(
            String::from_utf8_lossy(&errors.join(&b'\n'))
                .into_owned()
                .into(),
        ))
    }
}
