//! Listening: sockets on which other nodes connect, how many connections each has, and what becomes of them.
//!
//! Each connection gets an agent. It counts for its listener as long as its socket exists: also while output waits for
//! a peer that does not read it, when the agent has gone already.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use rustc_hash::FxHashMap;
use skynet_kernel::{Context, Handle, LogQuota, kind};
use skynet_net::{EventKind, Net, SocketEvent, SocketId};

use crate::command::{Asker, Command, pack};
use crate::results::show;
use crate::security::Security;

/// Connections of a listener, unless its `open` says otherwise.
const MAX_CLIENTS: i64 = 1024;

/// Connections of one listener, and how many it may have.
#[derive(Debug)]
struct Clients {
    count: AtomicI64,
    max: i64,
}

/// One connection. It counts until it is dropped.
#[derive(Debug)]
struct Ticket(Arc<Clients>);

impl Clients {
    fn new(max: i64) -> Arc<Clients> {
        Arc::new(Clients {
            count: AtomicI64::new(0),
            max,
        })
    }

    /// Counts one more. `None`: there are too many, as skynet (C) has it: the one that reaches the limit is turned
    /// away, so that one less than the limit are served.
    fn admit(self: &Arc<Self>) -> Option<Ticket> {
        let ticket = Ticket(Arc::clone(self));
        let count = self.count.fetch_add(1, Relaxed) + 1;
        (count < self.max).then_some(ticket)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Relaxed);
    }
}

struct Listener {
    clients: Arc<Clients>,
    /// Connections in the order in which they came; most have proved themselves. Empty if none has to.
    proving: VecDeque<SocketId>,
    host: String,
    /// Who asked for it, until it is bound.
    asker: Option<Asker>,
}

impl Listener {
    /// A place for one more. If there is none, the one that has been proving itself for longest gives up its own: a
    /// crowd that says nothing does not keep others out for long.
    fn admit(&mut self, net: &Net, security: &Security) -> Option<Ticket> {
        while let Some(first) = self.proving.front()
            && !security.is_proving(*first)
        {
            self.proving.pop_front();
        }
        if self.proving.len() >= 2 * MAX_CLIENTS as usize {
            self.proving.retain(|id| security.is_proving(*id));
        }
        let ticket = self.clients.admit();
        if ticket.is_some() {
            return ticket;
        }
        let oldest = self.proving.pop_front()?;
        security.end_proving(oldest);
        net.shutdown(oldest);
        self.clients.admit()
    }
}

/// What is to be said of a port that others reach and that anybody may use.
fn warning(security: &Security, ip: &str, port: i32) -> Option<String> {
    let local = ip
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.to_canonical().is_loopback());
    if local || (security.is_on() && security.requires()) {
        return None;
    }
    let place = match ip.contains(':') {
        true => format!("[{ip}]:{port}"),
        false => format!("{ip}:{port}"),
    };
    let remedy = match security.is_on() {
        true => "set clusterauth = \"require\" when all nodes have the secret",
        false => "set clustersecret, or clusterbind",
    };
    Some(format!(
        "WARNING: cluster port {place} is open: whoever can connect can call any service and start code ({remedy})"
    ))
}

/// What the log tells of connections: a thousand at once, and then a hundred a second.
struct Accepts(LogQuota);

impl Default for Accepts {
    fn default() -> Accepts {
        Accepts(LogQuota::of(1000, 1))
    }
}

#[derive(Default)]
pub(crate) struct Listeners {
    /// Connections that come, as often as strangers make them.
    lines: Accepts,
    own: FxHashMap<SocketId, Listener>,
    /// Agents of connections that gates in Lua have accepted.
    foreign: FxHashMap<(Handle, SocketId), Handle>,
}

