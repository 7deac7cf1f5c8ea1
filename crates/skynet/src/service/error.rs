//! Why something that a service asked for did not happen.

use skynet_kernel::SendError;
use skynet_wire::seri;
use std::borrow::Cow;
use std::fmt;

/// An error of a service: the runtime's, or an own one.
///
/// It does not implement [`std::error::Error`], so that `?` can turn any error into it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The address does not exist.
    NoService,
    /// The callee raised an error, dropped the request, or died.
    CallFailed,
    /// There was no answer in time.
    Timeout,
    /// The callee's mailbox is full.
    Refused {
        /// Messages that it may hold.
        limit: usize,
    },
    /// The message is too large to be sent.
    TooLarge,
    /// This service is gone.
    Closed,
    /// Bytes that are no packed values, or values that cannot be packed.
    Seri(seri::Error),
    /// The service has no handler for messages of this type.
    Unhandled {
        /// The type's number.
        kind: u8,
    },
    /// An error of the service's own.
    Own(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoService => f.write_str("the address does not exist"),
            Error::CallFailed => f.write_str("call failed"),
            Error::Timeout => f.write_str("call timeout"),
            Error::Refused { limit } => write!(f, "the mailbox is full (limit {limit})"),
            Error::TooLarge => f.write_str("the message is too large"),
            Error::Closed => f.write_str("the service is gone"),
            Error::Seri(error) => error.fmt(f),
            Error::Unhandled { kind } => {
                let name = skynet_kernel::kind::name(*kind)
                    .map_or_else(|| Cow::Owned(kind.to_string()), Cow::Borrowed);
                write!(f, "no handler for messages of type {name}")
            }
            Error::Own(error) => error.fmt(f),
        }
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Error {
    fn from(error: E) -> Error {
        let error = error.into();
        match error.downcast::<seri::Error>() {
            Ok(error) => Error::Seri(*error),
            Err(error) => match error.downcast::<SendError>() {
                Ok(error) => Error::of_send(*error),
                Err(error) => Error::Own(error),
            },
        }
    }
}

impl Error {
    pub(super) fn of_send(error: SendError) -> Error {
        match error {
            SendError::Refused { limit } => Error::Refused { limit },
            SendError::TooLarge => Error::TooLarge,
            _ => Error::NoService,
        }
    }
}
