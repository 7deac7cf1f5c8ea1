//! Framing against bytes recorded from skynet (C), and by itself where nothing is recorded.

mod recorded;

use std::{borrow::Cow, collections::HashMap};

use recorded::{assert_bytes, cases, recorded, run_all};
use serde_json::Value as Json;
use skynet_wire::netpack::{Error, Framing, Partial};

/// Cases about Lua strings made of memory, and about events that pass through `filter` without frames.
fn needs_lua(case: &Json) -> bool {
    case["op"] == "tostring"
        || (case["op"] == "filter" && !steps(case).iter().all(has_bytes_or_ends))
}

fn steps(case: &Json) -> &[Json] {
    case["steps"].as_array().unwrap()
}

fn has_bytes_or_ends(step: &Json) -> bool {
    matches!(step["event"].as_str().unwrap(), "data" | "close" | "error")
}

#[test]
fn every_recorded_case() {
    run_all(&cases("netpack", 69), needs_lua, |case| {
        match case["op"].as_str().unwrap() {
            "pack" => pack(case),
            "filter" => filter(case),
            "tostring" => false,
            op => panic!("unknown op {op}"),
        }
    });
}

fn pack(case: &Json) -> bool {
    let payload = recorded(&case["payload"]).unwrap();
    let mut out = b"before".to_vec();
    match Framing::SHORT.pack(&payload, &mut out) {
        Ok(()) => {
            let frame = &out[6..];
            assert_eq!(frame.len() as u64, case["size"].as_u64().unwrap());
            assert_bytes(frame, &case["bytes"]);
        }
        Err(e) => {
            assert_eq!(e.to_string(), case["error"].as_str().unwrap());
            assert_eq!(out, b"before");
        }
    }
    true
}

fn filter(case: &Json) -> bool {
    let mut connections: HashMap<i64, Partial> = HashMap::new();
    for step in steps(case) {
        let fd = step["fd"].as_i64().unwrap();
        if !has_bytes_or_ends(step) {
            return false;
        }
        if step["event"] != "data" {
            connections.remove(&fd);
            continue;
        }
        let read = data(&step["data"]);
        let partial = connections.entry(fd).or_default();
        let was_idle = partial.is_idle();
        let (frames, borrowed) = take_all(Framing::SHORT, partial, &read).unwrap();

        let returned = match (frames.len(), partial.is_idle()) {
            (0, _) => "none",
            (1, true) => "data",
            _ => "more",
        };
        assert_eq!(returned, step["returned"].as_str().unwrap());
        let from_before = usize::from(!was_idle && !frames.is_empty());
        assert!(borrowed >= frames.len() - from_before, "needless copies");
        match &step["messages"] {
            Json::Array(messages) => {
                assert_eq!(frames.len(), messages.len());
                for (frame, message) in frames.iter().zip(messages) {
                    assert_bytes(frame, message.get("hex").unwrap_or(message));
                    assert_eq!(message["fd"], fd);
                }
            }
            _ => {
                assert_eq!(frames.len() as u64, step["message_count"].as_u64().unwrap());
                for (i, frame) in frames.iter().enumerate() {
                    assert_eq!(*frame, (i + 1).to_string().into_bytes());
                }
            }
        }
    }
    true
}

fn data(v: &Json) -> Vec<u8> {
    if v["t"] != "frames_decimal" {
        return recorded(v).unwrap();
    }
    let mut all = Vec::new();
    for i in v["from"].as_i64().unwrap()..=v["to"].as_i64().unwrap() {
        Framing::SHORT
            .pack(i.to_string().as_bytes(), &mut all)
            .unwrap();
    }
    all
}

/// All frames of a read, and how many of them lie in it.
fn take_all(
    framing: Framing,
    partial: &mut Partial,
    mut read: &[u8],
) -> Result<(Vec<Vec<u8>>, usize), Error> {
    let (mut frames, mut borrowed) = (Vec::new(), 0);
    while let Some(frame) = framing.take(partial, &mut read)? {
        borrowed += usize::from(matches!(frame, Cow::Borrowed(_)));
        frames.push(frame.into_owned());
    }
    assert!(read.is_empty(), "a read is used up");
    Ok((frames, borrowed))
}

#[test]
fn four_bytes_of_length_in_pieces_of_every_size() {
    let payloads = [&b""[..], b"a", &[7; 300], b"", &[9; 70_000]];
    let mut all = Vec::new();
    for payload in payloads {
        Framing::LONG.pack(payload, &mut all).unwrap();
    }
    for size in [1, 2, 3, 4, 5, 7, 64, 1000, 65_536, all.len()] {
        let mut partial = Partial::default();
        let mut frames = Vec::new();
        for read in all.chunks(size) {
            frames.extend(take_all(Framing::LONG, &mut partial, read).unwrap().0);
        }
        assert_eq!(frames, payloads);
        assert!(partial.is_idle());
    }
}

#[test]
fn a_frame_above_the_limit_ends_the_connection() {
    let framing = Framing::LONG.with_max(3);
    let mut partial = Partial::default();
    let mut read = &b"\0\0\0\x03abc\0\0\0\x04abcd\0\0\0\x01x"[..];
    let frame = framing.take(&mut partial, &mut read).unwrap().unwrap();
    assert_eq!(*frame, *b"abc");
    let e = Error::Limit { len: 4, max: 3 };
    assert_eq!(framing.take(&mut partial, &mut read), Err(e));
    assert_eq!(framing.take(&mut partial, &mut read), Err(e));
    assert_eq!(framing.take(&mut partial, &mut &b"\0\0\0\0"[..]), Err(e));
    assert!(!partial.is_idle());
}

#[test]
fn the_native_gates_limit_is_16_mib() {
    let mut header = &b"\x00\xff\xff\xff"[..];
    let mut partial = Partial::default();
    assert_eq!(Framing::LONG.take(&mut partial, &mut header), Ok(None));
    let mut header = &b"\x01\x00\x00\x00"[..];
    let mut partial = Partial::default();
    let e = Framing::LONG.take(&mut partial, &mut header).unwrap_err();
    assert_eq!(
        e.to_string(),
        "frame of 16777216 bytes is longer than 16777215"
    );
}

#[test]
fn a_frame_whose_header_alone_was_in_the_last_read_is_not_copied() {
    let mut partial = Partial::default();
    assert_eq!(
        Framing::SHORT.take(&mut partial, &mut &b"\0\x03"[..]),
        Ok(None)
    );
    assert_eq!(partial.buffered(), 0);
    let mut read = &b"abc\0"[..];
    let frame = Framing::SHORT.take(&mut partial, &mut read);
    assert!(matches!(frame, Ok(Some(Cow::Borrowed(b"abc")))));
}

#[test]
fn headers() {
    assert_eq!(*Framing::SHORT.header(0x1234).unwrap(), *b"\x12\x34");
    assert_eq!(*Framing::LONG.header(0x1234).unwrap(), *b"\0\0\x12\x34");
    assert_eq!(Framing::SHORT.header(65_536), Err(Error::TooLong(65_536)));
    assert!(Framing::LONG.header(u32::MAX as usize).is_ok());
}
