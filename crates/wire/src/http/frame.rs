//! Frames and messages of websockets (RFC 6455).
//!
//! [`write()`] makes a frame. A [`Reader`] takes what was read from a connection apart, and puts the pieces of messages
//! together. It does so by the standard, or as generously as skynet (C) does; see [`Rules::strict`].

use super::deflate;

/// What a frame is.
pub mod opcode {
    /// The next piece of a message.
    pub const CONTINUATION: u8 = 0;
    /// A text, in UTF-8.
    pub const TEXT: u8 = 1;
    /// Bytes.
    pub const BINARY: u8 = 2;
    /// The end.
    pub const CLOSE: u8 = 8;
    /// A question whether the other side is there.
    pub const PING: u8 = 9;
    /// The answer to that.
    pub const PONG: u8 = 10;
}

/// Codes of the end of a connection, as far as they are made here.
pub mod close {
    /// The peer does not keep to the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A text is no UTF-8, or compressed bytes are damaged.
    pub const BAD_DATA: u16 = 1007;
    /// A message is too long.
    pub const TOO_LONG: u16 = 1009;
}

/// The most bytes that a control frame has by the standard.
const CONTROL_LIMIT: u64 = 125;

/// Room that is given back when nothing is left in it.
const KEEP: usize = 64 << 10;

/// What is wrong with what a peer has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A frame or a message is longer than allowed. The text is that of skynet (C).
    #[error("payload_len is too large")]
    TooLong,
    /// No such kind of frame.
    #[error("assertion failed! a websocket has no frames of the kind {0}")]
    Opcode(u8),
    /// A bit that no extension has been agreed on for.
    #[error("a websocket frame has reserved bits")]
    Reserved,
    /// A control frame that is long, or in pieces.
    #[error("a control frame of a websocket is longer than 125 bytes, or in pieces")]
    Control,
    /// A piece of no message, or a new message inside of another one.
    #[error("pieces of a websocket message come in a wrong order")]
    Order,
    /// A client's frame without a mask, or a server's with one.
    #[error("a client has to mask its frames, and a server must not")]
    Mask,
    /// A close frame with one byte, or with a code that must not be sent.
    #[error("a close frame of a websocket has no valid code")]
    CloseCode,
    /// A text that is no UTF-8.
    #[error("a text of a websocket is no UTF-8")]
    Utf8,
    /// Compressed bytes that are none.
    #[error("a compressed message of a websocket is damaged")]
    Compressed,
}

impl Error {
    /// The code to close the connection with.
    pub fn code(self) -> u16 {
        match self {
            Error::TooLong => close::TOO_LONG,
            Error::Utf8 | Error::Compressed => close::BAD_DATA,
            _ => close::PROTOCOL,
        }
    }
}

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// By the standard. Otherwise as skynet (C): reserved bits mean nothing, control frames may be long, masks are as
    /// they are, texts may be any bytes, and a message ends with any data frame that has the bit for it.
    pub strict: bool,
    /// The peer is a client, whose frames have masks.
    pub from_client: bool,
    /// The most bytes of a message.
    pub limit: u64,
    /// Compressed messages have been agreed on.
    pub deflate: bool,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message. The opcode is that of its first frame.
    Message(u8, &'a [u8]),
    /// A control frame: close, ping or pong.
    Control(u8, &'a [u8]),
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    last: bool,
    reserved: u8,
    opcode: u8,
    mask: Option<[u8; 4]>,
    length: u64,
    /// Its own bytes.
    size: usize,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Head> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (length, mut size) = match second & 0x7f {
            126 => (
                u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into(),
                4,
            ),
            127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
            short => (short.into(), 2),
        };
        let mut mask = None;
        if second & 0x80 != 0 {
            mask = Some(*bytes.get(size..)?.first_chunk()?);
            size += 4;
        }
        Some(Head {
            last: first & 0x80 != 0,
            reserved: first >> 4 & 7,
            opcode: first & 15,
            mask,
            length,
            size,
        })
    }

    fn is_control(&self) -> bool {
        self.opcode >= opcode::CLOSE
    }
}

/// The bit of a compressed message.
const COMPRESSED: u8 = 4;

