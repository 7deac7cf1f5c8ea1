//! When a timer is due, and what it sends then.

use std::time::Duration;

use crate::message::Handle;

/// When a timer is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delay {
    /// When the node's centisecond clock has advanced by so much. 0 or less: at once, by way of the
    /// own mailbox.
    Cs(i32),
    /// After so many milliseconds. 0: at once, by way of the own mailbox.
    Ms(u64),
    /// In the millisecond in which this time has passed. None: at once, by way of the own mailbox.
    After(Duration),
}

/// What a timer sends when it expires: a RESPONSE.
#[derive(Clone, Copy)]
pub(crate) struct Expiry {
    /// To whom. None: to the node, which looks for a name that is awaited.
    pub(crate) handle: Handle,
    pub(crate) session: i32,
}
