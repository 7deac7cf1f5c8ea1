//! The native gate: accepts connections, cuts what they send into frames, and passes each frame on as
//! one message. No Lua is on that way.
//!
//! It is launched as `gate <S|L> <watchdog> <binding> <type> <most>` ([`Parameter`]), with `cert=FILE` behind that for
//! TLS, and does what text messages tell it ([`Command`]). The watchdog is told of connections by text messages:
//! `<id> open <id> <ip:port>:0` and `<id> close`. Nothing is read from a connection before it is
//! started. A frame goes
//! 1. to the broker, if there is one,
//! 2. else to the agent that its connection is forwarded to, in the name of the client given then,
//! 3. else to the watchdog as the text `<id> data <frame>`.
//!
//! The session of these messages is the connection's id. Empty frames are skipped.
//!
//! What is to be sent to a client comes as a CLIENT message, whose last four bytes are the
//! connection's id, little-endian; it is written as it is. Services may as well write by themselves,
//! through [`Net::send`].

mod text;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

use skynet_kernel::{
    Context, Factory, Handle, InitError, LogQuota, Message, Payload, Service, kind,
};
use skynet_tls::{ClientCert, Options};
use skynet_wire::netpack::{Framing, Partial};

pub use text::{Command, Parameter, ParameterError};

use crate::{EventKind, LazyNet, Net, SocketEvent, SocketId, Tls};

/// Bytes of a peer's address that the watchdog is told.
const NAME: usize = 31;

/// The module `gate`, with sockets of `engine`.
pub fn module(engine: Arc<LazyNet>) -> Factory {
    skynet_kernel::factory(move || Gate {
        engine: Arc::clone(&engine),
        open: None,
    })
}

/// The service, before and after its launch.
struct Gate {
    engine: Arc<LazyNet>,
    open: Option<Open>,
}

/// A gate that listens, or did.
struct Open {
    net: Arc<Net>,
    framing: Framing,
    /// [`Handle::NONE`] for nobody. So are the next ones.
    watchdog: Handle,
    broker: Handle,
    /// Message type of frames.
    kind: u8,
    most: usize,
    listener: Option<SocketId>,
    connections: HashMap<SocketId, Connection>,
    /// How many of these are `closed`.
    closed: usize,
    /// What the log tells of connections, which strangers make as often as they like: a thousand lines at once, and
    /// then a hundred a second.
    lines: LogQuota,
}

#[derive(Default)]
struct Connection {
    agent: Handle,
    client: Handle,
    partial: Partial,
    /// A frame was too long: what follows is not looked at.
    broken: bool,
    /// Closed by us; its CLOSE is on the way.
    closed: bool,
}

impl Service for Gate {
    fn init(&mut self, cx: &Arc<Context>, text: &str) -> Result<(), InitError> {
        match open(&self.engine, cx, text) {
            Ok(open) => {
                self.open = Some(open);
                Ok(())
            }
            Err(reason) => {
                cx.log(reason);
                Err(InitError::default())
            }
        }
    }

    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        let Some(gate) = &mut self.open else {
            return;
        };
        match message.kind {
            kind::SOCKET if message.source.is_none() => {
                if let Some(event) = SocketEvent::parse(message.payload()) {
                    gate.event(cx, event);
                }
            }
            kind::CLIENT => gate.write(cx, message.source, message.payload()),
            kind::TEXT => gate.command(cx, message.payload()),
            _ => {}
        }
    }
}

/// Reads the parameter and listens. An error is what the log is told.
fn open(engine: &LazyNet, cx: &Arc<Context>, text: &str) -> Result<Open, String> {
    let parameter = Parameter::parse(text).map_err(|error| error.to_string())?;
    let watchdog = match parameter.watchdog {
        None => Handle::NONE,
        Some(name) => {
            (cx.node().resolve(name)).ok_or_else(|| format!("Invalid watchdog {name}"))?
        }
    };
    let (host, port) = (parameter.host, parameter.port);
    let failed = |error: &dyn std::fmt::Display| format!("gate: listen on {host}:{port}: {error}");
    let net = engine.get(cx.node()).map_err(|error| failed(&error))?;
    let listener = match tls(&parameter) {
        Some(tls) => net.listen_tls(cx.handle(), host, port, None, tls),
        None => net.listen(cx.handle(), host, port, None),
    };
    let listener = listener.map_err(|error| failed(&error))?;
    net.start(cx.handle(), listener);
    Ok(Open {
        net: Arc::clone(net),
        framing: parameter.framing,
        watchdog,
        broker: Handle::NONE,
        kind: parameter.kind,
        most: parameter.most,
        listener: Some(listener),
        connections: HashMap::new(),
        closed: 0,
        lines: LogQuota::of(1000, 1),
    })
}

/// What its connections have, if they have TLS.
fn tls(parameter: &Parameter<'_>) -> Option<Tls> {
    parameter.cert?;
    let client_cert = match parameter.ca {
        Some(_) => ClientCert::Required,
        None => ClientCert::None,
    };
    let options = Options {
        cert: parameter.cert.map(PathBuf::from),
        key: parameter.key.map(PathBuf::from),
        ca: parameter.ca.map(PathBuf::from),
        client_cert,
        ..Options::default()
    };
    Some(Tls::new(options, true))
}

impl Open {
    // ---- what happens to sockets

