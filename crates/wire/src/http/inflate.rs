//! Compressed bodies: `gzip` and `deflate`, as they come.

use flate2::{Decompress, FlushDecompress, Status};

use super::deflate::Error;

/// How much is made at once.
const STEP: usize = 32 << 10;

/// Kinds of content encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950; some servers send it without its frame, which is taken as well.
    Deflate,
}

impl Encoding {
    /// The encoding of this name.
    pub fn by_name(name: &[u8]) -> Option<Encoding> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("gzip") || is("x-gzip") {
            Some(Encoding::Gzip)
        } else if is("deflate") {
            Some(Encoding::Deflate)
        } else {
            None
        }
    }
}

/// Expands one body.
#[derive(Debug)]
pub struct Inflater {
    encoding: Encoding,
    state: Option<Decompress>,
    /// The head of the body, until all of it is there.
    head: Vec<u8>,
    over: bool,
    made: usize,
    limit: usize,
}

/// The most bytes that the head of a gzip body may have: a name and a comment are in it.
const HEAD_LIMIT: usize = 4096;

impl Inflater {
    /// For a new body, of which at most `limit` bytes are made.
    pub fn new(encoding: Encoding, limit: usize) -> Inflater {
        Inflater {
            encoding,
            state: None,
            head: Vec::new(),
            over: false,
            made: 0,
            limit,
        }
    }

    /// Has all of it come?
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What the next bytes expand to.
    ///
    /// # Errors
    /// They are damaged, or there is more than the limit. The inflater is of no use then.
    pub fn feed(&mut self, data: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        if self.state.is_some() {
            self.expand(data, &mut out)?;
            return Ok(out);
        }
        self.head.extend_from_slice(data);
        let size = match self.encoding {
            Encoding::Gzip => gzip_head(&self.head)?,
            Encoding::Deflate => (self.head.len() >= 2).then_some(0),
        };
        let Some(size) = size else {
            return match self.head.len() > HEAD_LIMIT {
                true => Err(Error::Damaged),
                false => Ok(out),
            };
        };
        let head = std::mem::take(&mut self.head);
        let framed = self.encoding == Encoding::Deflate
            && head[0] & 15 == 8
            && u16::from_be_bytes([head[0], head[1]]).is_multiple_of(31);
        self.state = Some(Decompress::new(framed));
        self.expand(&head[size..], &mut out)?;
        Ok(out)
    }

    fn expand(&mut self, mut data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let Some(state) = self.state.as_mut() else {
            return Err(Error::Damaged);
        };
        while !self.over {
            // One byte more than is allowed shows that there is more.
            out.reserve(STEP.min((self.limit - self.made).saturating_add(1)));
            let before = (state.total_in(), out.len());
            let status = state.decompress_vec(data, out, FlushDecompress::None);
            let status = status.map_err(|_| Error::Damaged)?;
            data = &data[(state.total_in() - before.0) as usize..];
            self.made += out.len() - before.1;
            if self.made > self.limit {
                return Err(Error::TooLong(self.limit));
            }
            self.over = status == Status::StreamEnd;
            if data.is_empty() && out.len() < out.capacity() {
                break;
            }
            if status == Status::BufError && out.len() == before.1 {
                return Err(Error::Damaged);
            }
        }
        Ok(())
    }
}

/// How many bytes the head of a gzip body has, once it is there.
fn gzip_head(bytes: &[u8]) -> Result<Option<usize>, Error> {
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const CHECKSUM: u8 = 2;
    let (Some([0x1f, 0x8b, 8, flags]), true) = (bytes.get(..4), bytes.len() >= 10) else {
        return match bytes.len() < 10 {
            true => Ok(None),
            false => Err(Error::Damaged),
        };
    };
    let mut at = 10;
    if flags & EXTRA != 0 {
        let Some([low, high]) = bytes.get(at..at + 2) else {
            return Ok(None);
        };
        at += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(end) = rest.iter().position(|b| *b == 0) else {
                return Ok(None);
            };
            at += end + 1;
        }
    }
    if flags & CHECKSUM != 0 {
        at += 2;
    }
    Ok((bytes.len() >= at).then_some(at))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn text() -> Vec<u8> {
        (0..60_000u32).map(|i| (i / 7 % 251) as u8).collect()
    }

    fn expand(
        encoding: Encoding,
        data: &[u8],
        piece: usize,
        limit: usize,
    ) -> Result<Vec<u8>, Error> {
        let mut inflater = Inflater::new(encoding, limit);
        let mut out = Vec::new();
        for piece in data.chunks(piece) {
            out.extend(inflater.feed(piece)?);
        }
        assert!(inflater.is_over());
        Ok(out)
    }

    #[test]
    fn all_kinds_in_pieces() {
        let mut gzip = flate2::GzBuilder::new()
            .filename("a.txt")
            .comment("b")
            .extra(&b"xyz"[..])
            .write(Vec::new(), Compression::fast());
        let mut plain = GzEncoder::new(Vec::new(), Compression::best());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        for out in [&mut gzip as &mut dyn Write, &mut plain, &mut zlib, &mut raw] {
            out.write_all(&text()).unwrap();
        }
        let all = [
            (Encoding::Gzip, gzip.finish().unwrap()),
            (Encoding::Gzip, plain.finish().unwrap()),
            (Encoding::Deflate, zlib.finish().unwrap()),
            (Encoding::Deflate, raw.finish().unwrap()),
        ];
        for (encoding, data) in all {
            for piece in [1, 3, 100, 100_000] {
                assert_eq!(expand(encoding, &data, piece, 60_000).unwrap(), text());
            }
            assert_eq!(
                expand(encoding, &data, 100, 59_999),
                Err(Error::TooLong(59_999))
            );
        }
    }

    #[test]
    fn bombs_and_damage() {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        bomb.write_all(&vec![0; 100 << 20]).unwrap();
        let bomb = bomb.finish().unwrap();
        assert_eq!(
            expand(Encoding::Gzip, &bomb, 1 << 20, 1 << 20),
            Err(Error::TooLong(1 << 20))
        );
        assert_eq!(
            Inflater::new(Encoding::Gzip, 100).feed(b"no gzip at all"),
            Err(Error::Damaged)
        );
        assert_eq!(
            Inflater::new(Encoding::Deflate, 100).feed(&[0xff; 100]),
            Err(Error::Damaged)
        );
    }
}
