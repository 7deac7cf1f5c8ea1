//! `skynet.socketdriver`.

use std::borrow::Cow;
use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua_sys::lua55::{self as ffi, lua_CFunction};
use skynet_kernel::{Handle, Payload, block};
use skynet_net::{Error, EventKind, LazyNet, Net, SocketEvent, SocketInfo, SocketType};
use skynet_wire::netaddr;

use super::buffer::Buffer;
use crate::tls;
use crate::tls::options::push_info as push_info_of_tls;
use skynet_lua::Svc;
use skynet_lua::service;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, Outcome, guarded, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("abandon", abandon),
    ("bind", bind),
    ("buffer", new_buffer),
    ("clear", clear),
    ("close", close),
    ("connect", connect),
    ("drop", drop_block),
    ("header", header),
    ("hush", hush),
    ("info", info),
    ("limit", limit),
    ("lingering", lingering),
    ("listen", listen),
    ("lsend", lsend),
    ("nodelay", nodelay),
    ("feed", feed),
    ("pause", pause),
    ("peer", peer),
    ("pending", pending),
    ("pop", pop),
    ("push", push),
    ("readall", readall),
    ("readline", readline),
    ("resolve", resolve),
    ("secure", secure),
    ("send", send),
    ("shutdown", shutdown),
    ("start", start),
    ("str2p", str2p),
    ("tlsinfo", tls_info),
    ("udp", udp),
    ("udp_address", udp_address),
    ("udp_connect", udp_connect),
    ("udp_dial", udp_dial),
    ("udp_listen", udp_listen),
    ("udp_send", udp_send),
    ("unpack", unpack),
];

fn net<'a>(l: Lua) -> Result<(&'a Svc, &'a Net), Fault> {
    let svc = service(l)?;
    let engine = svc.node_part::<Arc<LazyNet>>();
    let engine = engine.ok_or("this node has no socket engine")?;
    let net = engine.get(svc.cx.node());
    let net = net.map_err(|e| Fault::from(format!("the socket engine can't start: {e}")))?;
    Ok((svc, net))
}

fn integer(l: Lua, i: c_int) -> Result<i64, Fault> {
    match l.int(i) {
        Some(n) => Ok(n),
        None if l.kind(i) == Type::Number => Err(Fault::Argument(
            i,
            "number has no integer representation".into(),
        )),
        None => Err(l.expected(i, "number")),
    }
}

fn socket_id(l: Lua) -> Result<i32, Fault> {
    Ok(integer(l, 1)? as i32)
}

fn text<'a>(l: Lua, i: c_int) -> Result<Cow<'a, str>, Fault> {
    match l.kind(i) {
        Type::String | Type::Number => {
            Ok(String::from_utf8_lossy(l.coerce_bytes(i).unwrap_or(b"")))
        }
        _ => Err(l.expected(i, "string")),
    }
}

/// The port at `i`.
fn port(l: Lua, i: c_int) -> Result<u16, Fault> {
    let port = integer(l, i)?;
    u16::try_from(port)
        .map_err(|_| format!("Invalid port {port}: ports are numbers from 0 to 65535").into())
}

/// `addr[, port]` at `i`: the port may be part of the address.
fn address<'a>(l: Lua, i: c_int) -> Result<(Cow<'a, str>, u16), Fault> {
    let addr = text(l, i)?;
    if !l.is_none_or_nil(i + 1) {
        return Ok((addr, port(l, i + 1)?));
    }
    let (host, port) = netaddr::host_port(&addr).map_err(|error| Fault::from(error.to_string()))?;
    Ok((Cow::Owned(host.to_owned()), port))
}

fn push_id(l: Lua, id: Result<i32, Error>, failure: &'static str) -> Outcome {
    match id {
        Ok(id) => {
            l.push_int(id as i64);
            results(1)
        }
        Err(_) => Err(failure.into()),
    }
}

/// The table of TLS options at `i`.
fn tls_argument(l: Lua, i: c_int, server: bool) -> Result<skynet_net::Tls, Fault> {
    let (_, shared) = tls::shared(l)?;
    Ok(tls::options::read(l, i, shared)?.for_sockets(server))
}

