//! `skynet.netpack`: socket data as frames with two bytes of length in front.
//!
//! A queue holds what is incomplete, per connection, and the complete frames that Lua has not fetched yet. Frames are
//! handed out as blocks that Lua owns.

use std::collections::VecDeque;
use std::ffi::{CStr, c_int};

use mlua_sys::lua55::{self as ffi, lua_CFunction};
use rustc_hash::FxHashMap;
use skynet_kernel::block;
use skynet_net::{EventKind, SocketEvent};
use skynet_wire::netpack::{Framing, Partial};

use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, Outcome, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("clear", clear),
    ("filter", filter),
    ("pack", pack),
    ("pop", pop),
    ("tostring", tostring),
];

/// A frame as a block of the message allocator; null if it is empty.
struct Frame {
    fd: i32,
    data: *mut u8,
    len: usize,
}

impl Frame {
    fn new(fd: i32, bytes: &[u8]) -> Frame {
        if bytes.is_empty() {
            return Frame {
                fd,
                data: std::ptr::null_mut(),
                len: 0,
            };
        }
        let data = block::alloc(bytes.len());
        // SAFETY: the new block has room for the bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
        Frame {
            fd,
            data,
            len: bytes.len(),
        }
    }

    /// Pushes fd, pointer, size; the block is Lua's from now on.
    fn give(self, l: Lua) -> c_int {
        l.push_int(self.fd as i64);
        l.push_pointer(self.data.cast());
        l.push_int(self.len as i64);
        std::mem::forget(self);
        3
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: null or an owned block.
        unsafe { block::free(self.data) };
    }
}

/// The state of one gate.
#[derive(Default)]
struct Queue {
    partial: FxHashMap<i32, Partial>,
    ready: VecDeque<Frame>,
}

const QUEUE: &CStr = c"skynet.netpack.queue";

/// The queue at 1, made if there is none yet. *raises*
fn queue<'a>(l: Lua) -> Result<&'a mut Queue, Fault> {
    if l.is_none_or_nil(1) {
        let data: *mut Queue = l.new_userdata(size_of::<Queue>(), 0).cast();
        // SAFETY: a new block of the right size, aligned for any type.
        unsafe { data.write(Queue::default()) };
        // SAFETY: a plain call of the auxiliary library.
        if unsafe { ffi::luaL_newmetatable(l.0, QUEUE.as_ptr()) } != 0 {
            l.push_function(collect);
            l.set_field(-2, c"__gc");
        }
        l.set_metatable(-2);
        l.replace(1);
    }
    existing_queue(l).ok_or(Fault::Argument(1, "netpack queue expected".into()))
}

fn existing_queue<'a>(l: Lua) -> Option<&'a mut Queue> {
    // SAFETY: a userdata with our metatable holds a `Queue`; natives do not keep references to it.
    unsafe {
        ffi::luaL_testudata(l.0, 1, QUEUE.as_ptr())
            .cast::<Queue>()
            .as_mut()
    }
}

