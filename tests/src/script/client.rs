//! Raw clients of the node.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::ports::Ports;
use super::stream::Stream;
use super::{Check, text, value};
use crate::vectors;

/// What does not come within this time does not come.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// Between the pieces of what is sent.
pub const PAUSE: Duration = Duration::from_millis(15);

/// How long a connection has to stay open to count as open.
const STAYS: Duration = Duration::from_millis(300);

/// The pieces of a `send`.
pub fn pieces(send: &Value, ports: &Ports) -> Vec<Vec<u8>> {
    let list = match send.as_array() {
        Some(list) => list.as_slice(),
        None => std::slice::from_ref(send),
    };
    let bytes = |piece| ports.node_bytes(&vectors::bytes(piece));
    list.iter()
        .map(bytes)
        .filter(|piece| !piece.is_empty())
        .collect()
}

/// Writes them with pauses in between.
pub fn write(stream: &mut Stream, pieces: &[Vec<u8>]) -> Check {
    for (i, piece) in pieces.iter().enumerate() {
        if i > 0 {
            sleep(PAUSE);
        }
        stream
            .write_all(piece)
            .and_then(|()| stream.flush())
            .map_err(|e| format!("writing: {e}"))?;
    }
    Ok(())
}

/// Reads as many bytes as were recorded, and compares them.
pub fn expect(stream: &mut Stream, recorded: &Value, ports: &Ports) -> Check<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = value::length(recorded);
    let read = stream.take(length as u64).read_to_end(&mut bytes);
    // Of a summary nothing can be put in another order.
    let summary = recorded.get("sha256").is_some() && recorded.get("concat").is_none();
    let compared = match summary {
        true => ports.recorded_bytes(&bytes),
        false => text::comparable(&bytes, ports),
    };
    let wanted = match summary {
        true => recorded.clone(),
        false => Value::String(hex(&text::comparable(&vectors::bytes(recorded), ports))),
    };
    if value::same_bytes(&wanted, &compared) {
        return Ok(bytes);
    }
    let wanted = match summary {
        true => format!("{length} bytes"),
        false => text::shown(&vectors::bytes(recorded)),
    };
    let read = read.map_or_else(|e| format!(" ({e})"), |_| String::new());
    Err(format!(
        "received{read}\n  got  {}\n  want {wanted}",
        text::shown(&compared)
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The clients of one case by their numbers.
pub struct Clients<'a> {
    ports: &'a Ports,
    open: HashMap<u64, Stream>,
}

impl Clients<'_> {
    /// None yet.
    pub fn new(ports: &Ports) -> Clients<'_> {
        Clients {
            ports,
            open: HashMap::new(),
        }
    }

    /// One step of a client.
    pub fn step(&mut self, step: &Value) -> Check {
        let number = step["conn"].as_u64().ok_or("a step of no known kind")?;
        if let Some(port) = step.get("connect") {
            let stream = TcpStream::connect(("127.0.0.1", self.ports.node(port)));
            let stream = stream.map_err(|e| format!("connecting: {e}"))?;
            stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
            stream.set_nodelay(true).expect("nodelay");
            let stream = Stream::connect(stream, step.get("tls"))?;
            self.open.insert(number, stream);
            return Ok(());
        }
        let stream = self.open.get_mut(&number).ok_or("no such client")?;
        if let Some(send) = step.get("send") {
            return write(stream, &pieces(send, self.ports));
        }
        if let Some(recorded) = step.get("recv") {
            return expect(stream, recorded, self.ports).map(|_| ());
        }
        if let Some(closed) = step["closed"].as_bool() {
            return check_closed(stream, closed);
        }
        if step["half_close"] == true {
            return stream
                .tcp()
                .shutdown(Shutdown::Write)
                .map_err(|e| e.to_string());
        }
        if step["close"] == true {
            self.open.remove(&number);
            return Ok(());
        }
        Err("a step of no known kind".to_string())
    }
}

fn check_closed(stream: &mut Stream, closed: bool) -> Check {
    let patience = if closed { PATIENCE } else { STAYS };
    let limit = |stream: &Stream, time| stream.tcp().set_read_timeout(Some(time)).expect("timeout");
    limit(stream, patience);
    let mut rest = [0; 512];
    let result = stream.read(&mut rest);
    limit(stream, PATIENCE);
    match result {
        Ok(0) if closed => Ok(()),
        // TLS is ended without a word.
        Err(e)
            if closed
                && matches!(
                    e.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
                ) =>
        {
            Ok(())
        }
        Err(e) if !closed && matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(())
        }
        Ok(n) => Err(format!(
            "closed={closed}, but: {n} bytes: {}",
            text::shown(&rest[..n])
        )),
        Err(e) => Err(format!("closed={closed}, but: {e}")),
    }
}