/// Pushes true, or false and why not.
fn push_done(l: Lua, done: Result<(), Error>) -> Outcome {
    match done {
        Ok(()) => {
            l.push_bool(true);
            results(1)
        }
        Err(error) => {
            l.push_bool(false);
            l.push_owned(error.to_string());
            results(2)
        }
    }
}

/// The data argument of a send at `i`.
enum Data<'a> {
    /// The socket's from now on.
    Owned(Payload),
    /// Copied as far as it can't be written at once.
    Borrowed(&'a [u8]),
}

fn data_argument<'a>(l: Lua, i: c_int) -> Result<Data<'a>, Fault> {
    match l.kind(i) {
        Type::LightUserdata => {
            let data: *mut u8 = l.userdata(i).cast();
            let len = integer(l, i + 1)?;
            if len < 0 || data.is_null() {
                return Err(Fault::Argument(i + 1, "size of the block expected".into()));
            }
            // SAFETY: a pointer that is passed with its size is a block of the message allocator, given away by the
            // caller.
            Ok(Data::Owned(unsafe {
                Payload::from_raw(data, len as usize)
            }))
        }
        Type::Userdata => {
            let size = l.raw_len(i);
            let len = if l.is_none_or_nil(i + 1) {
                size
            } else {
                (integer(l, i + 1)?.max(0) as usize).min(size)
            };
            // SAFETY: a full userdata of at least `len` bytes, alive on the stack during the send.
            Ok(Data::Borrowed(unsafe {
                std::slice::from_raw_parts(l.userdata(i).cast(), len)
            }))
        }
        Type::Table => join_strings(l, i).map(Data::Owned),
        Type::String | Type::Number => Ok(Data::Borrowed(l.coerce_bytes(i).unwrap_or(b""))),
        _ => Err(l.expected(i, "string")),
    }
}

/// The strings of a table, up to the first nil, as one block.
fn join_strings(l: Lua, t: c_int) -> Result<Payload, Fault> {
    let mut size = 0;
    let mut count = 0;
    loop {
        match l.raw_geti(t, count + 1) {
            Type::Nil => {
                l.pop(1);
                break;
            }
            Type::String => size += l.known_bytes(-1).len(),
            Type::Number => size += number_text(l, -1).len(),
            _ => {
                return Err(l.expected_in(t, -1, "string"));
            }
        }
        l.pop(1);
        count += 1;
    }
    let data = block::alloc(size.max(1));
    let mut at = 0;
    for n in 1..=count {
        let kind = l.raw_geti(t, n);
        let number;
        let part = if kind == Type::String {
            l.known_bytes(-1)
        } else {
            number = number_text(l, -1);
            number.as_bytes()
        };
        // SAFETY: the sizes were added up from the same values; nothing ran in between.
        unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), data.add(at), part.len()) };
        at += part.len();
        l.pop(1);
    }
    // SAFETY: a new block with `size` initialised bytes.
    Ok(unsafe { Payload::from_raw(data, size) })
}

/// A number as Lua writes it, without a conversion that could raise.
fn number_text(l: Lua, i: c_int) -> String {
    let mut text = [0u8; 64];
    // SAFETY: the buffer is larger than any number's text (`LUA_N2SBUFFSZ` is 64).
    let len = unsafe { ffi::lua_numbertocstring(l.0, i, text.as_mut_ptr().cast()) } as usize;
    String::from_utf8_lossy(&text[..len.saturating_sub(1)]).into_owned()
}

fn push_sent(l: Lua, sent: bool) -> Outcome {
    l.push_bool(sent);
    results(1)
}

const BUFFER: &CStr = c"skynet.socket.buffer";

/// The buffer at 1.
fn buffer_argument<'a>(l: Lua) -> Result<&'a mut Buffer, Fault> {
    buffer_at(l, 1).ok_or(Fault::from("need buffer object at param 1"))
}

/// The receive buffer at `i`, for decoders that read from there.
pub(crate) fn buffer_at<'a>(l: Lua, i: c_int) -> Option<&'a mut Buffer> {
    // SAFETY: `luaL_testudata` only compares metatables; the userdata that has ours holds a `Buffer`, and natives do
    // not keep references to it.
    unsafe {
        ffi::luaL_testudata(l.0, i, BUFFER.as_ptr())
            .cast::<Buffer>()
            .as_mut()
    }
}