/// Splits what a connection has sent.
fn data_event(l: Lua, queue: &mut Queue, fd: i32, mut read: &[u8]) -> Outcome {
    let before = queue.ready.len();
    let mut partial = queue.partial.remove(&fd).unwrap_or_default();
    // Frames of two bytes of length have no limit that could be passed, so this can't fail.
    while let Ok(Some(frame)) = Framing::SHORT.take(&mut partial, &mut read) {
        queue.ready.push_back(Frame::new(fd, &frame));
    }
    let idle = partial.is_idle();
    if !idle {
        queue.partial.insert(fd, partial);
    }
    let new = queue.ready.len() - before;
    if new == 1 && idle && before == 0 {
        l.push_str("data");
        let n = queue.ready.pop_back().map_or(0, |frame| frame.give(l));
        return results(2 + n);
    }
    if new > 0 {
        l.push_str("more");
        return results(2);
    }
    results(1)
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `filter(queue, msg, sz)`: the queue, and what has happened
    filter = |l| {
        let data: *const u8 = l.userdata(2).cast_const().cast();
        let len = l.int(3).unwrap_or(0);
        if data.is_null() || len <= 0 {
            return Err("invalid socket message".into());
        }
        // SAFETY: pointer and size of a message, as the dispatcher passes them.
        let bytes = unsafe { std::slice::from_raw_parts(data, len as usize) };
        let Some(event) = SocketEvent::parse(bytes) else {
            return Err("invalid socket message".into());
        };
        let queue = queue(l)?;
        l.set_top(1);
        match event.kind {
            EventKind::Data => return data_event(l, queue, event.id, event.data),
            EventKind::Connect => {
                l.push_str("init");
                l.push_int(event.id as i64);
                l.push_bytes(event.data);
                l.push_int(event.ud as i64);
                return results(5);
            }
            EventKind::Accept => {
                l.push_str("open");
                l.push_int(event.ud as i64);
                l.push_bytes(event.data);
                return results(4);
            }
            EventKind::Close => {
                queue.partial.remove(&event.id);
                l.push_str("close");
                l.push_int(event.id as i64);
                return results(3);
            }
            EventKind::Error => {
                queue.partial.remove(&event.id);
                l.push_str("error");
                l.push_int(event.id as i64);
                l.push_bytes(event.data);
                return results(4);
            }
            EventKind::Warning => {
                l.push_str("warning");
                l.push_int(event.id as i64);
                l.push_int(event.ud as i64);
                return results(4);
            }
            // A gate takes no datagrams.
            _ => {}
        }
        results(1)
    };

    /// `pop(queue)`: fd, pointer, size, or nothing
    pop = |l| {
        match existing_queue(l).and_then(|q| q.ready.pop_front()) {
            Some(frame) => results(frame.give(l)),
            None => results(0),
        }
    };

    /// `clear(queue)`
    clear = |l| {
        if let Some(queue) = existing_queue(l) {
            *queue = Queue::default();
        }
        results(0)
    };

    collect = |l| {
        if let Some(queue) = existing_queue(l) {
            *queue = Queue::default();
        }
        results(0)
    };

    /// `pack(string)` or `pack(pointer, size)`: a block with the header in front
    pack = |l| {
        let bytes: &[u8] = match l.kind(1) {
            Type::LightUserdata => {
                let len = l.int(2).filter(|&n| n >= 0).ok_or(Fault::Argument(2, "size expected".into()))?;
                // SAFETY: pointer and size as the caller has them from `pack`, `pop` or `filter`.
                unsafe { std::slice::from_raw_parts(l.userdata(1).cast(), len as usize) }
            }
            Type::String | Type::Number => l.coerce_bytes(1).unwrap_or(b""),
            _ => return Err(l.expected(1, "string")),
        };
        let header = Framing::SHORT.header(bytes.len()).map_err(|e| Fault::from(e.to_string()))?;
        let data = block::alloc(header.len() + bytes.len());
        // SAFETY: the new block has room for both.
        unsafe {
            std::ptr::copy_nonoverlapping(header.as_ptr(), data, header.len());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data.add(header.len()), bytes.len());
        }
        l.push_pointer(data.cast());
        l.push_int((header.len() + bytes.len()) as i64);
        results(2)
    };

    /// `tostring(pointer, size)`: a string; the block is freed
    tostring = |l| {
        let data: *mut u8 = l.userdata(1).cast();
        if data.is_null() {
            l.push_str("");
            return results(1);
        }
        let len = l.int(2).unwrap_or(0).max(0) as usize;
        // SAFETY: a block that `filter` or `pop` gave away, with its size.
        l.push_bytes(unsafe { std::slice::from_raw_parts(data, len) });
        // SAFETY: as above; Lua has its copy.
        unsafe { block::free(data) };
        results(1)
    };
}
