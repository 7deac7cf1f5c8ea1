//! `skynet.socketdriver`.

use std::ffi::c_int;
use std::sync::Arc;

use mlua_sys::lua55::lua_CFunction;
use skynet_kernel::Handle;
use skynet_net::{Error, LazyNet, Net, SocketInfo, SocketType};
use skynet_wire::netaddr;

use super::arguments::{Data, address, data_argument, integer, port, socket_id, text};
use super::received::{
    clear, drop_block, header, new_buffer, pop, push, readall, readline, str2p, unpack,
};
use crate::tls;
use crate::tls::options::push_info as push_info_of_tls;
use skynet_lua::Svc;
use skynet_lua::service;
use skynet_vm::lua::Lua;
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
    ("linger", linger),
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

fn push_sent(l: Lua, sent: bool) -> Outcome {
    l.push_bool(sent);
    results(1)
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

    /// `linger(id)`: when it is closed, the peer may finish first
    linger = |l| {
        let id = socket_id(l)?;
        net(l)?.1.linger(id);
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
