//! The frames with which two nodes prove to each other that they know a secret, before any request.
//!
//! A frame has two bytes of length in front, big-endian, as all frames of a connection. Its content:
//!
//! | frame | from | content |
//! |---|---|---|
//! | HELLO | client | `f5 01`, version `01`, nonce of 32 bytes, own name, name of the node that is meant, name of the key |
//! | CHALLENGE | server | `f5 02`, version `01`, nonce of 32 bytes, own name |
//! | PROOF | client | `f5 03`, 32 bytes |
//! | WELCOME | server | `f5 04`, 32 bytes |
//! | REFUSED | either | `f5 0f`, reason u8, text |
//!
//! A name is a byte with its length, and so many bytes. No request begins with `f5`, so a connection that begins with a
//! HELLO is told from one without a handshake by its first frame. What the proofs are made of is said in
//! docs/cluster-security.md; this file knows no cryptography.

/// What every frame of the handshake begins with.
pub const MARK: u8 = 0xf5;
/// The version that this is.
pub const VERSION: u8 = 1;
/// The longest content of a frame of the handshake: a HELLO with three names of 255 bytes.
pub const LONGEST: usize = 3 + 32 + 3 * 256;

const HELLO: u8 = 1;
const CHALLENGE: u8 = 2;
const PROOF: u8 = 3;
const WELCOME: u8 = 4;
const REFUSED: u8 = 0x0f;