/// Turns a payload into its masked form, or back.
pub fn apply_mask(mask: [u8; 4], payload: &mut [u8]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        if let Ok(bytes) = <&mut [u8; 8]>::try_from(word) {
            *bytes = (u64::from_ne_bytes(*bytes) ^ wide).to_ne_bytes();
        }
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Appends a frame that is a whole message, or a control frame.
pub fn write(out: &mut Vec<u8>, kind: u8, compressed: bool, mask: Option<[u8; 4]>, payload: &[u8]) {
    out.reserve(payload.len() + 14);
    out.push(0x80 | if compressed { COMPRESSED << 4 } else { 0 } | kind & 15);
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ ..126 => out.push(masked | short as u8),
        middle @ ..0x1_0000 => {
            out.push(masked | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(masked | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
    }
    let from = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(mask, &mut out[from..]);
    }
}

/// Takes the frames of one direction of a connection apart.
#[derive(Debug)]
pub struct Reader {
    rules: Rules,
    buffer: Vec<u8>,
    /// What of it has been read.
    start: usize,
    /// The message of which pieces have come: its opcode, and whether it is compressed.
    open: Option<(u8, bool)>,
    /// These pieces; or the last message, if it came in pieces or compressed.
    message: Vec<u8>,
    failed: Option<Error>,
}

impl Reader {
    /// For a new connection.
    pub fn new(rules: Rules) -> Reader {
        Reader {
            rules,
            buffer: Vec::new(),
            start: 0,
            open: None,
            message: Vec::new(),
            failed: None,
        }
    }

    /// Takes what was read from the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
                self.buffer = Vec::new();
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that wait for the rest of their frame, or of their message.
    pub fn waiting(&self) -> usize {
        let pieces = if self.open.is_some() {
            self.message.len()
        } else {
            0
        };
        self.buffer.len() - self.start + pieces
    }

    /// The next message or control frame; none if more has to come for it.
    ///
    /// # Errors
    /// The connection cannot be read any further; the same error comes from now on.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.advance() {
            Ok(Some(Part::Whole(kind, from, to))) => Ok(Some(match kind >= opcode::CLOSE {
                true => Event::Control(kind, &self.buffer[from..to]),
                false => Event::Message(kind, &self.buffer[from..to]),
            })),
            Ok(Some(Part::Joined(kind))) => Ok(Some(Event::Message(kind, &self.message))),
            Ok(None) => Ok(None),
            Err(error) => {
                self.failed = Some(error);
                self.buffer = Vec::new();
                self.message = Vec::new();
                self.start = 0;
                Err(error)
            }
        }
    }

    fn advance(&mut self) -> Result<Option<Part>, Error> {
        loop {
            let Some(head) = Head::parse(&self.buffer[self.start..]) else {
                return Ok(None);
            };
            self.check(&head)?;
            let from = self.start + head.size;
            let length = usize::try_from(head.length).map_err(|_| Error::TooLong)?;
            let to = from.checked_add(length).ok_or(Error::TooLong)?;
            if to > self.buffer.len() {
                return Ok(None);
            }
            if let Some(mask) = head.mask {
                apply_mask(mask, &mut self.buffer[from..to]);
            }
            self.start = to;
            if head.is_control() {
                self.check_control(head.opcode, from, to)?;
                return Ok(Some(Part::Whole(head.opcode, from, to)));
            }
            if let Some(part) = self.take_data(&head, from, to)? {
                return Ok(Some(part));
            }
        }
    }

    /// What is wrong with a frame, before its payload has come.
    fn check(&self, head: &Head) -> Result<(), Error> {
        if !matches!(head.opcode, 0..=2 | 8..=10) {
            return Err(Error::Opcode(head.opcode));
        }
        let pieces = match self.open {
            Some(_) if !head.is_control() => self.message.len() as u64,
            _ => 0,
        };
        let wanted = pieces.checked_add(head.length);
        if wanted.is_none_or(|length| length > self.rules.limit.min(i64::MAX as u64)) {
            return Err(Error::TooLong);
        }
        if !self.rules.strict {
            return Ok(());
        }
        let starts = matches!(head.opcode, opcode::TEXT | opcode::BINARY);
        let allowed = if self.rules.deflate && starts {
            COMPRESSED
        } else {
            0
        };
        if head.reserved & !allowed != 0 {
            Err(Error::Reserved)
        } else if head.mask.is_some() != self.rules.from_client {
            Err(Error::Mask)
        } else if head.is_control() && (!head.last || head.length > CONTROL_LIMIT) {
            Err(Error::Control)
        } else if !head.is_control() && starts == self.open.is_some() {
            Err(Error::Order)
        } else {
            Ok(())
        }
    }

    fn check_control(&self, kind: u8, from: usize, to: usize) -> Result<(), Error> {
        if !self.rules.strict || kind != opcode::CLOSE {
            return Ok(());
        }
        match &self.buffer[from..to] {
            [] => Ok(()),
            [high, low, reason @ ..] if may_be_sent(u16::from_be_bytes([*high, *low])) => {
                std::str::from_utf8(reason).map_or(Err(Error::Utf8), |_| Ok(()))
            }
            _ => Err(Error::CloseCode),
        }
    }

    /// Takes a piece of a message; the message, if it was the last one.
    fn take_data(&mut self, head: &Head, from: usize, to: usize) -> Result<Option<Part>, Error> {
        let compressed = self.rules.deflate && head.reserved & COMPRESSED != 0;
        if self.open.is_none() {
            if head.last && !compressed {
                self.check_text(head.opcode, &self.buffer[from..to])?;
                return Ok(Some(Part::Whole(head.opcode, from, to)));
            }
            self.message.clear();
            self.message.shrink_to(KEEP);
        }
        let (kind, compressed) = *self.open.get_or_insert((head.opcode, compressed));
        self.message.extend_from_slice(&self.buffer[from..to]);
        if !head.last {
            return Ok(None);
        }
        self.open = None;
        if compressed {
            let limit = usize::try_from(self.rules.limit).unwrap_or(usize::MAX - 1);
            self.message = deflate::expand(&self.message, limit).map_err(|error| match error {
                deflate::Error::TooLong(_) => Error::TooLong,
                _ => Error::Compressed,
            })?;
        }
        self.check_text(kind, &self.message)?;
        Ok(Some(Part::Joined(kind)))
    }

    fn check_text(&self, kind: u8, bytes: &[u8]) -> Result<(), Error> {
        let checked = self.rules.strict && kind == opcode::TEXT;
        match checked && std::str::from_utf8(bytes).is_err() {
            true => Err(Error::Utf8),
            false => Ok(()),
        }
    }
}

