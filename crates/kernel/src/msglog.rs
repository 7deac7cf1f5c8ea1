//! Message logs: what a service receives, written to a file (commands `LOGON` and `LOGOFF`).
//!
//! The file is `<logpath>/%08x.log`, appended to. Its first line is `open time: <now> <local
//! time>`, its last one `close time: <now>`; in between, one line per message before it is
//! dispatched: `:<source> <kind> <session> <now> <payload in hex>`. Socket messages are `[socket]
//! <type> <id> <ud> ` and either the payload's rest in hex, or `[text]`. Times are the node's
//! centiseconds.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::clock;
use crate::context::{Context, LOGGING};
use crate::message::{Handle, Message, kind};

/// An open message log.
pub(crate) struct MessageLog(File);

/// Size of the record in front of a socket message: three 32-bit integers, padding, a pointer.
const SOCKET_RECORD: usize = 24;

/// Turns the log of `target` on. Lines about it come from `by`.
pub(crate) fn open(by: &Context, target: &Context) {
    let node = by.node();
    let Some(folder) = node.getenv("logpath") else {
        return;
    };
    let mut log = target.message_log();
    if log.is_some() {
        return;
    }
    let path = Path::new(&folder).join(format!("{:08x}.log", target.handle().0));
    match OpenOptions::new().append(true).create(true).open(&path) {
        Ok(mut file) => {
            by.log(format!("Open log file {}", path.display()));
            // A log that cannot be written is not worth stopping a service for.
            let _ = writeln!(file, "open time: {} {}", node.now_cs(), clock::ctime());
            *log = Some(MessageLog(file));
            target.set_flag(LOGGING, true);
        }
        Err(_) => by.log(format!("Open log file {} fail", path.display())),
    }
}

/// Turns the log of `target` off.
pub(crate) fn close(by: &Context, target: &Context) {
    if finish(target) {
        by.log(format!("Close log file {}", target.handle()));
    }
}

/// Closes the file, if there is one.
pub(crate) fn finish(target: &Context) -> bool {
    target.set_flag(LOGGING, false);
    let Some(MessageLog(mut file)) = target.message_log().take() else {
        return false;
    };
    let _ = writeln!(file, "close time: {}", target.node().now_cs());
    true
}

/// Writes one message.
#[cold]
pub(crate) fn record(context: &Context, message: &Message) {
    let mut log = context.message_log();
    let Some(MessageLog(file)) = log.as_mut() else {
        return;
    };
    let line = line(message, context.node().now_cs());
    // One call per record: complete lines, and nothing to flush.
    let _ = file.write_all(&line);
}

fn line(message: &Message, now: u64) -> Vec<u8> {
    let payload = message.payload();
    let mut line = Vec::with_capacity(48 + payload.len() * 2);
    let Handle(source) = message.source;
    if message.kind == kind::SOCKET && payload.len() >= SOCKET_RECORD {
        let (record, text) = payload.split_at(SOCKET_RECORD);
        let int =
            |i: usize| i32::from_le_bytes([record[i], record[i + 1], record[i + 2], record[i + 3]]);
        let _ = write!(line, "[socket] {} {} {} ", int(0), int(4), int(8));
        if record[16..].iter().all(|&b| b == 0) {
            line.push(b'[');
            line.extend(text.iter().take_while(|&&b| b != 0));
            line.push(b']');
        } else {
            hex(&mut line, text);
        }
    } else {
        let _ = write!(
            line,
            ":{source:08x} {} {} {now} ",
            message.kind, message.session
        );
        hex(&mut line, payload);
    }
    line.push(b'\n');
    line
}

fn hex(line: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        line.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[digit as usize]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Payload;

    #[test]
    fn lines_have_the_documented_form() {
        let message = Message::new(
            kind::LUA,
            Handle(0x1b),
            42,
            Payload::from_slice(b"\x00\xffAz"),
        );
        assert_eq!(line(&message, 1234), b":0000001b 10 42 1234 00ff417a\n");
        let message = Message::new(kind::RESPONSE, Handle::NONE, 1, Payload::EMPTY);
        assert_eq!(line(&message, 7), b":00000000 1 1 7 \n");
    }

    #[test]
    fn socket_records_show_their_numbers_and_text() {
        let mut record = Vec::new();
        for value in [2i32, 17, -1, 0] {
            record.extend(value.to_le_bytes());
        }
        record.extend([0; 8]);
        record.extend(b"127.0.0.1:80");
        let message = Message::new(kind::SOCKET, Handle::NONE, 0, Payload::from_slice(&record));
        assert_eq!(line(&message, 7), b"[socket] 2 17 -1 [127.0.0.1:80]\n");
    }
}
