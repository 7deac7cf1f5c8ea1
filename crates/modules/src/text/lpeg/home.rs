//! What matches of a state share: the limit of the stack, and memory that the next match takes over from the last one.
//!
//! Memory is in userdata. A match takes it, keeps it on its own Lua stack, and gives it back when it ends. If it ends
//! by an error, the memory is collected like anything else, and the next match makes new one.

use std::ffi::{c_int, c_void};
use std::ptr;

use mlua_sys::lua55 as ffi;
use skynet_peg::{Capture, Entry};
use skynet_vm::lua::{Lua, REGISTRY, Type};

use super::pattern;

/// Its address is the key of the home in the registry.
static KEY: u8 = 0;

/// The stack's limit at first.
const LIMIT: usize = 400;
/// The sizes that a match begins with.
const STACK: usize = 64;
const CAPTURES: usize = 128;
/// Memory of more bytes is not kept.
const KEPT: usize = 64 << 10;

/// The userdata's content. Its user values are the arrays and the text that lie ready.
#[repr(C)]
pub(super) struct Home {
    /// The metatable of patterns.
    pub metatable: *const c_void,
    /// How large the stack may become.
    pub limit: usize,
    arrays: *mut ArraysHead,
    text: *mut TextHead,
    /// Where the outermost match that runs now has its frame, and on which thread.
    outermost: (usize, usize),
}

#[repr(C)]
#[derive(Clone, Copy)]
struct ArraysHead {
    stack: usize,
    captures: usize,
}

#[repr(C)]
struct TextHead {
    room: usize,
}

const _: () = assert!(size_of::<ArraysHead>() == 16 && size_of::<TextHead>() == 8);
const _: () = assert!(align_of::<Entry>() <= 4 && align_of::<Capture>() <= 4);

/// Pushes the home, which is made the first time. *raises*
pub(super) fn push(l: Lua) -> *mut Home {
    // SAFETY: the registry's own functions; only this module has that key.
    unsafe {
        ffi::lua_rawgetp(l.0, REGISTRY, (&raw const KEY).cast());
        let home: *mut Home = ffi::lua_touserdata(l.0, -1).cast();
        if !home.is_null() {
            return home;
        }
        l.pop(1);
        let metatable = pattern::metatable(l);
        let home: *mut Home = l.new_userdata(size_of::<Home>(), 2).cast();
        home.write(Home {
            metatable,
            limit: LIMIT,
            arrays: ptr::null_mut(),
            text: ptr::null_mut(),
            outermost: (0, 0),
        });
        l.push_value(-1);
        ffi::lua_rawsetp(l.0, REGISTRY, (&raw const KEY).cast());
        home
    }
}

/// Is the value at `i` a pattern?
pub(super) fn is_pattern(l: Lua, home: *const Home, i: c_int) -> bool {
    // SAFETY: the home is on the stack of the caller. A metatable that is pushed is taken away again.
    unsafe {
        if l.kind(i) != Type::Userdata || ffi::lua_getmetatable(l.0, i) == 0 {
            return false;
        }
        let same = l.pointer(-1) == (*home).metatable;
        l.pop(1);
        same
    }
}

/// The two arrays of a match, in a userdata at a place of the Lua stack.
#[derive(Clone, Copy)]
pub(super) struct Arrays(*mut ArraysHead);

impl Arrays {
    /// Pushes a new one. *raises*
    fn new(l: Lua, stack: usize, captures: usize) -> Arrays {
        let size =
            size_of::<ArraysHead>() + stack * size_of::<Entry>() + captures * size_of::<Capture>();
        let head: *mut ArraysHead = l.new_userdata(size, 0).cast();
        // SAFETY: a new block, with room for the head and so many elements of both types.
        unsafe {
            head.write(ArraysHead { stack, captures });
            let entries: *mut Entry = head.add(1).cast();
            for i in 0..stack {
                entries.add(i).write(Entry::default());
            }
            let list: *mut Capture = entries.add(stack).cast();
            for i in 0..captures {
                list.add(i).write(Capture::BLANK);
            }
        }
        Arrays(head)
    }

    /// Pushes those that lie ready, or new ones. Nobody else gets them meanwhile. *raises*
    pub fn take(l: Lua, home: *mut Home, at: c_int) -> Arrays {
        // SAFETY: `at` is the place of the home, which has two user values; if there is a pointer, the first one is the
        // userdata that it points to.
        unsafe {
            let ready = std::mem::replace(&mut (*home).arrays, ptr::null_mut());
            if ready.is_null() {
                return Arrays::new(l, STACK, CAPTURES);
            }
            ffi::lua_getiuservalue(l.0, at, 1);
            Arrays(ready)
        }
    }

    /// Lets them, who are at `own`, lie ready for the next match.
    pub fn give_back(self, l: Lua, home: *mut Home, at: c_int, own: c_int) {
        if l.raw_len(own) > KEPT {
            return;
        }
        l.push_value(own);
        // SAFETY: as above.
        unsafe {
            ffi::lua_setiuservalue(l.0, at, 1);
            (*home).arrays = self.0;
        }
    }

    fn head(self) -> ArraysHead {
        // SAFETY: written by `new`; the userdata is on the stack of the match.
        unsafe { *self.0 }
    }