/// Where a message or a control frame lies.
enum Part {
    /// In the buffer.
    Whole(u8, usize, usize),
    /// In the joined pieces.
    Joined(u8),
}

/// Codes that a close frame may have.
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Rules = Rules {
        strict: true,
        from_client: false,
        limit: 1000,
        deflate: false,
    };
    const LAX: Rules = Rules {
        strict: false,
        ..STRICT
    };

    fn all(rules: Rules, bytes: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, Error> {
        let mut reader = Reader::new(rules);
        let mut events = Vec::new();
        for byte in bytes {
            reader.push(&[*byte]);
            while let Some(event) = reader.next_event()? {
                let (Event::Message(kind, data) | Event::Control(kind, data)) = event;
                events.push((kind, data.to_vec()));
            }
        }
        Ok(events)
    }

    #[test]
    fn frames() {
        let hello = Ok(vec![(1, b"hello".to_vec())]);
        assert_eq!(all(STRICT, b"\x81\x05hello"), hello);
        assert_eq!(all(STRICT, b"\x01\x02he\x80\x03llo"), hello);
        let client = Rules {
            from_client: true,
            ..STRICT
        };
        assert_eq!(
            all(client, b"\x81\x85\x11\x22\x33\x44\x79\x47\x5f\x28\x7e"),
            hello
        );
        let between = vec![(9, b"p".to_vec()), (1, b"hello".to_vec())];
        assert_eq!(all(STRICT, b"\x01\x02he\x89\x01p\x80\x03llo"), Ok(between));
    }

    #[test]
    fn written_frames_can_be_read() {
        for size in [0, 1, 125, 126, 127, 65535, 65536, 70000] {
            for mask in [None, Some([1, 2, 3, 250])] {
                let payload: Vec<u8> = (0..size).map(|i| i as u8).collect();
                let mut bytes = Vec::new();
                write(&mut bytes, opcode::BINARY, false, mask, &payload);
                let rules = Rules {
                    from_client: mask.is_some(),
                    limit: 70000,
                    ..STRICT
                };
                let mut reader = Reader::new(rules);
                reader.push(&bytes);
                assert_eq!(reader.next_event(), Ok(Some(Event::Message(2, &payload))));
                assert_eq!(reader.next_event(), Ok(None));
                assert_eq!(reader.waiting(), 0);
            }
        }
    }

    #[test]
    fn limits() {
        for rules in [STRICT, LAX] {
            assert_eq!(
                all(rules, b"\x82\x7f\x80\0\0\0\0\0\0\0"),
                Err(Error::TooLong)
            );
            assert_eq!(
                all(rules, b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"),
                Err(Error::TooLong)
            );
            assert_eq!(all(rules, b"\x82\x7e\x03\xe9"), Err(Error::TooLong));
            assert_eq!(
                all(rules, b"\x02\x02ab\x80\x7e\x03\xe7"),
                Err(Error::TooLong)
            );
            assert_eq!(all(rules, b"\x82\x7e\x03\xe8"), Ok(vec![]));
        }
        let endless = Rules {
            limit: u64::MAX,
            ..LAX
        };
        assert_eq!(
            all(endless, b"\x82\x7f\x80\0\0\0\0\0\0\0"),
            Err(Error::TooLong)
        );
        assert_eq!(
            all(endless, b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
            Ok(vec![])
        );
    }

    #[test]
    fn by_the_standard() {
        let mut long_ping = b"\x89\x7e\0\x7e".to_vec();
        long_ping.extend([0; 126]);
        let cases: &[(&[u8], Error)] = &[
            (&long_ping, Error::Control),
            (b"\x09\x00", Error::Control),
            (b"\xc1\x00", Error::Reserved),
            (b"\x81\x80abcd", Error::Mask),
            (b"\x80\x00", Error::Order),
            (b"\x01\x00\x81\x00", Error::Order),
            (b"\x88\x01x", Error::CloseCode),
            (b"\x88\x02\x03\xed", Error::CloseCode),
            (b"\x88\x02\x00\x00", Error::CloseCode),
            (b"\x88\x03\x03\xe8\xff", Error::Utf8),
            (b"\x81\x02\xff\xfe", Error::Utf8),
            (b"\x01\x01\xc3\x80\x01x", Error::Utf8),
        ];
        for (bytes, error) in cases {
            assert_eq!(all(STRICT, bytes), Err(*error), "{bytes:x?}");
            assert!(all(LAX, bytes).is_ok(), "{bytes:x?}");
        }
        assert_eq!(all(LAX, b"\x83\x00"), Err(Error::Opcode(3)));
        assert_eq!(
            all(STRICT, b"\x01\x01\xc3\x80\x01\xa9").unwrap()[0].1,
            "é".as_bytes()
        );
    }

    #[test]
    fn compressed_messages() {
        let rules = Rules {
            deflate: true,
            ..STRICT
        };
        let mut bytes = Vec::new();
        write(
            &mut bytes,
            opcode::TEXT,
            true,
            None,
            &deflate::message(b"hello hello hello"),
        );
        assert_eq!(
            all(rules, &bytes),
            Ok(vec![(1, b"hello hello hello".to_vec())])
        );
        let mut bomb = Vec::new();
        write(
            &mut bomb,
            opcode::BINARY,
            true,
            None,
            &deflate::message(&[0; 1001]),
        );
        assert_eq!(all(rules, &bomb), Err(Error::TooLong));
        assert_eq!(all(rules, b"\xc1\x01\xff"), Err(Error::Compressed));
        assert_eq!(all(rules, b"\x41\x00\xc0\x00"), Err(Error::Reserved));
    }
}
