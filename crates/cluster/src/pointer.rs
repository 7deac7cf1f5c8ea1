//! Blocks that come as pointer and size inside a Lua message: `req` and `push` of a sender.

use skynet_kernel::Payload;
use skynet_wire::seri::Value;

/// Takes over the block that `skynet.pack` made.
pub(crate) fn block(pointer: Option<&Value>, size: Option<&Value>) -> Option<Payload> {
    let (Some(Value::Pointer(address)), Some(size)) = (pointer, size.and_then(Value::as_int))
    else {
        return None;
    };
    let data = *address as usize as *mut u8;
    if data.is_null() {
        return Some(Payload::EMPTY);
    }
    // SAFETY: who sends a pointer and a size gives away a block of the message allocator, and nobody else has it; that
    // is the contract of the messages that hold them, as for any message that is given as a pointer.
    Some(unsafe { Payload::from_raw(data, usize::try_from(size).ok()?) })
}
