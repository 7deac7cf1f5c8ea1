//! Fuzz target `http`: any bytes as requests, as answers, as a plain head, and as compressed bodies.

use skynet_wire::http::inflate::{Encoding, Inflater};
use skynet_wire::http::message::{Error, Event, Limits, Reader};
use skynet_wire::http::plain;

const LIMITS: Limits = Limits {
    head: 200,
    body: 100,
};

/// However a stream is cut into reads, the messages are the same, and within their limits. Heads as skynet (C) reads
/// them end in fields or in an error. Compressed bodies end within their limit.
pub fn check(bytes: &[u8]) {
    for make in [Reader::requests, Reader::answers] {
        let whole = read(make(LIMITS), bytes, bytes.len().max(1));
        assert_eq!(read(make(LIMITS), bytes, 1), whole);
        assert_eq!(read(make(LIMITS), bytes, 7), whole);
    }
    check_plain(bytes);
    for encoding in [Encoding::Gzip, Encoding::Deflate] {
        let mut inflater = Inflater::new(encoding, 1000);
        let made = inflater.feed(bytes).map_or(0, |out| out.len());
        assert!(made <= 1000);
    }
}

fn check_plain(bytes: &[u8]) {
    let (first, rest) = plain::split_line(bytes);
    if let Some(line) = plain::request_line(first) {
        assert!(line.method.len() + line.url.len() + line.version.len() < first.len());
    }
    let mut fields = plain::Fields::new(rest);
    let mut size = 0;
    while let Ok(Some(field)) = fields.next_field() {
        size += field.name.len() + field.value.len();
    }
    assert!(size <= rest.len());
}

/// Heads, and bodies put together; and how it ended.
fn read(mut reader: Reader, bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<Error>) {
    let mut out = Vec::new();
    let mut body = Vec::new();
    let mut pieces = bytes.chunks(piece);
    let mut ended = false;
    loop {
        match reader.next_event() {
            Ok(Some(Event::Head(head))) => {
                assert!(head.fields.len() <= 128 && head.minor <= 1);
                assert!(head.length.is_none_or(|length| length <= LIMITS.body));
                let fields = head.fields.iter().flat_map(|(name, value)| [name, value]);
                let text = format!("{} {} {}", head.method, head.target, head.status);
                out.push([text.as_bytes(), &fields.collect::<Vec<_>>().join(&b'\n')].concat());
            }
            Ok(Some(Event::Data(data))) => {
                assert!(!data.is_empty());
                body.extend_from_slice(data);
                assert!(body.len() as u64 <= LIMITS.body);
            }
            Ok(Some(Event::End)) => out.push(std::mem::take(&mut body)),
            Ok(None) if ended => return (out, None),
            Ok(None) => match pieces.next() {
                Some(piece) => reader.push(piece),
                None => {
                    ended = true;
                    reader.end();
                }
            },
            Err(error) => {
                assert_eq!(reader.next_event(), Err(error));
                return (out, Some(error));
            }
        }
    }
}
