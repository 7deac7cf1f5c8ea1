//! Frames of the cluster's handshake, as a stranger may send them.

use skynet_wire::cluster::handshake::{Frame, LONGEST, framed};
use skynet_wire::netpack::{Framing, Partial};

/// What is read is written in the same bytes again, and nothing that is longer than a handshake's frame is read.
pub fn check(stream: &[u8]) {
    let framing = Framing::SHORT.with_max(LONGEST as u32);
    let (mut partial, mut read) = (Partial::default(), stream);
    while let Ok(Some(content)) = framing.take(&mut partial, &mut read) {
        if let Some(frame) = Frame::parse(&content) {
            assert!(content.len() <= LONGEST);
            let written = frame.content();
            match frame {
                // A text is cut.
                Frame::Refused(reason, text) => {
                    let end = text.len().min(255);
                    assert_eq!(
                        Frame::parse(&written),
                        Some(Frame::Refused(reason, &text[..end]))
                    );
                }
                frame => {
                    assert_eq!(written, *content);
                    assert_eq!(Frame::parse(&framed(&written)[2..]), Some(frame));
                }
            }
        }
    }
}
