//! Fuzz target `mysql`: any bytes as packets and rows of MySQL.

use skynet_wire::mysql::binary::{Row, Value};
use skynet_wire::mysql::request::{self, Parameter};
use skynet_wire::mysql::{Column, ErrorPacket, Fields, HEAD, Head, OkPacket, eof_status, is_eof};

/// Whatever is read lies inside the packet; what is written reads the same.
pub fn check(bytes: &[u8]) {
    let [mode, rest @ ..] = bytes else { return };
    let Some((head, content)) = rest.split_first_chunk::<HEAD>() else {
        return;
    };
    let head = Head::of(*head);
    assert!(head.size <= 0xff_ffff);
    let packet = &content[..content.len().min(head.size)];
    assert!(!is_eof(packet) || packet.len() < 9);
    let _ = eof_status(packet);
    for message in [
        OkPacket::read(packet).ok().map(|ok| ok.message),
        ErrorPacket::read(packet).ok().map(|error| error.message),
        Column::read(packet).ok().map(|column| column.name),
    ]
    .into_iter()
    .flatten()
    {
        assert!(message.len() <= packet.len());
    }
    text(packet);
    binary(packet, *mode);
    written(packet);
}

/// Strings with their lengths, written again, are no longer than they were.
fn text(packet: &[u8]) {
    let mut fields = Fields::new(packet);
    let mut again = Vec::new();
    while let Ok(value) = fields.string() {
        if let Some(bytes) = value {
            request::length(&mut again, bytes.len());
            again.extend_from_slice(bytes);
        } else {
            again.push(0xfb);
        }
        assert!(again.len() <= packet.len() - fields.rest().len());
    }
}

/// A row whose columns have types and flags out of the packet's own bytes.
fn binary(packet: &[u8], columns: u8) {
    let Ok(mut row) = Row::new(packet, usize::from(columns)) else {
        return;
    };
    for i in 0..usize::from(columns) {
        let kind = packet
            .get(packet.len().wrapping_sub(i + 1))
            .copied()
            .unwrap_or(3);
        match row.value(kind, u16::from(kind & 0x20), kind & 7) {
            Ok(Some(Value::Text(text))) => {
                assert!(std::str::from_utf8(text.bytes()).is_ok_and(|text| text.len() >= 8));
            }
            Ok(Some(Value::Bytes(bytes))) => assert!(bytes.len() <= packet.len()),
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// Parameters are where the protocol says.
fn written(packet: &[u8]) {
    let mut out = Vec::new();
    let parameters: Vec<Parameter> = packet
        .chunks(9)
        .map(
            |chunk| match (chunk[0] % 5, chunk[1..].first_chunk::<8>()) {
                (0, Some(n)) => Parameter::Integer(i64::from_le_bytes(*n)),
                (1, Some(n)) => Parameter::Float(f64::from_le_bytes(*n)),
                (2, _) => Parameter::Null,
                (3, _) => Parameter::Bool(chunk.len() > 4),
                _ => Parameter::Bytes(chunk),
            },
        )
        .collect();
    request::execute(&mut out, 7, parameters.len(), |i| parameters[i]).expect("a short packet");
    let head = Head::of(*out.first_chunk().expect("a head"));
    assert_eq!((head.size, head.number), (out.len() - HEAD, 0));
    let types = HEAD + 10 + parameters.len().div_ceil(8) + 1;
    let values = if parameters.is_empty() {
        HEAD + 10
    } else {
        types + 2 * parameters.len()
    };
    let mut fields = Fields::new(&out[values..]);
    for parameter in &parameters {
        match parameter {
            Parameter::Null => {}
            Parameter::Bool(flag) => assert_eq!(fields.byte(), Ok(u8::from(*flag))),
            Parameter::Integer(n) => assert_eq!(fields.array(), Ok(n.to_le_bytes())),
            Parameter::Float(n) => assert_eq!(fields.array(), Ok(n.to_le_bytes())),
            Parameter::Bytes(bytes) => assert_eq!(fields.string(), Ok(Some(*bytes))),
        }
    }
    assert!(fields.rest().is_empty());
}
