//! Servers that the node connects to.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};

use super::client::{PATIENCE, PAUSE, expect, pieces, write};
use super::ports::{Ports, find};
use super::stream::Stream;
use super::{Check, text};
use crate::vectors;

/// The servers of one case.
pub struct Servers {
    stop: Arc<AtomicBool>,
    running: Vec<JoinHandle<Check>>,
    /// Listeners whose queue is full, and the connections that fill it.
    full: Vec<Socket>,
}

impl Servers {
    /// Starts them.
    pub fn start(case: &Value, ports: &Ports) -> Check<Servers> {
        let mut servers = Servers {
            stop: Arc::default(),
            running: Vec::new(),
            full: Vec::new(),
        };
        for server in case["servers"].as_array().into_iter().flatten() {
            let port = ports.node(&server["port"]);
            if server["full"] == true {
                servers.full.extend(fill(port));
                continue;
            }
            if server["udp"] == true {
                let socket = UdpSocket::bind(("127.0.0.1", port)).map_err(|e| e.to_string())?;
                let (server, stop) = (server.clone(), servers.stop.clone());
                servers
                    .running
                    .push(spawn(move || datagrams(&socket, &server, &stop)));
                continue;
            }
            let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|e| e.to_string())?;
            listener.set_nonblocking(true).expect("nonblocking");
            let (server, ports, stop) = (server.clone(), ports.clone(), servers.stop.clone());
            servers
                .running
                .push(spawn(move || serve(&listener, &server, &ports, &stop)));
        }
        Ok(servers)
    }

    /// Ends them; whether all went as recorded.
    pub fn finish(self) -> Check {
        self.stop.store(true, Relaxed);
        let ends = self.running.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a server panicked".into()))
        });
        let wrong: Vec<String> = ends.filter_map(Check::err).collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("; ")),
        }
    }
}

/// A listener that does not answer any more.
fn fill(port: u16) -> Vec<Socket> {
    let address: SockAddr = std::net::SocketAddr::from(([127, 0, 0, 1], port)).into();
    let new = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let listener = new();
    listener.bind(&address).expect("bind");
    listener.listen(0).expect("listen");
    let mut sockets = vec![listener];
    for _ in 0..4 {
        let socket = new();
        socket.set_nonblocking(true).expect("nonblocking");
        // It says that it is in progress, or hangs: either fills the queue.
        let _ = socket.connect(&address);
        sockets.push(socket);
    }
    sleep(PAUSE);
    sockets
}

fn serve(listener: &TcpListener, server: &Value, ports: &Ports, stop: &Arc<AtomicBool>) -> Check {
    let none = Vec::new();
    let scripts = server["connections"].as_array().unwrap_or(&none);
    let mut threads = Vec::new();
    loop {
        // Looked at first, so that what came just before the end of the case is still taken.
        let last = stop.load(Relaxed);
        match listener.accept() {
            Ok((stream, _)) => {
                let script = scripts.get(threads.len()).cloned().unwrap_or_default();
                let (ports, stop) = (ports.clone(), stop.clone());
                let ignore = server["ignore_rest"] == true;
                let tls = server.get("tls").filter(|tls| !tls.is_null()).cloned();
                threads.push(spawn(move || {
                    stream.set_nonblocking(false).expect("blocking");
                    stream.set_nodelay(true).expect("nodelay");
                    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
                    let stream = Stream::accept(stream, tls.as_ref())?;
                    converse(stream, &script, &ports, &stop, ignore)
                }));
            }
            Err(_) if last => break,
            Err(_) => sleep(Duration::from_millis(2)),
        }
    }
    let seen = threads.len();
    for (i, thread) in threads.into_iter().enumerate() {
        let end = thread
            .join()
            .unwrap_or_else(|_| Err("it panicked".to_string()));
        end.map_err(|why| format!("connection {}: {why}", i + 1))?;
    }
    match server["seen"].as_u64() {
        Some(wanted) if wanted != seen as u64 => {
            Err(format!("{seen} connections, recorded were {wanted}"))
        }
        _ => Ok(()),
    }
}

