//! Answers of name servers: what belongs to the question, and what lies.

use std::net::Ipv4Addr;

use skynet_wire::dns::{Answer, Error, Records, Type, answer, query, v6_text};

/// A message with these counts of answers and authorities, and what comes behind its head.
fn message(flags: u16, counts: [u16; 2], rest: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34];
    bytes.extend(flags.to_be_bytes());
    bytes.extend([0, 1]);
    for count in counts {
        bytes.extend(count.to_be_bytes());
    }
    bytes.extend([0, 0]);
    rest.iter().for_each(|part| bytes.extend(*part));
    bytes
}

const ASKED: &[u8] = b"\x01h\x07example\0\0\x01\0\x01";
/// Where the name that was asked for begins.
const NAME: &[u8] = b"\xc0\x0c";

fn record(name: &[u8], kind: u16, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend(data);
    bytes
}

fn strict(bytes: &[u8]) -> Result<Answer, Error> {
    answer(bytes, Records::OfTheName)
}

#[test]
fn questions() {
    let bytes = query(0x1234, b"h.example", Type::A).unwrap();
    assert_eq!(bytes, message(0x0100, [0, 0], &[ASKED]));
    assert_eq!(query(0x1234, b".h..example.", Type::A).unwrap(), bytes);
    let long = [b"x".repeat(63), b"y".repeat(64)].join(&b'.');
    assert!(query(1, &long[..63], Type::Srv).is_ok());
    assert_eq!(query(1, &long, Type::Srv), Err(Error::Label(64)));
}

#[test]
fn only_what_was_asked_for() {
    let alias = record(NAME, 5, 1, 7, b"\x05other\0");
    let of_alias = record(b"\x05OTHER\0", 1, 1, 60, &[1, 2, 3, 4]);
    let stranger = record(b"\x08stranger\0", 1, 1, 5, &[6, 6, 6, 6]);
    let chaos = record(NAME, 1, 3, 5, &[7, 7, 7, 7]);
    let bytes = message(
        0x8180,
        [4, 0],
        &[ASKED, &alias, &of_alias, &stranger, &chaos],
    );
    let found = strict(&bytes).unwrap();
    assert_eq!(found.v4, [Ipv4Addr::new(1, 2, 3, 4)]);
    assert_eq!((found.id, found.ttl, found.code), (0x1234, Some(60), 0));
    assert_eq!(found.name, b"h.example");
    assert!(found.response && !found.truncated && found.internet);
    assert_eq!(answer(&bytes, Records::All).unwrap().v4.len(), 3);
}

#[test]
fn services_and_times() {
    let first = record(NAME, 33, 1, 90, b"\0\x01\0\x02\x1f\x90\x04game\0");
    let long = record(NAME, 1, 1, 0x8000_0000, &[1, 2, 3, 4]);
    let found = strict(&message(0x8180, [2, 0], &[ASKED, &first, &long])).unwrap();
    let service = &found.services[0];
    assert_eq!(
        (service.priority, service.weight, service.port),
        (1, 2, 8080)
    );
    assert_eq!(
        (service.target.as_slice(), found.ttl),
        (&b"game"[..], Some(0))
    );

    let zone = [&b"\0\0"[..], &[0; 16], &30u32.to_be_bytes()].concat();
    let zone = record(NAME, 6, 1, 300, &zone);
    let found = strict(&message(0x8183, [0, 1], &[ASKED, &zone])).unwrap();
    assert_eq!(
        (found.code, found.ttl, found.negative_ttl),
        (3, None, Some(30))
    );
}

#[test]
fn aliases_in_a_ring() {
    let there = record(NAME, 5, 1, 7, b"\x05other\0");
    let back = record(b"\x05other\0", 5, 1, 7, NAME);
    let found = strict(&message(0x8180, [2, 0], &[ASKED, &there, &back])).unwrap();
    assert!(found.v4.is_empty());
    let mut many = Vec::new();
    let mut name = NAME.to_vec();
    for i in 0..1000 {
        let next = [&b"\x04"[..], format!("{i:04}").as_bytes(), b"\0"].concat();
        many.extend(record(&name, 5, 1, 7, &next));
        name = next;
    }
    many.extend(record(&name, 1, 1, 7, &[1, 2, 3, 4]));
    let found = strict(&message(0x8180, [1001, 0], &[ASKED, &many])).unwrap();
    assert!(found.v4.is_empty(), "more aliases than anybody has");
}

#[test]
fn lies() {
    let itself = record(b"\xc0\x1b", 1, 1, 7, &[1, 2, 3, 4]); // byte 27 is its own first
    let forward = record(b"\xc0\xff", 1, 1, 7, &[1, 2, 3, 4]);
    let short = &record(NAME, 1, 1, 7, &[1, 2, 3])[..];
    let long = &mut record(NAME, 1, 1, 7, &[1, 2, 3, 4]);
    let end = long.len() - 5;
    long[end] = 200;
    for bad in [&itself[..], &forward, short, long] {
        let result = strict(&message(0x8180, [1, 0], &[ASKED, bad]));
        assert!(matches!(result, Err(Error::Malformed(_))), "{result:?}");
    }
    let counts = strict(&message(0x8180, [0xffff, 0xffff], &[ASKED]));
    assert!(matches!(counts, Err(Error::Malformed(_))), "{counts:?}");
    assert_eq!(strict(b"abc"), Err(Error::Short(3)));
    let mut two = message(0x8180, [0, 0], &[ASKED]);
    two[5] = 2;
    assert_eq!(strict(&two), Err(Error::Questions(2)));
}

#[test]
fn addresses_of_ipv6() {
    assert_eq!(v6_text(&"1::ab".parse().unwrap()), "1:0:0:0:0:0:0:ab");
}
