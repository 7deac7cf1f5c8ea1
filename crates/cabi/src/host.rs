//! What C code may ask the runtime for, behind `shim.c`.
//!
//! Nothing here unwinds: kernel functions do not panic, and should one do so all the same, the process ends rather than
//! pass through C code.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::Write as _;
use std::sync::{Arc, Mutex, Weak};

use skynet_kernel::{Context, Handle, Node, Payload, SendError, block, lock};

use crate::extension::{Callback, Extension, Handler};

/// `PTYPE_TAG_DONTCOPY`, `PTYPE_TAG_ALLOCSESSION`.
const DONT_COPY: c_int = 0x10000;
const ALLOC_SESSION: c_int = 0x20000;
/// More bytes than this do not fit beside the type in the size of a message of skynet (C).
const LARGEST: usize = (1 << 56) - 1;

type Ctx = *const Context;

/// `struct skynet_host` of shim.h.
#[repr(C)]
struct Host {
    error: unsafe extern "C" fn(Ctx, *const u8, usize),
    command: unsafe extern "C" fn(Ctx, *const c_char, *const c_char) -> *const c_char,
    queryname: unsafe extern "C" fn(Ctx, *const c_char) -> u32,
    send: unsafe extern "C" fn(Ctx, u32, u32, c_int, c_int, *mut u8, usize) -> c_int,
    sendname: unsafe extern "C" fn(Ctx, u32, *const c_char, c_int, c_int, *mut u8, usize) -> c_int,
    isremote: unsafe extern "C" fn(Ctx, u32, *mut c_int) -> c_int,
    callback: unsafe extern "C" fn(Ctx, *mut c_void, Option<Callback>),
    current_handle: unsafe extern "C" fn() -> u32,
    now: unsafe extern "C" fn() -> u64,
    debug_memory: unsafe extern "C" fn(*const c_char),
    context_handle: unsafe extern "C" fn(Ctx) -> u32,
    context_reserve: unsafe extern "C" fn(Ctx),
    alloc: unsafe extern "C" fn(usize) -> *mut u8,
    alloc_aligned: unsafe extern "C" fn(usize, usize) -> *mut u8,
    realloc: unsafe extern "C" fn(*mut u8, usize) -> *mut u8,
    free: unsafe extern "C" fn(*mut u8),
}

static HOST: Host = Host {
    error,
    command,
    queryname,
    send,
    sendname,
    isremote,
    callback,
    current_handle,
    now,
    debug_memory,
    context_handle,
    context_reserve,
    alloc,
    alloc_aligned,
    realloc,
    free,
};

unsafe extern "C" {
    fn cabi_install(host: &'static Host);
}

/// The node that C code means when it does not say which: the one that had a service in C last.
static NODE: Mutex<Weak<Node>> = Mutex::new(Weak::new());
/// Values of the environment that C code has seen. They are never freed, since it may keep them; keys are few and are
/// set once.
static VALUES: Mutex<BTreeSet<&'static CStr>> = Mutex::new(BTreeSet::new());

/// Gives C code its table.
pub(crate) fn install() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: the table lives for ever and has the layout of the header; nobody reads it before.
    ONCE.call_once(|| unsafe { cabi_install(&HOST) });
}

/// Remembers a node for calls without a context.
pub(crate) fn know(node: &Arc<Node>) {
    let mut known = lock(&NODE);
    if !std::ptr::eq(known.as_ptr(), Arc::as_ptr(node)) {
        *known = Arc::downgrade(node);
    }
}

/// The node of a call without a context.
fn some_node() -> Option<Arc<Node>> {
    skynet_kernel::current_node().or_else(|| lock(&NODE).upgrade())
}

/// # Safety
/// `ctx` is null, or the context of a service that lives.
unsafe fn context<'a>(ctx: Ctx) -> Option<&'a Context> {
    // SAFETY: by contract.
    unsafe { ctx.as_ref() }
}

/// The text of a C string. Null is empty.
///
/// # Safety
/// `text` is null or a C string.
unsafe fn text<'a>(text: *const c_char) -> std::borrow::Cow<'a, str> {
    match text.is_null() {
        true => "".into(),
        // SAFETY: by contract.
        false => skynet_kernel::text::from_bytes(unsafe { CStr::from_ptr(text) }.to_bytes()),
    }
}

// The functions below are called by C code through the table. What is safe to pass is said in skynet.h: contexts are
// those of live services or null, texts are C strings, blocks come from the allocator.