/// One connection.
fn converse(
    mut stream: Stream,
    script: &Value,
    ports: &Ports,
    stop: &AtomicBool,
    ignore: bool,
) -> Check {
    let mut request = Vec::new();
    for (i, exchange) in script.as_array().into_iter().flatten().enumerate() {
        if let Some(recorded) = exchange.get("recv") {
            let bytes = expect(&mut stream, recorded, ports);
            request = bytes.map_err(|why| format!("exchange {}: {why}", i + 1))?;
        }
        if let Some(ms) = exchange["delay"].as_u64() {
            sleep(Duration::from_millis(ms));
        }
        if let Some(send) = exchange.get("send") {
            let pieces = match send["hex_with_accept"].as_str() {
                Some(template) => vec![with_accept(template, &request)],
                None => pieces(send, ports),
            };
            match write(&mut stream, &pieces) {
                Err(_) if ignore || exchange.get("delay").is_some() => return Ok(()),
                other => other?,
            }
        }
        if exchange["half_close"] == true {
            stream
                .tcp()
                .shutdown(Shutdown::Write)
                .map_err(|e| e.to_string())?;
        }
        if exchange["reset"] == true {
            let socket = socket2::SockRef::from(stream.tcp());
            socket.set_linger(Some(Duration::ZERO)).expect("linger");
            return Ok(());
        }
        if exchange["close_notify"] == true {
            stream.close_notify().map_err(|e| e.to_string())?;
        }
        if exchange["close"] == true {
            return Ok(());
        }
    }
    while !stop.load(Relaxed) {
        sleep(Duration::from_millis(2));
    }
    stream.tcp().set_nonblocking(true).expect("nonblocking");
    let mut rest = [0; 512];
    match stream.read(&mut rest) {
        Ok(n) if n > 0 && !ignore => Err(format!("{} came besides", text::shown(&rest[..n]))),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(()),
        _ => Ok(()),
    }
}

/// A server of datagrams: questions to a name server, whose number is the first two bytes.
fn datagrams(socket: &UdpSocket, server: &Value, stop: &AtomicBool) -> Check {
    socket
        .set_read_timeout(Some(Duration::from_millis(2)))
        .expect("timeout");
    let none = Vec::new();
    let mut exchanges = server["exchanges"].as_array().unwrap_or(&none).iter();
    let mut buffer = [0; 65536];
    loop {
        let last = stop.load(Relaxed);
        let (size, from) = match socket.recv_from(&mut buffer) {
            Ok(got) => got,
            Err(_) if last => break,
            Err(_) => continue,
        };
        let number = [buffer[0], buffer[1]];
        buffer[..2].fill(0);
        let got = &buffer[..size];
        let Some(exchange) = exchanges.next() else {
            return Err(format!("the datagram {} came besides", text::shown(got)));
        };
        let wanted = vectors::bytes(&exchange["recv"]);
        if got != wanted {
            let (got, wanted) = (text::shown(got), text::shown(&wanted));
            return Err(format!("the datagram {got}, recorded was {wanted}"));
        }
        for answer in exchange["send"].as_array().into_iter().flatten() {
            let mut answer = vectors::bytes(answer);
            if exchange["raw"] != true && answer.len() >= 2 {
                answer[..2].copy_from_slice(&number);
            }
            socket.send_to(&answer, from).expect("send");
        }
    }
    match exchanges.next() {
        Some(exchange) => Err(format!("never came: {}", exchange["recv"])),
        None => Ok(()),
    }
}

/// An answer to a websocket's request. The template is in hexadecimal digits, but for one place.
fn with_accept(template: &str, request: &[u8]) -> Vec<u8> {
    let place = "{accept}";
    let bytes = |hex: &str| vectors::bytes(&Value::String(hex.to_string()));
    match find(template.as_bytes(), place.as_bytes()) {
        Some(at) => [
            bytes(&template[..at]),
            text::accept(request),
            bytes(&template[at + place.len()..]),
        ]
        .concat(),
        None => bytes(template),
    }
}
