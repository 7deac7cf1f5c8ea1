//! Long strings that stay in the message they came in.
//!
//! Half of the time of a message of a megabyte went into copying its string out of the block in which it had come. If
//! the string is most of the message, the block is given to Lua instead, as an external string, which frees it in the
//! end. For the collector, and for the service's account of memory, it is as if Lua had made the string itself.
//!
//! A string of Lua's has a zero byte behind it, where the message may still have a value. So that byte is set when
//! everything has been unpacked (`Adopted::finish`); before, nobody sees the string.

use std::ffi::{c_char, c_void};

use mlua_sys::lua55::lua_State;
use skynet_kernel::block;

use super::Message;
use crate::alloc::MemoryAccount;
use crate::lua::Lua;

/// Strings from this length on are worth it.
pub(crate) const FROM: usize = 32 << 10;

/// What is known of the block of a string: the beginning is `Adopted` in `patch/lseri.c`.
#[repr(C)]
struct Block {
    global: *mut c_void,
    /// Bytes that count.
    size: usize,
    release: unsafe extern "C" fn(*mut Block),
    data: *mut u8,
    /// A `MemoryAccount`.
    account: *const c_void,
}

unsafe extern "C-unwind" {
    /// Pushes the string. *raises*, having released the block
    fn lua_pushadopted(l: *mut lua_State, s: *const c_char, len: usize, block: *mut Block);
}

/// Frees the block of a string that is collected.
unsafe extern "C" fn release(block: *mut Block) {
    // SAFETY: `try_push` made it, and Lua gives it back once. The account outlives the state.
    unsafe {
        let b = Box::from_raw(block);
        (*b.account.cast::<MemoryAccount>()).resize(b.size, 0);
        block::free(b.data);
    }
}

/// The end of a string that still lacks its zero byte.
pub(crate) struct Adopted(*mut u8);

impl Adopted {
    /// Ends the string. Nothing behind it is needed any more.
    pub(crate) fn finish(self) {
        // SAFETY: a place in the block, see `try_push`; the string that owns it is on the stack.
        unsafe { self.0.write(0) };
    }
}

/// Pushes `s`, a part of `m`, together with its block, if that is worth it and allowed. *raises*
#[cold]
pub(crate) fn try_push(l: Lua, m: &dyn Message, s: &[u8]) -> Option<Adopted> {
    let bytes = m.bytes();
    if s.len() < FROM || s.len() < bytes.len() / 2 {
        return None;
    }
    let account = m.lender(l)?;
    let size = s.len() + 1;
    let data = bytes.as_ptr().cast_mut();
    // SAFETY: `s` lies inside `m`, whose block has `capacity` bytes.
    let end = unsafe { data.add(s.as_ptr().offset_from(data) as usize + s.len()) };
    let last = std::ptr::eq(end, data.wrapping_add(bytes.len()));
    // SAFETY: a payload of this length that can be taken is a block of the message allocator.
    if last && unsafe { block::capacity(data) } <= bytes.len() {
        return None;
    }
    // Beyond the limit, Lua is to copy it: that collects garbage or fails.
    if !account.resize(0, size) {
        return None;
    }
    m.take(l);
    let block = Box::into_raw(Box::new(Block {
        global: std::ptr::null_mut(),
        size,
        release,
        data,
        account: std::ptr::from_ref(account).cast(),
    }));
    // SAFETY: the block is ours now and goes to Lua, also if it raises; nothing here has a destructor.
    unsafe { lua_pushadopted(l.0, s.as_ptr().cast(), s.len(), block) };
    Some(Adopted(end))
}