unsafe extern "C" fn error(ctx: Ctx, line: *const u8, size: usize) {
    let line = match line.is_null() {
        true => &[][..],
        // SAFETY: so many bytes, by contract.
        false => unsafe { std::slice::from_raw_parts(line, size) },
    };
    // SAFETY: by contract.
    match unsafe { context(ctx) } {
        Some(cx) => cx.log(line),
        None => {
            if let Some(node) = some_node() {
                node.log(Handle::NONE, line);
            }
        }
    }
}

unsafe extern "C" fn command(ctx: Ctx, name: *const c_char, param: *const c_char) -> *const c_char {
    // SAFETY: by contract.
    let (cx, name, param) = unsafe { (context(ctx), text(name), text(param)) };
    let Some(cx) = cx else {
        return std::ptr::null();
    };
    let Some(result) = cx.node().command(cx, &name, &param) else {
        return std::ptr::null();
    };
    let Ok(result) = CString::new(skynet_kernel::text::to_bytes(&result)) else {
        return std::ptr::null();
    };
    if name == "GETENV" {
        let mut values = lock(&VALUES);
        if let Some(value) = values.get(result.as_c_str()) {
            return value.as_ptr();
        }
        let value: &'static CStr = Box::leak(result.into_boxed_c_str());
        values.insert(value);
        return value.as_ptr();
    }
    match cx.extension::<Extension>() {
        Some(extension) => {
            let mut place = lock(&extension.result);
            *place = result;
            place.as_ptr()
        }
        None => std::ptr::null(),
    }
}

unsafe extern "C" fn queryname(ctx: Ctx, name: *const c_char) -> u32 {
    // SAFETY: by contract.
    let (cx, name) = unsafe { (context(ctx), text(name)) };
    let Some(node) = cx.map(|cx| Arc::clone(cx.node())).or_else(some_node) else {
        return 0;
    };
    if name.starts_with(['.', ':']) {
        return node.resolve(&name).unwrap_or(Handle::NONE).0;
    }
    let source = cx.map_or(Handle::NONE, Context::handle);
    let line = format!("error: Don't support query global name {name}");
    node.log(source, line.as_bytes());
    0
}

/// Where a message goes.
enum Destination<'a> {
    Handle(Handle),
    Address(&'a str),
}

unsafe extern "C" fn send(
    ctx: Ctx,
    source: u32,
    dest: u32,
    kind: c_int,
    session: c_int,
    msg: *mut u8,
    size: usize,
) -> c_int {
    // SAFETY: by contract, as passed on.
    unsafe {
        transmit(
            ctx,
            source,
            Destination::Handle(Handle(dest)),
            kind,
            session,
            msg,
            size,
        )
    }
}

unsafe extern "C" fn sendname(
    ctx: Ctx,
    source: u32,
    dest: *const c_char,
    kind: c_int,
    session: c_int,
    msg: *mut u8,
    size: usize,
) -> c_int {
    // SAFETY: by contract, as passed on.
    unsafe {
        let dest = text(dest);
        transmit(
            ctx,
            source,
            Destination::Address(&dest),
            kind,
            session,
            msg,
            size,
        )
    }
}