/// A frame of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame<'a> {
    /// The client begins.
    Hello {
        /// Random bytes.
        nonce: &'a [u8; 32],
        /// The client's name, empty if it has none.
        from: &'a [u8],
        /// The name of the node that the client means to reach.
        to: &'a [u8],
        /// Which secret is meant.
        key: &'a [u8],
    },
    /// The server answers.
    Challenge {
        /// Random bytes.
        nonce: &'a [u8; 32],
        /// The server's name, empty if it has none.
        from: &'a [u8],
    },
    /// The client knows the secret.
    Proof(&'a [u8; 32]),
    /// So does the server; requests may come.
    Welcome(&'a [u8; 32]),
    /// There will be no connection.
    Refused(Refused, &'a [u8]),
}

/// Why a side refuses, as it stands in a REFUSED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// There is no secret here (1).
    NoSecret,
    /// A secret of this name is not known (2).
    Key,
    /// The proof is wrong (3).
    Proof,
    /// The node of this name may not connect (4).
    Name,
    /// Another node is meant (5).
    Other,
    /// A handshake is required, or TLS (6).
    Required,
    /// It took too long (7).
    Late,
    /// A frame that does not belong here, or another version (8).
    Malformed,
    /// A number that this version does not know.
    Unknown(u8),
}

impl Refused {
    /// The number in the frame.
    pub fn number(self) -> u8 {
        match self {
            Refused::NoSecret => 1,
            Refused::Key => 2,
            Refused::Proof => 3,
            Refused::Name => 4,
            Refused::Other => 5,
            Refused::Required => 6,
            Refused::Late => 7,
            Refused::Malformed => 8,
            Refused::Unknown(number) => number,
        }
    }

    /// What a number in a frame means.
    pub fn of(number: u8) -> Refused {
        match number {
            1 => Refused::NoSecret,
            2 => Refused::Key,
            3 => Refused::Proof,
            4 => Refused::Name,
            5 => Refused::Other,
            6 => Refused::Required,
            7 => Refused::Late,
            8 => Refused::Malformed,
            other => Refused::Unknown(other),
        }
    }
}

impl<'a> Frame<'a> {
    /// Takes the content of a frame apart. `None`: it is no frame of the handshake in this version.
    pub fn parse(content: &'a [u8]) -> Option<Frame<'a>> {
        let [MARK, kind, rest @ ..] = content else {
            return None;
        };
        match *kind {
            HELLO => {
                let (nonce, rest) = nonce(rest)?;
                let (from, rest) = name(rest)?;
                let (to, rest) = name(rest)?;
                let (key, rest) = name(rest)?;
                rest.is_empty().then_some(Frame::Hello {
                    nonce,
                    from,
                    to,
                    key,
                })
            }
            CHALLENGE => {
                let (nonce, rest) = nonce(rest)?;
                let (from, rest) = name(rest)?;
                rest.is_empty().then_some(Frame::Challenge { nonce, from })
            }
            PROOF => Some(Frame::Proof(rest.try_into().ok()?)),
            WELCOME => Some(Frame::Welcome(rest.try_into().ok()?)),
            REFUSED => {
                let (&reason, text) = rest.split_first()?;
                Some(Frame::Refused(Refused::of(reason), text))
            }
            _ => None,
        }
    }

    /// The content of the frame, without its length. Names and texts are cut to 255 bytes.
    pub fn content(&self) -> Vec<u8> {
        let mut out = vec![MARK];
        match self {
            Frame::Hello {
                nonce,
                from,
                to,
                key,
            } => {
                out.extend([HELLO, VERSION]);
                out.extend_from_slice(*nonce);
                for text in [from, to, key] {
                    put(&mut out, text);
                }
            }
            Frame::Challenge { nonce, from } => {
                out.extend([CHALLENGE, VERSION]);
                out.extend_from_slice(*nonce);
                put(&mut out, from);
            }
            Frame::Proof(mac) => {
                out.push(PROOF);
                out.extend_from_slice(*mac);
            }
            Frame::Welcome(mac) => {
                out.push(WELCOME);
                out.extend_from_slice(*mac);
            }
            Frame::Refused(reason, text) => {
                out.extend([REFUSED, reason.number()]);
                out.extend_from_slice(&text[..text.len().min(255)]);
            }
        }
        out
    }
}

/// Puts the length in front of the content of a frame.
pub fn framed(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + content.len());
    super::begin_frame(&mut out, content.len());
    out.extend_from_slice(content);
    out
}

/// The version and a nonce.
fn nonce(rest: &[u8]) -> Option<(&[u8; 32], &[u8])> {
    let [VERSION, rest @ ..] = rest else {
        return None;
    };
    rest.split_first_chunk()
}

fn name(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = rest.split_first()?;
    rest.split_at_checked(usize::from(len))
}

fn put(out: &mut Vec<u8>, name: &[u8]) {
    let name = &name[..name.len().min(255)];
    out.push(name.len() as u8);
    out.extend_from_slice(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes() {
        let hello = Frame::Hello {
            nonce: &[7; 32],
            from: b"web",
            to: b"db",
            key: b"",
        };
        let mut want = vec![0xf5, 1, 1];
        want.extend([7; 32]);
        want.extend(b"\x03web\x02db\x00");
        assert_eq!(hello.content(), want);
        let challenge = Frame::Challenge {
            nonce: &[9; 32],
            from: b"db",
        };
        let mut want = vec![0xf5, 2, 1];
        want.extend([9; 32]);
        want.extend(b"\x02db");
        assert_eq!(challenge.content(), want);
        let refused = Frame::Refused(Refused::Key, b"no");
        assert_eq!(refused.content(), b"\xf5\x0f\x02no");
        assert_eq!(framed(b"\xf5"), b"\0\x01\xf5");
    }

    #[test]
    fn what_is_made_is_read_and_nothing_shorter_or_longer() {
        let long = [b'n'; 255];
        let frames = [
            Frame::Hello {
                nonce: &[1; 32],
                from: &long,
                to: &long,
                key: &long,
            },
            Frame::Challenge {
                nonce: &[2; 32],
                from: b"",
            },
            Frame::Proof(&[3; 32]),
            Frame::Welcome(&[4; 32]),
        ];
        for frame in frames {
            let content = frame.content();
            assert!(content.len() <= LONGEST);
            assert_eq!(Frame::parse(&content), Some(frame));
            for end in 0..content.len() {
                assert_eq!(Frame::parse(&content[..end]), None);
            }
            let longer = [&content[..], b"x"].concat();
            assert_eq!(Frame::parse(&longer), None);
            if content.len() > 34 && content[1] < 3 {
                let mut other = content.clone();
                other[2] = 2;
                assert_eq!(Frame::parse(&other), None, "another version");
            }
        }
        for number in 0..=255 {
            let reason = Refused::of(number);
            let content = Frame::Refused(reason, b"why").content();
            assert_eq!(Frame::parse(&content), Some(Frame::Refused(reason, b"why")));
            assert_eq!(reason.number(), number);
        }
    }
}
