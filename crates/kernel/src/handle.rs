//! Addresses of services.

use std::fmt;

/// Address of a service: the node's number in the high 8 bits, the local number in the low 24. 0 is
/// nobody.
///
/// It is printed as `:%08x`, the form that logs use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[repr(transparent)]
pub struct Handle(pub u32);

impl Handle {
    /// No service. As a source: the runtime itself.
    pub const NONE: Handle = Handle(0);
    /// The largest local number.
    pub const LOCAL_MAX: u32 = 0x00ff_ffff;

    /// The number of the node that the service lives on.
    pub const fn harbor(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// The number of the service on its node.
    pub const fn local(self) -> u32 {
        self.0 & Self::LOCAL_MAX
    }

    /// Is this [`Handle::NONE`]?
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Reads `:hex`, any number of digits in either case. `None` for anything else, and for values
    /// above 32 bits.
    pub fn parse(text: &str) -> Option<Handle> {
        let digits = text.strip_prefix(':')?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Handle::NONE);
        }
        u32::from_str_radix(digits, 16).ok().map(Handle)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_read_any_spelling() {
        assert_eq!(Handle::parse(":1a"), Some(Handle(0x1a)));
        assert_eq!(Handle::parse(":0000001A"), Some(Handle(0x1a)));
        assert_eq!(Handle::parse(":00000000000ff"), Some(Handle(0xff)));
        assert_eq!(Handle::parse(":0"), Some(Handle::NONE));
        for bad in [
            "",
            ":",
            "1a",
            ":xyz",
            ":-1",
            ":+1",
            ":123456789",
            ": 1",
            ".a",
        ] {
            assert_eq!(Handle::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Handle(0x0100_002a).to_string(), ":0100002a");
        assert_eq!(
            (Handle(0x0100_002a).harbor(), Handle(0x0100_002a).local()),
            (1, 0x2a)
        );
    }
}
