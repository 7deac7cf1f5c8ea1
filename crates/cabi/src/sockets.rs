//! Sockets for C code, behind `sockets.c`: what it may ask for, and what it gets as messages.

use std::ffi::{CStr, c_char, c_int};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use skynet_kernel::{Context, Message, Node, Payload, block, kind, lock};
use skynet_net::{EventKind, LazyNet, Net, SocketEvent};

use crate::extension::Extension;

type Ctx = *const Context;

/// `struct skynet_socket_host` of sockets.h.
#[repr(C)]
struct Host {
    open: unsafe extern "C" fn(Ctx, c_int, *const c_char, c_int, c_int) -> c_int,
    act: unsafe extern "C" fn(Ctx, c_int, c_int),
    send: unsafe extern "C" fn(Ctx, c_int, *mut u8, usize, c_int, c_int) -> c_int,
    udp_send: unsafe extern "C" fn(Ctx, c_int, *const u8, *const u8, usize) -> c_int,
}

static HOST: Host = Host {
    open,
    act,
    send,
    udp_send,
};

unsafe extern "C" {
    fn cabi_install_sockets(host: &'static Host);
}

/// The engines of the nodes of this process.
static ENGINES: Mutex<Vec<(Weak<Node>, Arc<LazyNet>)>> = Mutex::new(Vec::new());

fn engines() -> MutexGuard<'static, Vec<(Weak<Node>, Arc<LazyNet>)>> {
    lock(&ENGINES)
}

/// Gives C code its table.
pub(crate) fn install() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: the table lives for ever and has the layout of the header; nobody reads it before.
    ONCE.call_once(|| unsafe { cabi_install_sockets(&HOST) });
}

/// C code of this node uses this engine.
pub(crate) fn use_engine(node: &Arc<Node>, net: Arc<LazyNet>) {
    let mut engines = engines();
    engines.retain(|(node, _)| node.strong_count() > 0);
    engines.push((Arc::downgrade(node), net));
}

/// The engine for a service, which is looked for once.
fn engine(cx: &Context) -> Option<&Arc<Net>> {
    let place = &cx.extension::<Extension>()?.net;
    if let Some(net) = place.get() {
        return Some(net);
    }
    let own = Arc::as_ptr(cx.node());
    let found = engines()
        .iter()
        .find(|(node, _)| std::ptr::eq(node.as_ptr(), own))
        .map(|(_, net)| Arc::clone(net))?;
    match found.get(cx.node()) {
        Ok(net) => Some(place.get_or_init(|| Arc::clone(net))),
        Err(error) => {
            cx.log(format!("error: the socket engine can't start: {error}"));
            None
        }
    }
}

/// # Safety
/// `ctx` is null, or the context of a service that lives.
unsafe fn context<'a>(ctx: Ctx) -> Option<(&'a Context, &'a Arc<Net>)> {
    // SAFETY: by contract.
    let cx = unsafe { ctx.as_ref() }?;
    Some((cx, engine(cx)?))
}

// The functions below are called by C code through the table. What is safe to pass is said in skynet_socket.h: contexts
// are those of live services or null, texts are C strings or null, blocks come from the allocator.

unsafe extern "C" fn open(
    ctx: Ctx,
    what: c_int,
    host: *const c_char,
    port: c_int,
    extra: c_int,
) -> c_int {
    // SAFETY: by contract.
    let Some((cx, net)) = (unsafe { context(ctx) }) else {
        return -1;
    };
    let host = match host.is_null() {
        true => None,
        // SAFETY: a C string, by contract.
        false => Some(unsafe { CStr::from_ptr(host) }.to_string_lossy()),
    };
    let name = host.as_deref().unwrap_or("");
    let owner = cx.handle();
    let Ok(number) = u16::try_from(port) else {
        cx.log(format!(
            "error: socket {name}:{port}: ports are numbers from 0 to 65535"
        ));
        return -1;
    };
    let made = match what {
        0 => net.listen(
            owner,
            name,
            number,
            Some(extra).filter(|&backlog| backlog > 0),
        ),
        1 => net.connect(owner, name, number),
        2 => net.bind(owner, extra),
        3 => net.udp(owner, host.as_deref(), number),
        4 => net.udp_connect(extra, name, number).map(|()| 0),
        5 => net.udp_dial(owner, name, number),
        _ => net.udp_listen(owner, name, number),
    };
    made.unwrap_or_else(|error| {
        cx.log(format!("error: socket {name}:{port}: {error}"));
        -1
    })
}

