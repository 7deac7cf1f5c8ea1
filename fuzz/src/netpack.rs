//! What must hold for any bytes that come in as frames, however they are cut into reads.

use std::borrow::Cow;

use skynet_wire::netpack::{Error, Framing, Partial};

/// The first byte picks the framing and the reads; the rest is what comes in.
///
/// # Panics
/// If something does not hold.
pub fn check(input: &[u8]) {
    let Some((&how, stream)) = input.split_first() else {
        return;
    };
    let (framing, width, max) = match how & 3 {
        0 => (Framing::SHORT, 2, 65_535),
        1 => (Framing::SHORT.with_max(20), 2, 20),
        2 => (Framing::LONG, 4, (16 << 20) - 1),
        _ => (Framing::LONG.with_max(300), 4, 300),
    };
    let (want, left, failed) = by_hand(stream, width, max);
    for size in [1 + usize::from(how >> 2), 1, stream.len().max(1)] {
        let mut partial = Partial::default();
        let mut got = Vec::new();
        let mut error = None;
        'reads: for mut read in stream.chunks(size) {
            loop {
                let idle = partial.is_idle();
                match framing.take(&mut partial, &mut read) {
                    Ok(Some(frame)) => {
                        assert!(!idle || matches!(frame, Cow::Borrowed(_)));
                        assert!(partial.is_idle());
                        got.push(frame.into_owned());
                    }
                    Ok(None) => break,
                    Err(e) => {
                        assert_eq!(framing.take(&mut partial, &mut read), Err(e));
                        error = Some(e);
                        break 'reads;
                    }
                }
            }
            assert!(read.is_empty());
        }
        assert_eq!(got, want);
        assert_eq!(error, failed.map(|len| Error::Limit { len, max }));
        if error.is_none() {
            assert_eq!(partial.is_idle(), left == 0);
            assert_eq!(partial.buffered(), left.saturating_sub(width));
        }
    }

    let mut again = Vec::new();
    for frame in &want {
        framing.pack(frame, &mut again).expect("it was a frame");
    }
    assert!(stream.starts_with(&again));
}

/// The frames, the bytes left after them, and the length of a frame that is too long.
fn by_hand(mut stream: &[u8], width: usize, max: u32) -> (Vec<Vec<u8>>, usize, Option<u32>) {
    let mut frames = Vec::new();
    while stream.len() >= width {
        let len = stream[..width]
            .iter()
            .fold(0, |n, b| n << 8 | u32::from(*b));
        if len > max {
            return (frames, stream.len(), Some(len));
        }
        let end = width + len as usize;
        if stream.len() < end {
            break;
        }
        frames.push(stream[width..end].to_vec());
        stream = &stream[end..];
    }
    (frames, stream.len(), None)
}
