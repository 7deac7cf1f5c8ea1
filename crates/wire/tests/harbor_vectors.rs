//! The recorded network of skynet (C): every byte that its nodes wrote is read, and written again.

mod recorded;

use recorded::{assert_bytes, cases, int, recorded, run_all};
use serde_json::Value as Json;
use skynet_wire::harbor::{Error, Head, Reader};
use skynet_wire::seri;

fn hex_number(value: &Json) -> u32 {
    u32::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

/// Byte strings under a key: one, several, or none.
fn under<'a>(case: &'a Json, key: &str) -> &'a [Json] {
    match &case[key] {
        Json::Null => &[],
        Json::Array(list) => list,
        one => std::slice::from_ref(one),
    }
}

/// Reads packets, and writes them again.
fn packets(bytes: &[u8]) {
    let mut again = Vec::new();
    let (mut reader, mut read) = (Reader::default(), bytes);
    while let Some(packet) = reader.next(&mut read).unwrap() {
        again.extend(packet.head().pack(packet.payload()).unwrap());
    }
    assert!(again == bytes && !bytes.is_empty());
}

/// What goes between a slave and its master: packed values with one byte of length in front.
fn messages(value: &Json) {
    let bytes = recorded(value).unwrap();
    let mut rest = &bytes[..];
    while let Some((&len, after)) = rest.split_first() {
        let (frame, after) = after.split_at(usize::from(len));
        let values = seri::unpack(frame).unwrap();
        assert_eq!(seri::pack(&values).unwrap(), frame);
        rest = after;
    }
}

/// The packets that the node wrote, from their fields.
fn written(case: &Json, key: &str) {
    for (field, packet) in under(case, "fields").iter().zip(under(case, key)) {
        let head = Head {
            source: hex_number(&field["source"]),
            kind: field["type"].as_u64().unwrap() as u8,
            dest: hex_number(&field["destination_low"]),
            session: int(&field["session"]) as i32,
        };
        let payload = recorded(&field["payload"]).unwrap();
        assert_bytes(&head.pack(&payload).unwrap(), packet);
    }
}

/// Of a connection that was refused nothing is recorded but that.
fn no_byte(case: &Json) -> bool {
    case["new_connection"] == "refused"
}

fn run(case: &Json) -> bool {
    let between = match case["category"].as_str().unwrap() {
        "slave-to-slave" => true,
        "slave-to-master" | "master" => false,
        other => panic!("unknown category {other}"),
    };
    if no_byte(case) {
        return false;
    }
    for key in [
        "sent_by_node",
        "sent_to_node_by_peer",
        "then_sent_to_peer",
        "command_sent",
    ] {
        let packet = between || key == "then_sent_to_peer" || key == "command_sent";
        let mut stream = Vec::new();
        for value in under(case, key) {
            match value.as_str() {
                // The first byte of a connection.
                Some(text) if text.len() == 2 => assert_eq!(text, "03"),
                _ if packet => stream.extend(recorded(value).unwrap()),
                _ => messages(value),
            }
        }
        // Writes need not end where packets do.
        if !stream.is_empty() {
            packets(&stream);
        }
    }
    // What the master refuses may be anything.
    let refused = case["closed"] == true;
    for key in [
        "answered_with",
        "sent_by_master",
        "sent_by_master_first",
        "sent_by_master_to_others",
        "sent_to_node_by_master",
        "sent_to_master",
    ] {
        for value in under(case, key).iter().filter(|_| !refused) {
            messages(value);
        }
    }
    written(
        case,
        if between {
            "sent_by_node"
        } else {
            "then_sent_to_peer"
        },
    );
    true
}

#[test]
fn harbor_vectors() {
    run_all(&cases("harbor", 36), no_byte, run);
}

#[test]
fn the_longest_packet() {
    let head = Head {
        source: 0x0200_0007,
        kind: 10,
        dest: 0xffff_ffff,
        session: -1,
    };
    let longest = vec![0x71; skynet_wire::harbor::MAX_PAYLOAD];
    let packet = head.pack(&longest).unwrap();
    assert_eq!(packet[..4], [0, 0xff, 0xff, 0xff]);
    let mut reader = Reader::default();
    let read = reader.next(&mut &packet[..]).unwrap().unwrap();
    assert_eq!(
        (read.payload(), read.head().dest),
        (&longest[..], 0xff_ffff)
    );
    let longer = [&longest[..], b"q"].concat();
    assert_eq!(head.pack(&longer), Err(Error::TooLong(longer.len())));
}
