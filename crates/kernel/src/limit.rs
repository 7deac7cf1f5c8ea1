//! Limits of mailboxes, and when a line about one is due.

/// What to do with messages beyond a [`Limit`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// Accept them; log a line when the limit is passed and at each doubling.
    Warn,
    /// Refuse them with [`SendError::Refused`](crate::SendError::Refused).
    Refuse,
}

/// Bound of a mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Number of waiting messages.
    pub max: usize,
    /// What happens beyond it.
    pub policy: Policy,
}

/// What has been said about a limit.
#[derive(Default)]
pub(crate) struct Told {
    /// Length of the queue at which the next line of [`Policy::Warn`] is due.
    warn_at: usize,
    /// Messages that [`Policy::Refuse`] has refused.
    refused: usize,
}

impl Told {
    /// For a new limit of `max` messages.
    pub(crate) fn new(max: usize) -> Told {
        Told {
            warn_at: max,
            refused: 0,
        }
    }

    /// There is one more message for a queue of `length`. The length to warn about, or 0.
    ///
    /// # Errors
    /// The message is refused. How many have been, if that is to be logged, or 0: the first refusal is logged, and then
    /// each doubling of their number.
    #[cold]
    pub(crate) fn check(
        &mut self,
        policy: Policy,
        max: usize,
        length: usize,
    ) -> Result<usize, usize> {
        match policy {
            Policy::Refuse if length >= max => {
                self.refused += 1;
                let due = self.refused.is_power_of_two();
                Err(if due { self.refused } else { 0 })
            }
            Policy::Warn if length >= self.warn_at => {
                self.warn_at = (length + 1).saturating_mul(2);
                Ok(length + 1)
            }
            Policy::Warn if length < max => {
                self.warn_at = max;
                Ok(0)
            }
            _ => Ok(0),
        }
    }
}
