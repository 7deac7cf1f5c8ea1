//! The files of message logs: what a service receives.
//!
//! The file is `<logpath>/%08x.log`, appended to. Its first line is `open time: <now> <local
//! time>`, its last one `close time: <now>`; in between, one line per message before it is
//! dispatched: `:<source> <kind> <session> <now> <payload in hex>`. Socket messages are `[socket]
//! <type> <id> <ud> ` and either what was received in hex, or `[text]`. Times are the node's
//! centiseconds.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::clock;
use crate::message::{Handle, Message, kind};

/// An open message log.
pub(crate) struct MessageLog(File);

/// Behind the data of a socket message: its type, the socket's id, a number and flags.
const SOCKET_TRAILER: usize = 16;
/// The types whose data were received, as many bytes as the number says; the others have text.
const RECEIVED: [i32; 2] = [1, 6];

impl MessageLog {
    /// Opens the file at `path`, `now` being the node's time.
    pub(crate) fn open(path: &Path, now: u64) -> io::Result<MessageLog> {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        // The service goes on if its message log cannot be written.
        let _ = writeln!(file, "open time: {now} {}", clock::ctime());
        Ok(MessageLog(file))
    }

    /// Writes one message.
    pub(crate) fn record(&mut self, message: &Message, now: u64) {
        // One call per record: complete lines, and nothing to flush.
        let _ = self.0.write_all(&line(message, now));
    }

    /// Writes the last line.
    pub(crate) fn close(mut self, now: u64) {
        let _ = writeln!(self.0, "close time: {now}");
    }
}

fn line(message: &Message, now: u64) -> Vec<u8> {
    let payload = message.payload();
    let mut line = Vec::with_capacity(48 + payload.len() * 2);
    let Handle(source) = message.source;
    if message.kind == kind::SOCKET
        && let Some((data, trailer)) = payload.split_last_chunk::<SOCKET_TRAILER>()
    {
        let int = |i: usize| {
            let bytes = [trailer[i], trailer[i + 1], trailer[i + 2], trailer[i + 3]];
            i32::from_ne_bytes(bytes)
        };
        let (what, id, number) = (int(0), int(4), int(8));
        let _ = write!(line, "[socket] {what} {id} {number} ");
        if RECEIVED.contains(&what) {
            // The address of a datagram's sender comes after it.
            let length = usize::try_from(number).unwrap_or(0).min(data.len());
            hex(&mut line, &data[..length]);
        } else {
            line.push(b'[');
            line.extend(data.iter().take_while(|&&b| b != 0));
            line.push(b']');
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
    fn socket_messages_show_their_numbers_and_text_or_bytes() {
        let shown = |data: &[u8], what: i32, id: i32, number: i32| {
            let mut payload = data.to_vec();
            for value in [what, id, number, 0] {
                payload.extend(value.to_ne_bytes());
            }
            let message =
                Message::new(kind::SOCKET, Handle::NONE, 0, Payload::from_slice(&payload));
            String::from_utf8(line(&message, 7)).unwrap()
        };
        assert_eq!(
            shown(b"127.0.0.1", 2, 17, 80),
            "[socket] 2 17 80 [127.0.0.1]\n"
        );
        assert_eq!(shown(b"", 3, 17, 0), "[socket] 3 17 0 []\n");
        assert_eq!(shown(b"a\0\xff", 1, 17, 3), "[socket] 1 17 3 6100ff\n");
        assert_eq!(
            shown(b"a\x01\0\x35\x7f\0\0\x01", 6, 17, 1),
            "[socket] 6 17 1 61\n"
        );
    }
}
