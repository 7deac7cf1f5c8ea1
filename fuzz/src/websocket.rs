//! Fuzz target `websocket`: any bytes as frames.

use skynet_wire::http::frame::{Error, Event, Reader, Rules, opcode, write};

/// However a stream is cut into reads, the messages are the same, and within their limit. What the standard allows is
/// what skynet (C) reads too; and messages that are written can be read.
pub fn check(bytes: &[u8]) {
    for from_client in [false, true] {
        for deflate in [false, true] {
            let strict = Rules {
                strict: true,
                from_client,
                limit: 300,
                deflate,
            };
            let whole = read(strict, bytes, bytes.len().max(1));
            assert_eq!(read(strict, bytes, 1), whole);
            assert_eq!(read(strict, bytes, 5), whole);
            if whole.1.is_none() {
                let lax = Rules {
                    strict: false,
                    ..strict
                };
                assert_eq!(read(lax, bytes, 3), whole);
                write_again(strict, &whole.0);
            }
        }
    }
}

type Messages = Vec<(u8, Vec<u8>)>;

fn read(rules: Rules, bytes: &[u8], piece: usize) -> (Messages, Option<Error>) {
    let mut reader = Reader::new(rules);
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.push(piece);
        loop {
            match reader.next_event() {
                Ok(Some(Event::Message(kind, data) | Event::Control(kind, data))) => {
                    assert!(data.len() <= 300);
                    out.push((kind, data.to_vec()));
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.next_event(), Err(error));
                    return (out, Some(error));
                }
            }
        }
        assert!(reader.waiting() <= 300 + 14 + 300);
    }
    (out, None)
}

fn write_again(rules: Rules, messages: &Messages) {
    let mut bytes = Vec::new();
    for (i, (kind, data)) in messages.iter().enumerate() {
        assert_ne!(*kind, opcode::CONTINUATION);
        let mask = rules.from_client.then_some([i as u8, 1, 2, 255]);
        write(&mut bytes, *kind, false, mask, data);
    }
    assert_eq!(read(rules, &bytes, 4), (messages.clone(), None));
}