impl Listeners {
    /// Begins to listen. Whoever asks is answered when it is bound: with address and port.
    ///
    /// # Errors
    /// It cannot be done: why.
    pub(crate) fn listen(
        &mut self,
        cx: &Context,
        net: std::io::Result<&Arc<Net>>,
        (host, port): (String, u16),
        max: Option<i64>,
        asker: Asker,
    ) -> Result<(), String> {
        let listening = match net {
            Ok(net) => net
                .listen(cx.handle(), &host, port, None)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let id = listening.map_err(|error| format!("Listen failed on {host} {port} : {error}"))?;
        let listener = Listener {
            clients: Clients::new(max.unwrap_or(MAX_CLIENTS)),
            proving: VecDeque::new(),
            host,
            asker: Some(asker),
        };
        self.own.insert(id, listener);
        Ok(())
    }

    /// An event of a listening socket.
    pub(crate) fn on_event(
        &mut self,
        cx: &Context,
        net: &Net,
        security: &Security,
        event: SocketEvent<'_>,
    ) {
        let Some(listener) = self.own.get_mut(&event.id) else {
            return;
        };
        let text = String::from_utf8_lossy(event.data);
        match event.kind {
            EventKind::Connect => {
                if let Some(asker) = listener.asker.take() {
                    cx.log(format!("Listen on {} {}", listener.host, event.ud));
                    if let Some(warning) = warning(security, &text, event.ud) {
                        cx.log(warning);
                    }
                    net.start(cx.handle(), event.id);
                    asker.answer(cx, &[text.as_ref().into(), event.ud.into()]);
                }
            }
            EventKind::Accept => {
                let fd = event.ud;
                let Some(ticket) = listener.admit(net, security) else {
                    return net.shutdown(fd);
                };
                net.keep(fd, Box::new(ticket));
                if security.is_on() {
                    security.begin_proving(fd);
                    listener.proving.push_back(fd);
                }
                cx.log_within(&mut self.lines.0, || format!("socket accept from {text}"));
                let own = cx.handle().0;
                let line = format!("clusteragent {own} {own} {fd}");
                if cx.node().launch(cx.handle(), "snlua", &line).is_none() {
                    security.end_proving(fd);
                    net.shutdown(fd);
                }
            }
            EventKind::Error => {
                cx.log_within(&mut self.lines.0, || {
                    format!("gateserver accept error: {text}")
                });
            }
            EventKind::Close => {
                self.own.remove(&event.id);
            }
            _ => {}
        }
    }

    /// `socket(event, fd, message)` of a gate in Lua whose watchdog the daemon is.
    pub(crate) fn on_gate(&mut self, cx: &Context, gate: Handle, arguments: &mut Command) {
        let event = arguments.text().unwrap_or_default();
        let (fd, text) = (
            arguments.next().as_int().unwrap_or(-1),
            show(&arguments.next()),
        );
        let key = (gate, fd as SocketId);
        match event.as_str() {
            "open" => {
                cx.log_within(&mut self.lines.0, || format!("socket accept from {text}"));
                let line = format!("clusteragent {} {} {fd}", cx.handle().0, gate.0);
                if let Some(agent) = cx.node().launch(cx.handle(), "snlua", &line) {
                    self.foreign.insert(key, agent);
                }
            }
            "close" | "error" => {
                if let Some(agent) = self.foreign.remove(&key) {
                    let _ = cx.send(agent, kind::LUA, 0, pack(&["exit".into()]));
                }
            }
            _ => cx.log_within(&mut self.lines.0, || format!("socket {event} {fd} {text}")),
        }
    }

    /// Everybody who waits.
    pub(crate) fn askers(&mut self) -> impl Iterator<Item = Asker> {
        self.own
            .values_mut()
            .filter_map(|listener| listener.asker.take())
    }

    /// The listening sockets.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SocketId> {
        self.own.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_reaches_the_limit_is_turned_away() {
        let clients = Clients::new(3);
        let first = clients.admit();
        let second = clients.admit();
        assert!(first.is_some() && second.is_some());
        assert!(clients.admit().is_none() && clients.admit().is_none());
        drop(first);
        assert!(clients.admit().is_some());
    }
}