unsafe extern "C" fn act(ctx: Ctx, what: c_int, id: c_int) {
    // SAFETY: by contract.
    let Some((cx, net)) = (unsafe { context(ctx) }) else {
        return;
    };
    match what {
        0 => net.close(id),
        1 => net.shutdown(id),
        2 => net.start(cx.handle(), id),
        3 => net.pause(id),
        _ => net.nodelay(id),
    }
}

unsafe extern "C" fn send(
    ctx: Ctx,
    id: c_int,
    block: *mut u8,
    size: usize,
    own: c_int,
    low: c_int,
) -> c_int {
    // SAFETY: by contract, as what is passed on; a block that is given away is freed in any case.
    unsafe {
        let found = context(ctx);
        let sent = if own != 0 {
            let payload = Payload::from_raw(block, size);
            found.is_some_and(|(_, net)| match low {
                0 => net.send(id, payload),
                _ => net.lsend(id, payload),
            })
        } else {
            let bytes = slice(block, size);
            found.is_some_and(|(_, net)| match low {
                0 => net.send_slice(id, bytes),
                _ => net.lsend_slice(id, bytes),
            })
        };
        if sent { 0 } else { -1 }
    }
}

unsafe extern "C" fn udp_send(
    ctx: Ctx,
    id: c_int,
    address: *const u8,
    bytes: *const u8,
    size: usize,
) -> c_int {
    // SAFETY: by contract. An address is 7 bytes, or 19 if its first one is not 1.
    unsafe {
        let (Some((_, net)), false) = (context(ctx), address.is_null()) else {
            return -1;
        };
        let length = if *address == 1 { 7 } else { 19 };
        let sent = net.udp_send(id, slice(address, length), slice(bytes, size));
        if sent { 0 } else { -1 }
    }
}

/// # Safety
/// `at` is null, or leads to so many bytes.
unsafe fn slice<'a>(at: *const u8, size: usize) -> &'a [u8] {
    match at.is_null() {
        true => &[],
        // SAFETY: by contract.
        false => unsafe { std::slice::from_raw_parts(at, size) },
    }
}

// ---- messages

/// `struct skynet_socket_message` of skynet_socket.h.
#[repr(C)]
struct SocketMessage {
    kind: c_int,
    id: c_int,
    ud: c_int,
    buffer: *mut u8,
}

/// Bytes of a text at most.
const TEXT: usize = 128;

/// The message as C code knows it: a block, and its size. `None`: it is no event of a socket, and comes back.
pub(crate) fn event(message: Message) -> Result<(*mut u8, usize), Message> {
    if message.kind != kind::SOCKET || !message.source.is_none() {
        return Err(message);
    }
    let Some(event) = SocketEvent::parse(message.payload()) else {
        return Err(message);
    };
    let mut record = SocketMessage {
        kind: event.kind as c_int,
        id: event.id,
        ud: event.ud,
        buffer: std::ptr::null_mut(),
    };
    let mut text = Vec::new();
    match event.kind {
        // The data comes first in the block; C code does not look at the trailer behind it.
        EventKind::Data | EventKind::Udp => {
            record.buffer = message.into_payload().into_raw_terminated().0;
        }
        _ => text.extend_from_slice(&event.data[..event.data.len().min(TEXT)]),
    }
    let head = size_of::<SocketMessage>();
    let size = head + text.len();
    let at = block::alloc(size + 1);
    // SAFETY: the block has room for the record, the text and a NUL, and is aligned for any of them.
    unsafe {
        at.cast::<SocketMessage>().write(record);
        at.add(head)
            .copy_from_nonoverlapping(text.as_ptr(), text.len());
        at.add(size).write(0);
    }
    Ok((at, size))
}
