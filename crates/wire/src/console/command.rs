//! The commands that the console answers by itself, without a Lua service.

use super::words;

/// A command line that is understood here.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `top [seconds [lines]]`
    Top {
        /// For how long is measured.
        seconds: f64,
        /// How many services are shown.
        lines: usize,
    },
    /// `calls [seconds]`: those that are at least so old.
    Calls(f64),
    /// `stack address`
    Stack(Address<'a>),
    /// `profile address [seconds [hertz]]`
    Profile {
        /// Who.
        address: Address<'a>,
        /// For how long.
        seconds: f64,
        /// Samples per second.
        hertz: u32,
    },
    /// `signal address [number]`
    Signal(Address<'a>, i32),
}

/// Who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// `.name`, here without the dot.
    Name(&'a [u8]),
    /// `:hex`
    Handle(u32),
    /// Hexadecimal digits alone: a handle without the node's own number.
    Local(u32),
}

/// A command line that is not understood. The texts of addresses are those of skynet (C).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No address, or no possible one.
    #[error("Need an address")]
    Address,
    /// A parameter that has to be a number.
    #[error("Need a number from {from} to {to}")]
    Number {
        /// The least number possible.
        from: u32,
        /// The largest one.
        to: u32,
    },
}

/// The longest that a command may measure, in seconds.
const MAX_SECONDS: u32 = 3600;

impl<'a> Address<'a> {
    /// Reads an address.
    ///
    /// # Errors
    /// [`CommandError::Address`].
    pub fn parse(word: Option<&'a [u8]>) -> Result<Address<'a>, CommandError> {
        let word = word.ok_or(CommandError::Address)?;
        let hex = |digits: &[u8]| {
            // The number's own reader would take a sign too.
            let plain = digits.iter().all(u8::is_ascii_hexdigit);
            let digits = std::str::from_utf8(digits).ok().filter(|_| plain);
            let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            number.ok_or(CommandError::Address)
        };
        if let Some(name) = word.strip_prefix(b".") {
            return Ok(Address::Name(name));
        }
        match word.strip_prefix(b":") {
            Some(digits) => hex(digits).map(Address::Handle),
            None => hex(word).map(Address::Local),
        }
    }
}

impl<'a> Command<'a> {
    /// Reads a line; none if it is a command for somebody else.
    ///
    /// # Errors
    /// A [`CommandError`], for parameters that do not fit.
    pub fn parse(line: &'a [u8]) -> Result<Option<Command<'a>>, CommandError> {
        let mut words = words(line);
        let Some(name) = words.next() else {
            return Ok(None);
        };
        Ok(Some(match name {
            b"top" => Command::Top {
                seconds: seconds(words.next(), 1.0, 60)?,
                lines: number(words.next(), 20, 1, 100_000)? as usize,
            },
            b"calls" => Command::Calls(seconds(words.next(), 0.0, u32::MAX)?),
            b"stack" => Command::Stack(Address::parse(words.next())?),
            b"profile" => Command::Profile {
                address: Address::parse(words.next())?,
                seconds: seconds(words.next(), 5.0, MAX_SECONDS)?,
                hertz: number(words.next(), 997, 1, 10_000)?,
            },
            b"signal" => {
                let address = Address::parse(words.next())?;
                Command::Signal(address, number(words.next(), 0, 0, i32::MAX as u32)? as i32)
            }
            _ => return Ok(None),
        }))
    }
}

fn number(word: Option<&[u8]>, default: u32, from: u32, to: u32) -> Result<u32, CommandError> {
    let Some(word) = word else {
        return Ok(default);
    };
    let number = std::str::from_utf8(word).ok();
    let number = number
        .and_then(|word| word.parse().ok())
        .filter(|n| (from..=to).contains(n));
    number.ok_or(CommandError::Number { from, to })
}

fn seconds(word: Option<&[u8]>, default: f64, to: u32) -> Result<f64, CommandError> {
    let Some(word) = word else {
        return Ok(default);
    };
    let number = std::str::from_utf8(word).ok();
    number
        .and_then(|word| word.parse().ok())
        .filter(|n: &f64| (0.0..=f64::from(to)).contains(n))
        .ok_or(CommandError::Number { from: 0, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        use Command::*;
        let no_number = |from, to| Err(CommandError::Number { from, to });
        for (line, command) in [
            ("", Ok(None)),
            ("  ", Ok(None)),
            ("list", Ok(None)),
            ("TOP", Ok(None)),
            (
                "top",
                Ok(Some(Top {
                    seconds: 1.0,
                    lines: 20,
                })),
            ),
            (
                "top 0.5 3\r",
                Ok(Some(Top {
                    seconds: 0.5,
                    lines: 3,
                })),
            ),
            ("top -1", no_number(0, 60)),
            ("top nan", no_number(0, 60)),
            ("top 1 0", no_number(1, 100_000)),
            ("calls", Ok(Some(Calls(0.0)))),
            ("calls 2.5 ", Ok(Some(Calls(2.5)))),
            ("stack", Err(CommandError::Address)),
            ("stack :1g", Err(CommandError::Address)),
            ("stack +1", Err(CommandError::Address)),
            ("stack 123456789", Err(CommandError::Address)),
            ("stack :0000000A", Ok(Some(Stack(Address::Handle(10))))),
            ("stack a", Ok(Some(Stack(Address::Local(10))))),
            (
                "stack .launcher",
                Ok(Some(Stack(Address::Name(b"launcher")))),
            ),
            (
                "profile .x 10 100",
                Ok(Some(Profile {
                    address: Address::Name(b"x"),
                    seconds: 10.0,
                    hertz: 100,
                })),
            ),
            ("profile .x 4000", no_number(0, 3600)),
            ("profile .x 1 10001", no_number(1, 10_000)),
            ("signal :a", Ok(Some(Signal(Address::Handle(10), 0)))),
            ("signal :a 1", Ok(Some(Signal(Address::Handle(10), 1)))),
            ("signal :a x", no_number(0, 0x7fff_ffff)),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), command, "{line:?}");
        }
    }
}