    fn event(&mut self, cx: &Context, event: SocketEvent<'_>) {
        match event.kind {
            EventKind::Data => self.input(cx, event.id, event.data),
            EventKind::Accept => self.accept(cx, event.ud, event.data),
            EventKind::Close => self.gone(cx, event.id),
            EventKind::Error if Some(event.id) == self.listener => {
                let text = String::from_utf8_lossy(event.data);
                cx.log_within(&mut self.lines, || format!("gate accept error: {text}"));
            }
            EventKind::Error => self.gone(cx, event.id),
            EventKind::Warning => {
                let line = || format!("fd ({}) send buffer ({})K", event.id, event.ud);
                cx.log_within(&mut self.lines, line);
            }
            EventKind::Connect
            | EventKind::Udp
            | EventKind::Filled
            | EventKind::Room
            | EventKind::Tls => {}
        }
    }

    fn accept(&mut self, cx: &Context, id: SocketId, name: &[u8]) {
        // A client that was kicked and does not take its output is still there.
        let lingering = self.listener.map_or(0, |id| self.net.lingering(id));
        if self.connections.len() - self.closed + lingering >= self.most {
            return self.net.close(id);
        }
        self.connections.insert(id, Connection::default());
        let name = String::from_utf8_lossy(&name[..name.len().min(NAME)]);
        self.report(cx, &format!("{id} open {id} {name}:0"));
        cx.log_within(&mut self.lines, || format!("socket open: {id:x}"));
    }

    /// The peer has finished, or something went wrong: what is still to be sent is sent, as far as that is
    /// possible, and the connection is over.
    fn gone(&mut self, cx: &Context, id: SocketId) {
        if let Some(connection) = self.connections.remove(&id) {
            self.closed -= usize::from(connection.closed);
            self.net.close(id);
            self.report(cx, &format!("{id} close"));
        } else if self.listener == Some(id) {
            self.listener = None;
        }
    }

    fn input(&mut self, cx: &Context, id: SocketId, mut data: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        while !connection.broken {
            let frame = match self.framing.take(&mut connection.partial, &mut data) {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(_) => {
                    connection.broken = true;
                    let line = || "Recv socket message > 16M".to_owned();
                    cx.log_within(&mut self.lines, line);
                    return self.kick(id);
                }
            };
            if frame.is_empty() {
                continue;
            }
            let (source, dest, kind, payload) = if !self.broker.is_none() {
                (
                    cx.handle(),
                    self.broker,
                    self.kind,
                    Payload::from_slice(&frame),
                )
            } else if !connection.agent.is_none() {
                let payload = Payload::from_slice(&frame);
                // Without a client they come from the gate: no message of a service has no source.
                let client = match connection.client {
                    Handle(0) => cx.handle(),
                    client => client,
                };
                (client, connection.agent, self.kind, payload)
            } else if !self.watchdog.is_none() {
                let text = format!("{id} data ");
                let payload = Payload::concat(&[text.as_bytes(), &frame]);
                (cx.handle(), self.watchdog, kind::TEXT, payload)
            } else {
                continue;
            };
            // Who has gone meanwhile can't be helped: the watchdog decides about the connection.
            let _ = cx.node().send(source, dest, kind, id, payload);
        }
    }

    fn report(&self, cx: &Context, text: &str) {
        if !self.watchdog.is_none() {
            let _ = cx.send(self.watchdog, kind::TEXT, 0, Payload::from(text));
        }
    }

    // ---- what services want

    fn command(&mut self, cx: &Context, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        match Command::parse(&text) {
            Some(Command::Start(id)) if self.connections.contains_key(&id) => {
                self.net.start(cx.handle(), id);
                self.feed(id, self.connections[&id].agent);
            }
            Some(Command::Kick(id)) => self.kick(id),
            Some(Command::Forward { id, agent, client }) => {
                if let Entry::Occupied(mut entry) = self.connections.entry(id) {
                    (entry.get_mut().agent, entry.get_mut().client) = (agent, client);
                    self.feed(id, agent);
                }
            }
            Some(Command::Broker(name)) => {
                self.broker = cx.node().resolve(name).unwrap_or(Handle::NONE);
                for (&id, connection) in &self.connections {
                    self.feed(id, connection.agent);
                }
            }
            Some(Command::Close) => {
                if let Some(listener) = self.listener.take() {
                    self.net.close(listener);
                }
            }
            Some(Command::Start(_) | Command::Incomplete) => {}
            None => cx.log(format!("[gate] Unknown command : {text}")),
        }
    }

    fn kick(&mut self, id: SocketId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            self.closed += usize::from(!connection.closed);
            connection.closed = true;
            self.net.close(id);
        }
    }

    /// A connection is not to be read faster than whoever gets its frames handles them.
    fn feed(&self, id: SocketId, agent: Handle) {
        // Only messages of the usual type are counted by mailboxes.
        if self.kind == kind::CLIENT {
            let broker = Some(self.broker).filter(|broker| !broker.is_none());
            self.net.set_consumer(id, broker.unwrap_or(agent));
        }
    }

    fn write(&self, cx: &Context, source: Handle, message: &[u8]) {
        match message.split_last_chunk() {
            Some((data, id)) if !data.is_empty() => {
                let id = SocketId::from_le_bytes(*id);
                if self.connections.contains_key(&id) {
                    // False: it is being closed, which its owner will hear of.
                    self.net.send_slice(id, data);
                } else {
                    cx.log(format!("Invalid client id {id} from {:x}", source.0));
                }
            }
            _ => cx.log(format!("Invalid client message from {:x}", source.0)),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        for id in self.listener.iter().chain(self.connections.keys()) {
            self.net.close(*id);
        }
    }
}
