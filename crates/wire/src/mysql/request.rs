//! What clients send.

use super::{HEAD, WHOLE, kind};

/// A command would be longer than a packet can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("mysql: a command of {0} bytes; a packet has at most 16777214")]
pub struct TooLong(pub usize);

/// A packet whose content is still to come: write behind it, and [`end`] it.
pub fn begin(out: &mut Vec<u8>, number: u8) {
    out.extend_from_slice(&[0, 0, 0, number]);
}

/// Sets the size of the packet that begins at 0.
///
/// # Errors
/// [`TooLong`].
pub fn end(out: &mut [u8]) -> Result<(), TooLong> {
    let size = out.len().saturating_sub(HEAD);
    if size >= WHOLE {
        return Err(TooLong(size));
    }
    out[..3].copy_from_slice(&(size as u32).to_le_bytes()[..3]);
    Ok(())
}

/// A length in one to nine bytes.
pub fn length(out: &mut Vec<u8>, n: usize) {
    match n {
        0..=250 => out.push(n as u8),
        251..=0xffff => {
            out.push(252);
            out.extend_from_slice(&(n as u16).to_le_bytes());
        }
        0x1_0000..=0xff_ffff => {
            out.push(253);
            out.extend_from_slice(&(n as u32).to_le_bytes()[..3]);
        }
        _ => {
            out.push(254);
            out.extend_from_slice(&(n as u64).to_le_bytes());
        }
    }
}

/// A parameter of a statement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Parameter<'a> {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A string of any bytes.
    Bytes(&'a [u8]),
}

impl Parameter<'_> {
    fn kind(self) -> u8 {
        match self {
            Parameter::Null => kind::NULL,
            Parameter::Integer(_) => kind::LONGLONG,
            Parameter::Float(_) => kind::DOUBLE,
            Parameter::Bool(_) => kind::TINY,
            Parameter::Bytes(_) => kind::VARCHAR,
        }
    }
}

/// The packet that runs a prepared statement. `parameter` is asked for each of `count` parameters, several times.
///
/// # Errors
/// [`TooLong`].
pub fn execute<'a>(
    out: &mut Vec<u8>,
    statement: u32,
    count: usize,
    parameter: impl Fn(usize) -> Parameter<'a>,
) -> Result<(), TooLong> {
    begin(out, 0);
    out.push(0x17);
    out.extend_from_slice(&statement.to_le_bytes());
    // No cursor; once.
    out.extend_from_slice(&[0, 1, 0, 0, 0]);
    if count > 0 {
        let nulls = out.len();
        out.resize(nulls + count.div_ceil(8), 0);
        // The types follow.
        out.push(1);
        for i in 0..count {
            let parameter = parameter(i);
            if parameter == Parameter::Null {
                out[nulls + i / 8] |= 1 << (i % 8);
            }
            out.extend_from_slice(&[parameter.kind(), 0]);
        }
        for i in 0..count {
            match parameter(i) {
                Parameter::Null => {}
                Parameter::Integer(n) => out.extend_from_slice(&n.to_le_bytes()),
                Parameter::Float(n) => out.extend_from_slice(&n.to_le_bytes()),
                Parameter::Bool(flag) => out.push(flag.into()),
                Parameter::Bytes(bytes) => {
                    length(out, bytes.len());
                    out.extend_from_slice(bytes);
                }
            }
        }
    }
    end(out)
}