    /// Both of them.
    ///
    /// # Safety
    /// What was borrowed before is not used any more.
    pub unsafe fn get<'a>(self) -> (&'a mut [Entry], &'a mut [Capture]) {
        let head = self.head();
        // SAFETY: written by `new`; one borrow at a time, by contract.
        unsafe {
            let entries: *mut Entry = self.0.add(1).cast();
            let list: *mut Capture = entries.add(head.stack).cast();
            (
                std::slice::from_raw_parts_mut(entries, head.stack),
                std::slice::from_raw_parts_mut(list, head.captures),
            )
        }
    }

    /// Larger ones with the same content, in the place of these at `own`. *raises*
    ///
    /// # Safety
    /// As [`Self::get`].
    pub unsafe fn grown(self, l: Lua, own: c_int, stack: usize, captures: usize) -> Arrays {
        let larger = Arrays::new(l, stack, captures);
        // SAFETY: two blocks; nothing else borrows them, by contract.
        let ((from, from_list), (to, to_list)) = unsafe { (self.get(), larger.get()) };
        to[..from.len()].copy_from_slice(from);
        to_list[..from_list.len()].copy_from_slice(from_list);
        l.replace(own);
        larger
    }

    pub fn sizes(self) -> (usize, usize) {
        (self.head().stack, self.head().captures)
    }
}

/// A text that grows, in a userdata at a place of the Lua stack.
#[derive(Clone, Copy)]
pub(super) struct Text {
    head: *mut TextHead,
    own: c_int,
    length: usize,
}

impl Text {
    /// One without memory, for which there is a place on the stack.
    pub fn new(own: c_int) -> Text {
        Text {
            head: ptr::null_mut(),
            own,
            length: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// What was appended from `start` on.
    pub fn since<'a>(&self, start: usize) -> &'a [u8] {
        if self.head.is_null() {
            return &[];
        }
        // SAFETY: so much was written; the userdata is on the stack of the match, and the caller appends nothing while
        // it uses this.
        unsafe {
            let bytes: *const u8 = self.head.add(1).cast();
            std::slice::from_raw_parts(bytes.add(start), self.length.saturating_sub(start))
        }
    }

    /// Appends bytes, which lie elsewhere. *raises*
    pub fn append(&mut self, l: Lua, home: *mut Home, home_at: c_int, bytes: &[u8]) {
        // SAFETY: if there is a head, it was written when the block was made.
        let room = unsafe { self.head.as_ref() }.map_or(0, |head| head.room);
        if room - self.length < bytes.len() {
            self.grow(l, home, home_at, bytes.len());
        }
        // SAFETY: there is room for the bytes behind what is there.
        unsafe {
            let to: *mut u8 = self.head.add(1).cast();
            ptr::copy_nonoverlapping(bytes.as_ptr(), to.add(self.length), bytes.len());
        }
        self.length += bytes.len();
    }

    #[cold]
    fn grow(&mut self, l: Lua, home: *mut Home, home_at: c_int, more: usize) {
        // SAFETY: as for the arrays; the second user value of the home is the text that lies ready.
        unsafe {
            if self.head.is_null() {
                let ready = std::mem::replace(&mut (*home).text, ptr::null_mut());
                if !ready.is_null() {
                    ffi::lua_getiuservalue(l.0, home_at, 2);
                    l.replace(self.own);
                    self.head = ready;
                    if (*ready).room >= more {
                        return;
                    }
                }
            }
            let room = (2 * (self.length + more)).max(1024);
            let head: *mut TextHead = l.new_userdata(size_of::<TextHead>() + room, 0).cast();
            head.write(TextHead { room });
            let to: *mut u8 = head.add(1).cast();
            let written = self.since(0);
            ptr::copy_nonoverlapping(written.as_ptr(), to, written.len());
            self.head = head;
            l.replace(self.own);
        }
    }

    /// Lets the memory lie ready for the next match.
    pub fn give_back(self, l: Lua, home: *mut Home, home_at: c_int) {
        if self.head.is_null() || l.raw_len(self.own) > KEPT {
            return;
        }
        l.push_value(self.own);
        // SAFETY: as above.
        unsafe {
            ffi::lua_setiuservalue(l.0, home_at, 2);
            (*home).text = self.head;
        }
    }
}

/// How much of the thread's stack matches may take, those in functions that matches call included.
const DEPTH: usize = 3 << 20;

/// How deep the thread's stack is.
fn here() -> usize {
    let mark = 0u8;
    std::hint::black_box(&raw const mark) as usize
}

fn thread() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| ptr::from_ref(mark) as usize)
}

/// The outermost match's frame: from there on the stack is measured. An error may have ended one that is still noted;
/// then the next one that begins further out, or on another thread, takes its place.
pub(super) fn begin(home: *mut Home) -> usize {
    let (here, thread) = (here(), thread());
    // SAFETY: the home is on the stack of the match, and nothing else borrows it.
    let outermost = unsafe { &mut (*home).outermost };
    if outermost.1 != thread || here >= outermost.0 {
        *outermost = (here, thread);
    }
    outermost.0
}

/// Is there so little left of the stack that was measured from `outermost` that nothing more should be nested?
pub(super) fn too_deep(outermost: usize) -> bool {
    outermost.saturating_sub(here()) > DEPTH
}
