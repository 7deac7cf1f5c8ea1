//! What must hold for any bytes that come in from another node of a network, however they are cut into reads.

use skynet_wire::harbor::{Error, HEAD, Head, Reader};

/// The first byte tells how the rest is cut into reads.
///
/// # Panics
/// If something does not hold.
pub fn check(input: &[u8]) {
    let Some((&size, stream)) = input.split_first() else {
        return;
    };
    let (want, end) = by_hand(stream);
    for size in [1 + usize::from(size), 1, stream.len().max(1)] {
        let (mut reader, mut got, mut failed) = (Reader::default(), Vec::new(), None);
        'reads: for mut read in stream.chunks(size) {
            loop {
                match reader.next(&mut read) {
                    Ok(Some(packet)) => got.push((packet.head(), packet.payload().to_vec())),
                    Ok(None) => break,
                    Err(error) => {
                        failed = Some(error);
                        break 'reads;
                    }
                }
            }
            assert!(read.is_empty());
        }
        assert_eq!(got, want);
        assert_eq!(failed, end);
    }

    let packed = want.iter().map(|(head, payload)| head.pack(payload));
    let again: Result<Vec<_>, _> = packed.collect();
    assert!(stream.starts_with(&again.expect("they were packets").concat()));
}

/// The packets, and what is wrong with the one after them.
fn by_hand(mut stream: &[u8]) -> (Vec<(Head, Vec<u8>)>, Option<Error>) {
    let word = |bytes: &[u8]| bytes.iter().fold(0, |n, b| n << 8 | u32::from(*b));
    let mut packets = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk::<4>() {
        let length = word(length) as usize;
        if length >> 24 != 0 {
            return (packets, Some(Error::TooLong(length)));
        }
        let Some((packet, rest)) = rest.split_at_checked(length) else {
            break;
        };
        let Some(payload) = length.checked_sub(HEAD) else {
            return (packets, Some(Error::TooShort(length)));
        };
        let (payload, head) = packet.split_at(payload);
        let head = Head {
            source: word(&head[..4]),
            kind: head[4],
            dest: word(&head[5..8]),
            session: word(&head[8..]) as i32,
        };
        packets.push((head, payload.to_vec()));
        stream = rest;
    }
    (packets, None)
}