/// Pushes the first `n` bytes as a string and removes them and `more`. *raises*
fn take(l: Lua, buffer: &mut Buffer, n: usize, more: usize) {
    let bytes: *const [u8] = buffer.peek(n).unwrap_or(b"");
    // SAFETY: the bytes stay where they are until `consume`; should the push raise, they are read again later.
    l.push_bytes(unsafe { &*bytes });
    buffer.consume(n + more);
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `connect(addr[, port])`; -1 and why, if there is no id for it
    connect = |l| {
        let begun = {
            let (svc, net) = net(l)?;
            let (host, port) = address(l, 1)?;
            if port == 0 {
                return Err("Invalid port".into());
            }
            net.connect(svc.handle(), &host, port).map_err(|error| match error {
                Error::Full => "reach skynet socket number limit",
                _ => "Invalid addr",
            })
        };
        match begun {
            Ok(id) => {
                l.push_int(id as i64);
                results(1)
            }
            Err(why) => {
                l.push_int(-1);
                l.push_str(why);
                results(2)
            }
        }
    };

    /// `listen(addr[, port[, backlog[, tls]]])`
    listen = |l| {
        let (svc, net) = net(l)?;
        let (host, port) = address(l, 1)?;
        let backlog = if l.is_none_or_nil(3) { None } else { Some(integer(l, 3)? as i32) };
        let id = if l.is_none_or_nil(4) {
            net.listen(svc.handle(), &host, port, backlog)
        } else {
            let tls = tls_argument(l, 4, true)?;
            if !tls.server {
                return Err("a listener has the role \"server\" in TLS".into());
            }
            match net.listen_tls(svc.handle(), &host, port, backlog, tls) {
                Err(Error::Tls(error)) => return Err(error.to_string().into()),
                id => id,
            }
        };
        if let Err(reason) = &id {
            // The error's text is fixed; what it is about is in the log.
            svc.cx.log(format!("Listen failed on {host} {port} : {reason}"));
        }
        push_id(l, id, "Listen error")
    };

    /// `hush(id, tls)`: TLS is to begin: nothing more is read, which a message says; false and why, if that cannot be
    hush = |l| {
        let id = socket_id(l)?;
        let tls = tls_argument(l, 2, false)?;
        let (svc, net) = net(l)?;
        push_done(l, net.hush(svc.handle(), id, &tls))
    };

    /// `secure(id, tls, first)`: begins TLS, of which these bytes have been read; false and why, if that cannot be
    secure = |l| {
        let id = socket_id(l)?;
        let tls = tls_argument(l, 2, false)?;
        let first = l.bytes(3).unwrap_or(b"");
        let (svc, net) = net(l)?;
        push_done(l, net.secure(svc.handle(), id, &tls, first))
    };

    /// `tlsinfo(id)`: a table, or nothing
    tls_info = |l| {
        let id = socket_id(l)?;
        let Some(info) = net(l)?.1.tls_info(id) else { return results(0) };
        guarded(l, 1, |l| push_info_of_tls(l, &info))?;
        results(1)
    };

    close = |l| {
        let id = socket_id(l)?;
        net(l)?.1.close(id);
        results(0)
    };

    shutdown = |l| {
        let id = socket_id(l)?;
        net(l)?.1.shutdown(id);
        results(0)
    };

    start = |l| {
        let id = socket_id(l)?;
        let (svc, net) = net(l)?;
        net.start(svc.handle(), id);
        results(0)
    };

    pause = |l| {
        let id = socket_id(l)?;
        net(l)?.1.pause(id);
        results(0)
    };

    nodelay = |l| {
        let id = socket_id(l)?;
        net(l)?.1.nodelay(id);
        results(0)
    };

    /// `abandon(id)`: another service will start it
    abandon = |l| {
        let id = socket_id(l)?;
        let (svc, net) = net(l)?;
        net.abandon(svc.handle(), id);
        results(0)
    };

    /// `lingering(id)`: how many connections of a listener are closed, and not gone
    lingering = |l| {
        let id = socket_id(l)?;
        let count = net(l)?.1.lingering(id);
        l.push_int(count as i64);
        results(1)
    };

    /// `feed(id, service)`: what the socket brings is sent on to that service, 0 for none
    feed = |l| {
        let id = socket_id(l)?;
        let service = integer(l, 2)?;
        net(l)?.1.set_consumer(id, Handle(service as u32));
        results(0)
    };

    /// `bind(fd)`
    bind = |l| {
        let (svc, net) = net(l)?;
        let fd = integer(l, 1)? as i32;
        let id = net.bind(svc.handle(), fd).unwrap_or(-1);
        l.push_int(id as i64);
        results(1)
    };

    /// `send(id, data[, sz])`
    send = |l| {
        let id = socket_id(l)?;
        let (_, net) = net(l)?;
        let sent = match data_argument(l, 2)? {
            Data::Owned(payload) => net.send(id, payload),
            Data::Borrowed(bytes) => net.send_slice(id, bytes),
        };
        push_sent(l, sent)
    };

    /// `lsend(id, data[, sz])`: low priority
    lsend = |l| {
        let id = socket_id(l)?;
        let (_, net) = net(l)?;
        let sent = match data_argument(l, 2)? {
            Data::Owned(payload) => net.lsend(id, payload),
            Data::Borrowed(bytes) => net.lsend_slice(id, bytes),
        };
        push_sent(l, sent)
    };

    /// `peer(id)`: address and port that a connection goes to
    peer = |l| {
        let id = socket_id(l)?;
        match net(l)?.1.peer(id) {
            Some(peer) => {
                l.push_owned(netaddr::ip_text(peer.ip()).to_string());
                l.push_int(peer.port().into());
                results(2)
            }
            None => results(0),
        }
    };

    /// `pending(id)`: queued bytes
    pending = |l| {
        let id = socket_id(l)?;
        match net(l)?.1.pending(id) {
            Some(n) => {
                l.push_int(n as i64);
                results(1)
            }
            None => results(0),
        }
    };

    /// `limit(id, bytes)`: cap on queued bytes; nil = none
    limit = |l| {
        let id = socket_id(l)?;
        let cap = if l.is_none_or_nil(2) { None } else { Some(integer(l, 2)?.max(0) as usize) };
        net(l)?.1.set_cap(id, cap);
        results(0)
    };

    /// `udp([addr[, port]])`
    udp = |l| {
        let (svc, net) = net(l)?;
        let id = if !l.bool(1) {
            let port = if l.is_none_or_nil(2) { 0 } else { port(l, 2)? };
            net.udp(svc.handle(), None, port)
        } else {
            let (host, port) = address(l, 1)?;
            net.udp(svc.handle(), Some(&host), port)
        };
        push_id(l, id, "udp init failed")
    };

    /// `udp_connect(id, addr[, port])`
    udp_connect = |l| {
        let id = socket_id(l)?;
        let (_, net) = net(l)?;
        let (host, port) = address(l, 2)?;
        net.udp_connect(id, &host, port).map_err(|_| Fault::from("udp connect failed"))?;
        results(0)
    };

    /// `udp_dial(addr[, port])`
    udp_dial = |l| {
        let (svc, net) = net(l)?;
        let (host, port) = address(l, 1)?;
        push_id(l, net.udp_dial(svc.handle(), &host, port), "udp dial host failed")
    };

    /// `udp_listen(addr[, port])`
    udp_listen = |l| {
        let (svc, net) = net(l)?;
        let (host, port) = address(l, 1)?;
        if port == 0 {
            return Err("udp listen host failed".into());
        }
        push_id(l, net.udp_listen(svc.handle(), &host, port), "udp listen host failed")
    };

    /// `udp_send(id, address, data[, sz])`
    udp_send = |l| {
        let id = socket_id(l)?;
        let (_, net) = net(l)?;
        let Some(to) = l.bytes(2) else {
            return Err(l.expected(2, "string"));
        };
        let sent = match data_argument(l, 3)? {
            Data::Owned(payload) => net.udp_send(id, to, payload.as_slice()),
            Data::Borrowed(bytes) => net.udp_send(id, to, bytes),
        };
        push_sent(l, sent)
    };

    /// `udp_address(address)`: ip and port
    udp_address = |l| {
        let raw = l.bytes(1).ok_or(Fault::Argument(1, "string expected".into()))?;
        // The length alone decides the family here; sending looks at the first byte, too.
        let (ip, port) = netaddr::udp_ip_port(raw).map_err(|e| Fault::from(e.to_string()))?;
        l.push_owned(netaddr::ip_text(ip).to_string());
        l.push_int(port.into());
        results(2)
    };

    /// `resolve(host)`: its addresses, three times each as the resolver of the C library gives them
    resolve = |l| {
        let host = text(l, 1)?;
        let addresses = skynet_net::resolve(&host).map_err(|e| Fault::from(e.to_string()))?;
        guarded(l, 1, |l| {
            l.new_table(addresses.len() * 3, 0);
            let three_times = addresses.iter().flat_map(|ip| [ip; 3]);
            for (n, ip) in three_times.enumerate() {
                l.push_owned(netaddr::ip_text(*ip).to_string());
                l.raw_seti(-2, n as i64 + 1);
            }
        })?;
        results(1)
    };

    /// `info()`: an array of tables
    info = |l| {
        let (_, net) = net(l)?;
        let sockets = net.info();
        guarded(l, 1, |l| {
            l.new_table(sockets.len(), 0);
            for (n, socket) in sockets.iter().enumerate() {
                push_info(l, socket);
                l.raw_seti(-2, n as i64 + 1);
            }
        })?;
        results(1)
    };

    /// `unpack(msg, sz)`: type, id, ud, data[, udp address]
    unpack = |l| {
        let svc = service(l)?;
        let data: *mut u8 = l.userdata(1).cast();
        let len = integer(l, 2)?;
        if data.is_null() || len < 0 {
            return Err("invalid socket message".into());
        }
        // SAFETY: pointer and size of a message, as the dispatcher passes them.
        let bytes = unsafe { std::slice::from_raw_parts(data, len as usize) };
        let Some(event) = SocketEvent::parse(bytes) else {
            return Err("invalid socket message".into());
        };
        l.push_int(event.kind as i64);
        l.push_int(event.id as i64);
        l.push_int(event.ud as i64);
        match event.kind {
            EventKind::Data => {
                l.push_pointer(own_block(svc, data, event.data).cast());
                results(4)
            }
            EventKind::Udp => {
                l.push_bytes(&event.data[(event.ud as usize).min(event.data.len())..]);
                l.push_pointer(own_block(svc, data, event.data).cast());
                l.insert(-2);
                results(5)
            }
            _ => {
                l.push_bytes(event.data);
                results(4)
            }
        }
    };

    /// `buffer()`
    new_buffer = |l| {
        let data: *mut Buffer = l.new_userdata(size_of::<Buffer>(), 0).cast();
        // SAFETY: a new block of the right size, aligned for any type.
        unsafe { data.write(Buffer::default()) };
        // SAFETY: a plain call of the auxiliary library.
        if unsafe { ffi::luaL_newmetatable(l.0, BUFFER.as_ptr()) } != 0 {
            l.push_function(collect_buffer);
            l.set_field(-2, c"__gc");
        }
        l.set_metatable(-2);
        results(1)
    };

    collect_buffer = |l| {
        let buffer = buffer_argument(l)?;
        // Left empty, since a finalizer may run twice.
        drop(std::mem::take(buffer));
        results(0)
    };

    /// `push(buffer, pool, msg, sz)`: bytes in the buffer now
    push = |l| {
        let buffer = buffer_argument(l)?;
        let data: *mut u8 = l.userdata(3).cast();
        if l.kind(3) != Type::LightUserdata || data.is_null() {
            return Err("need message block at param 3".into());
        }
        let len = integer(l, 4)?.max(0) as usize;
        // SAFETY: a block that `unpack` or `str2p` gave away, with its size.
        unsafe { buffer.push(data, len) };
        l.push_int(buffer.size() as i64);
        results(1)
    };

    /// `pop(buffer, pool, n)`: the first n bytes or nil, and how many are left
    pop = |l| {
        let buffer = buffer_argument(l)?;
        let n = integer(l, 3)?;
        if n <= 0 || n as usize > buffer.size() {
            l.push_nil();
        } else {
            take(l, buffer, n as usize, 0);
        }
        l.push_int(buffer.size() as i64);
        results(2)
    };

    /// `readall(buffer, pool)`
    readall = |l| {
        if l.is_none_or_nil(1) {
            l.push_str("");
            return results(1);
        }
        let buffer = buffer_argument(l)?;
        let n = buffer.size();
        take(l, buffer, n, 0);
        results(1)
    };

    /// `clear(buffer, pool)`
    clear = |l| {
        if !l.is_none_or_nil(1) {
            buffer_argument(l)?.clear();
        }
        results(0)
    };

    /// `readline(buffer, pool, separator)`: a line without it; with a pool that is no table, only whether there is one
    readline = |l| {
        let buffer = buffer_argument(l)?;
        let Some(separator) = l.bytes(3) else {
            return Err(l.expected(3, "string"));
        };
        let Some(at) = buffer.find(separator) else { return results(0) };
        if l.kind(2) == Type::Table {
            take(l, buffer, at, separator.len());
        } else {
            l.push_bool(true);
        }
        results(1)
    };

    /// `drop(msg, sz)`
    drop_block = |l| {
        if l.kind(1) == Type::LightUserdata {
            // SAFETY: a block that `unpack` gave away.
            unsafe { block::free(l.userdata(1).cast()) };
        }
        results(0)
    };

    /// `str2p(s)`: a copy as a block
    str2p = |l| {
        let Some(bytes) = l.bytes(1) else {
            return Err(l.expected(1, "string"));
        };
        let data = block::alloc(bytes.len().max(1));
        // SAFETY: the new block has room for the bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
        l.push_pointer(data.cast());
        l.push_int(bytes.len() as i64);
        results(2)
    };

    /// `header(s)`: a big-endian number of 1 to 4 bytes
    header = |l| {
        let Some(bytes) = l.bytes(1) else {
            return Err(l.expected(1, "string"));
        };
        if !(1..=4).contains(&bytes.len()) {
            let text = String::from_utf8_lossy(bytes);
            return Err(Fault::from(format!("Invalid read {text}")));
        }
        l.push_int(bytes.iter().fold(0, |n, &b| n << 8 | b as i64));
        results(1)
    };
}