/// # Safety
/// As for `skynet_send`.
unsafe fn transmit(
    ctx: Ctx,
    source: u32,
    dest: Destination<'_>,
    tagged: c_int,
    session: c_int,
    msg: *mut u8,
    size: usize,
) -> c_int {
    // SAFETY: by contract.
    let cx = unsafe { context(ctx) };
    let node = cx.map(|cx| Arc::clone(cx.node())).or_else(some_node);
    let source = match (source, cx) {
        (0, Some(cx)) => cx.handle(),
        (source, _) => Handle(source),
    };
    let complain = |line: String| {
        if let Some(node) = &node {
            node.log(source, line.as_bytes());
        }
    };
    let too_large = size > LARGEST || isize::try_from(size).is_err();
    let payload = if tagged & DONT_COPY != 0 {
        // SAFETY: the block is given to us by contract. One that is too large is not read, and is freed as any other.
        unsafe { Payload::from_raw(msg, size) }
    } else if msg.is_null() || too_large {
        Payload::EMPTY
    } else {
        // SAFETY: so many bytes, by contract.
        Payload::from_slice(unsafe { std::slice::from_raw_parts(msg, size) })
    };
    if too_large {
        if let Destination::Handle(dest) = dest {
            complain(format!("error: The message to {:x} is too large", dest.0));
        }
        return -2;
    }
    let session = match (tagged & ALLOC_SESSION != 0, cx) {
        (true, Some(cx)) => cx.new_session(),
        (true, None) => return -1,
        (false, _) => session,
    };
    let Some(node) = &node else {
        return -1;
    };
    let kind = tagged as u8;
    let dest = match dest {
        Destination::Handle(Handle::NONE) if msg.is_null() => return session,
        Destination::Handle(Handle::NONE) => {
            complain("error: Destination address can't be 0".to_owned());
            return -1;
        }
        Destination::Handle(dest) => dest,
        Destination::Address(name) if name.starts_with(['.', ':']) => match node.resolve(name) {
            Some(dest) => dest,
            None => return -1,
        },
        Destination::Address(name) => {
            return match node.send_global(source, name, kind, session, payload) {
                Ok(()) => session,
                Err(SendError::TooLarge) => -2,
                Err(_) => -1,
            };
        }
    };
    match node.send(source, dest, kind, session, payload) {
        Ok(()) => session,
        Err(SendError::TooLarge) => -2,
        Err(_) => -1,
    }
}

unsafe extern "C" fn isremote(ctx: Ctx, handle: u32, harbor: *mut c_int) -> c_int {
    let handle = Handle(handle);
    // SAFETY: null or a place for a number, by contract.
    if let Some(harbor) = unsafe { harbor.as_mut() } {
        *harbor = handle.harbor().into();
    }
    // SAFETY: by contract.
    let node = unsafe { context(ctx) }.map(|cx| Arc::clone(cx.node()));
    let node = node.or_else(some_node);
    node.is_some_and(|node| node.is_remote(handle)).into()
}

unsafe extern "C" fn callback(ctx: Ctx, ud: *mut c_void, call: Option<Callback>) {
    // SAFETY: by contract.
    let Some(cx) = (unsafe { context(ctx) }) else {
        return;
    };
    if cx.module() == "snlua" {
        cx.log("error: skynet_callback is for services written in C");
        return;
    }
    if let Some(extension) = cx.extension::<Extension>() {
        *lock(&extension.handler) = call.map(|call| Handler { call, ud });
    }
}

unsafe extern "C" fn current_handle() -> u32 {
    let handle = skynet_kernel::current();
    if !handle.is_none() || skynet_kernel::current_node().is_some() {
        return handle.0;
    }
    let special: i32 = match std::thread::current().name() {
        Some("main") => -1,
        Some("timer") => -3,
        Some(name) if name.starts_with("reactor") => -2,
        _ => 0,
    };
    special as u32
}

unsafe extern "C" fn now() -> u64 {
    some_node().map_or(0, |node| node.now_cs())
}

unsafe extern "C" fn debug_memory(info: *const c_char) {
    // SAFETY: by contract.
    let (handle, info) = unsafe { (current_handle(), text(info)) };
    // Nobody to tell if the standard error is closed.
    let _ = writeln!(
        std::io::stderr(),
        "[:{handle:08x}] {info} {:#x}",
        resident_bytes()
    );
}

/// Memory of the process, in bytes; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.as_deref().and_then(|text| text.split(' ').nth(1));
    // SAFETY: a plain question.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.and_then(|pages| pages.parse().ok()).unwrap_or(0) * u64::try_from(page).unwrap_or(0)
}

unsafe extern "C" fn context_handle(ctx: Ctx) -> u32 {
    // SAFETY: by contract.
    unsafe { context(ctx) }.map_or(0, |cx| cx.handle().0)
}

unsafe extern "C" fn context_reserve(ctx: Ctx) {
    // SAFETY: by contract.
    if let Some(cx) = unsafe { context(ctx) } {
        cx.reserve();
    }
}

unsafe extern "C" fn alloc(size: usize) -> *mut u8 {
    block::try_alloc(size)
}

unsafe extern "C" fn alloc_aligned(alignment: usize, size: usize) -> *mut u8 {
    block::try_alloc_aligned(alignment, size)
}

unsafe extern "C" fn realloc(at: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: a block of the allocator, or null, by contract.
    unsafe { block::try_realloc(at, size) }
}

unsafe extern "C" fn free(at: *mut u8) {
    // SAFETY: as above.
    unsafe { block::free(at) }
}
