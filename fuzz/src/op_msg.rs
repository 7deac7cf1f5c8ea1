//! Fuzz target `op_msg`: any bytes as messages of MongoDB.

use skynet_wire::bson::Reader;
use skynet_wire::mongo::{MORE_TO_COME, Reply, message};

/// What is read lies inside the message, and what is written reads the same.
pub fn check(bytes: &[u8]) {
    if let Ok(reply) = Reply::read(bytes) {
        assert!(reply.document.len() + 17 == bytes.len());
        let again = message(reply.response_to, 0, reply.document).expect("as long as it was");
        let read = Reply::read(&again[4..]).expect("a message");
        assert_eq!(read.document, reply.document);
        if let Ok(mut elements) = Reader::new(reply.document) {
            while let Ok(Some(element)) = elements.next() {
                assert!(element.value.len() < reply.document.len());
            }
        }
    }
    let document = [&(bytes.len() as i32 + 5).to_le_bytes()[..], bytes, &[0]].concat();
    let written = message(-1, MORE_TO_COME, &document).expect("a short one");
    assert_eq!(
        written
            .first_chunk()
            .map(|n| i32::from_le_bytes(*n) as usize),
        Some(written.len())
    );
    assert_eq!(
        Reply::read(&written[4..]).expect("a message").document,
        document
    );
}