/// The data of a message as a block that Lua owns: the message's own block where possible.
fn own_block(svc: &Svc, message: *mut u8, data: &[u8]) -> *mut u8 {
    if svc.take_payload(message) {
        return message;
    }
    let copy = block::alloc(data.len().max(1));
    // SAFETY: the new block has room for the data.
    unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), copy, data.len()) };
    copy
}

/// Pushes the table of one socket. *raises*
fn push_info(l: Lua, s: &SocketInfo) {
    l.new_table(0, 12);
    let int = |name, n: u64| {
        l.push_int(n as i64);
        l.raw_set_str(-2, name);
    };
    int("id", s.id as u64);
    int("address", s.owner.0 as u64);
    let listening = s.kind == SocketType::Listen;
    l.push_str(match s.kind {
        SocketType::Listen => "LISTEN",
        SocketType::Tcp => "TCP",
        SocketType::Udp => "UDP",
        SocketType::Bind => "BIND",
        _ => "CLOSING",
    });
    l.raw_set_str(-2, "type");
    int("rtime", s.rtime);
    if listening {
        int("accept", s.read);
    } else {
        int("read", s.read);
        int("write", s.written);
        int("wbuffer", s.pending as u64);
        int("wtime", s.wtime);
        l.push_bool(s.reading);
        l.raw_set_str(-2, "reading");
        l.push_bool(s.writing);
        l.raw_set_str(-2, "writing");
    }
    if let Some(name) = &s.name {
        l.push_bytes(name.as_bytes());
        l.raw_set_str(-2, if listening { "sock" } else { "peer" });
    }
}
