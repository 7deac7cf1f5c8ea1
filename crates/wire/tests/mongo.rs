//! Messages of MongoDB.

use skynet_wire::mongo::{Error, MORE_TO_COME, Reply, message};

const EMPTY: &[u8] = &[5, 0, 0, 0, 0];

#[test]
fn messages_come_back() {
    let bytes = message(7, MORE_TO_COME, EMPTY).expect("a short one");
    assert_eq!(bytes.len(), 26);
    assert_eq!(bytes[..4], 26i32.to_le_bytes());
    let reply = Reply::read(&bytes[4..]).expect("a message");
    assert_eq!((reply.response_to, reply.document), (0, EMPTY));
}

#[test]
fn what_is_no_answer() {
    let good = message(7, 0, EMPTY).expect("a short one")[4..].to_vec();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(Reply::read(&with(8, 1)), Err(Error::Opcode(0x701)));
    assert_eq!(Reply::read(&with(12, 3)), Err(Error::Checksum));
    assert_eq!(Reply::read(&with(12, 4)), Err(Error::Flags(4)));
    assert_eq!(Reply::read(&with(16, 1)), Err(Error::Payload(1)));
    for size in [0, 4, 6, 255] {
        assert_eq!(Reply::read(&with(17, size)), Err(Error::Truncated));
    }
    assert_eq!(
        Reply::read(&[&good[..], &[0]].concat()),
        Err(Error::Sections)
    );
    for cut in 0..good.len() {
        assert_eq!(Reply::read(&good[..cut]), Err(Error::Truncated));
    }
}
