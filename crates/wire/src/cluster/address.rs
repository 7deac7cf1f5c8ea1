//! Whom a request is for.

use std::borrow::Cow;

use super::Error;

/// Whom a request is for: a service's handle, or a name.
///
/// Names that begin with `@` are those of `cluster.register`, names that begin with `.` are local names of the
/// remote node; a handle's text (`:0000000a`) works, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address<'a> {
    /// A handle; 0 stands for a query ([`Self::QUERY`]).
    Number(u32),
    /// A name as bytes. One to send to has 1 to 255; one that was received may be empty.
    Name(Cow<'a, [u8]>),
}

impl Address<'_> {
    /// The address that makes a call a query for the handle of a registered name.
    pub const QUERY: Address<'static> = Address::Number(0);

    /// Whether this is a name of `cluster.register`: one that begins with `@`.
    pub fn is_registered_name(&self) -> bool {
        matches!(self, Self::Name(name) if name.first() == Some(&b'@'))
    }

    /// The same address with a name of its own.
    pub fn into_owned(self) -> Address<'static> {
        match self {
            Self::Number(n) => Address::Number(n),
            Self::Name(name) => Address::Name(Cow::Owned(name.into_owned())),
        }
    }

    /// Whether a request can be sent to it.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Name(name) if !(1..=255).contains(&name.len()) => {
                Err(Error::NameLength(name.to_vec()))
            }
            _ => Ok(()),
        }
    }
}

impl From<u32> for Address<'_> {
    fn from(handle: u32) -> Self {
        Self::Number(handle)
    }
}

/// The address that an integer of Lua stands for: its low 32 bits.
impl From<i64> for Address<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number as u32)
    }
}

/// The address that a float of Lua stands for: that of the integer it is equal to, else 0.
///
/// ```
/// use skynet_wire::cluster::Address;
///
/// assert_eq!(Address::from(16.0), Address::Number(16));
/// assert_eq!(Address::from(1.5), Address::QUERY);
/// ```
impl From<f64> for Address<'_> {
    fn from(number: f64) -> Self {
        // Two to the 63rd and above are floats, but no integers of 64 bits.
        let integral =
            number.floor() == number && (-(2f64.powi(63))..2f64.powi(63)).contains(&number);
        if integral {
            Self::from(number as i64)
        } else {
            Self::QUERY
        }
    }
}

impl<'a> From<&'a [u8]> for Address<'a> {
    fn from(name: &'a [u8]) -> Self {
        Self::Name(Cow::Borrowed(name))
    }
}

impl<'a> From<&'a str> for Address<'a> {
    fn from(name: &'a str) -> Self {
        name.as_bytes().into()
    }
}
