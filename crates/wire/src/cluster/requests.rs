//! A server's side of one connection: from frames to whole requests.
//!
//! Well-formed frames that do not fit together are answered, as skynet (C) does: parts without a beginning, sizes
//! that do not add up, two beginnings for one session. Such a request is answered when its last part comes, and
//! until then only the fact is kept that it is wrong. A frame that is malformed ends the connection.
//!
//! Incomplete requests live until they are complete or the connection ends, and skynet (C) sets them no limit.
//! Here a limit may be set on what a connection buffers. The names, tags and table entries of the requests
//! count, too, or a peer could fill the memory with beginnings alone.

use std::collections::HashMap;

use super::large::{Begun, Direction};
use super::{Address, Error, Large, Lent, PART, Payload, Refusal, Request, Store, TRUSTED};

/// What an incomplete request counts beside its bytes: its entry in the table, and the smallest blocks that it needs.
const ENTRY: usize = 320;

/// The incomplete requests of one connection.
///
/// ```
/// use skynet_wire::cluster::{Event, Refusal, Requests};
///
/// let mut requests = Requests::default();
/// // The last part of a request that never began.
/// let event = requests.accept(b"\x03\x15\0\0\0xyz")?;
/// assert_eq!(event, Some(Event::Refused { session: 0x15, why: Refusal::InvalidName }));
/// # Ok::<(), skynet_wire::cluster::Error>(())
/// ```
#[derive(Debug)]
pub struct Requests<S = Vec<u8>> {
    pending: HashMap<u32, Pending<S>>,
    /// What `pending` counts for.
    buffered: usize,
    limit: usize,
    /// Something did not find room.
    exceeded: bool,
    /// The largest request that has come, up to [`TRUSTED`]. While there is no other, one that begins gets memory for
    /// as much at once, so that growing costs nothing: the connection holds no more than it has proved to send.
    trusted: usize,
    /// Waits for the next call, or for the next large request of any kind.
    trace: Option<Box<[u8]>>,
}

/// A request that has begun, or a part of one that has not.
#[derive(Debug)]
struct Pending<S> {
    /// `None` if it began with a part: then it is wrong.
    head: Option<Head>,
    large: Large<S>,
    /// Its data was dropped because of the limit.
    over: bool,
}

#[derive(Debug)]
struct Head {
    address: Address<'static>,
    push: bool,
    trace: Option<Box<[u8]>>,
}

/// What a frame leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a, S: Store = Vec<u8>> {
    /// A request is complete.
    Request(Complete<'a, S>),
    /// A request is not to be carried out. The answer is the text of `why` under this session; there is one
    /// even if the request is a push.
    Refused {
        /// The session of the answer.
        session: u32,
        /// What to answer.
        why: Refusal,
    },
}

/// A complete request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete<'a, S: Store = Vec<u8>> {
    /// Whom it is for.
    pub address: Address<'a>,
    /// The session of the answer.
    pub session: u32,
    /// Whether it is a push, which gets no answer but a [`Refusal`] (a query is answered in any case).
    pub push: bool,
    /// The arguments in the pack format.
    pub payload: Payload<'a, S>,
    /// The tag that the call is to be traced under.
    pub trace: Option<Box<[u8]>>,
}

impl Default for Requests {
    /// Without a limit.
    fn default() -> Self {
        Self::with_limit(usize::MAX)
    }
}

impl<S: Store> Requests<S> {
    /// Incomplete requests that may take up `limit` bytes together. A request that would take them above it
    /// is refused.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            pending: HashMap::new(),
            buffered: 0,
            limit,
            exceeded: false,
            trusted: 0,
            trace: None,
        }
    }

    /// How many bytes count for the limit now.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Whether a request did not find room, be it answered already or not. For those who end such a connection.
    pub fn exceeded(&self) -> bool {
        self.exceeded
    }

    /// How many requests are incomplete.
    pub fn incomplete(&self) -> usize {
        self.pending.len()
    }

    /// Takes a frame, given without its two bytes of length. `None`: there is nothing to do yet.
    ///
    /// # Errors
    /// As [`Request::unpack`]. The frame is without effect, and the connection is to be closed.
    pub fn accept<'a>(&mut self, frame: &'a [u8]) -> Result<Option<Event<'a, S>>, Error> {
        Ok(match Request::unpack(frame)? {
            Request::Small {
                address,
                session,
                payload,
            } => {
                // A small request that has the session of an incomplete one is taken for its last part.
                if !self.pending.is_empty()
                    && let Some(pending) = self.pending.remove(&session)
                {
                    return Ok(Some(self.finish(pending, session, payload)));
                }
                let push = session == 0;
                Some(Event::Request(Complete {
                    address,
                    session,
                    push,
                    payload: Payload::Borrowed(payload),
                    trace: if push { None } else { self.trace.take() },
                }))
            }
            Request::Large {
                address,
                session,
                size,
                push,
            } => self.begin(address, session, size, push),
            Request::Part {
                session,
                data,
                last: false,
            } => {
                self.part(session, data);
                None
            }
            Request::Part {
                session,
                data,
                last: true,
            } => Some(match self.pending.remove(&session) {
                Some(pending) => self.finish(pending, session, data),
                None => refused(session, Refusal::InvalidName),
            }),
            Request::Trace(tag) => {
                self.trace = Some(tag.into());
                None
            }
        })
    }

    fn begin(
        &mut self,
        address: Address<'_>,
        session: u32,
        size: u32,
        push: bool,
    ) -> Option<Event<'static, S>> {
        if let Some(pending) = self.pending.get_mut(&session) {
            self.buffered -= pending.large.held();
            pending.large.begin(size);
            return None;
        }
        let trace = self.trace.take();
        let head = Head {
            address: address.into_owned(),
            push,
            trace,
        };
        let mut pending = Pending {
            head: Some(head),
            large: Large::new(),
            over: false,
        };
        if pending.cost() > self.limit.saturating_sub(self.buffered) {
            self.exceeded = true;
            return Some(refused(session, Refusal::Limit(self.limit)));
        }
        self.buffered += pending.cost();
        pending.over = size as usize > self.limit;
        if pending.over {
            self.exceeded = true;
        } else {
            pending.large.begin(size);
            if self.pending.is_empty() {
                let room = self.limit.saturating_sub(self.buffered);
                pending.large.reserve(self.trusted.min(room));
                self.buffered += pending.large.held();
            }
        }
        self.pending.insert(session, pending);
        None
    }

    fn part(&mut self, session: u32, data: &[u8]) {
        let Some(pending) = self.pending.get_mut(&session) else {
            let mut pending = Pending {
                head: None,
                large: Large::new(),
                over: false,
            };
            // Without room it is forgotten. Then its last part is refused for another reason.
            if pending.cost() <= self.limit.saturating_sub(self.buffered) {
                pending.large.add(data);
                self.buffered += pending.cost();
                self.pending.insert(session, pending);
            } else {
                self.exceeded = true;
            }
            return;
        };
        if pending.over {
            return;
        }
        self.buffered -= pending.large.held();
        let most = self.limit.saturating_sub(self.buffered);
        if pending.large.len() + data.len() > most {
            pending.large = Large::new();
            pending.over = true;
            self.exceeded = true;
            return;
        }
        pending.large.add_within(data, most);
        self.buffered += pending.large.held();
    }

    /// Lends out what has come of a large request, so that the rest can be read straight to where it belongs. `frame`
    /// is what has come of a frame of `len` bytes. None if that is no part of such a request, or if no whole part has
    /// come yet, or if less than `least` bytes are to come, or if the whole would be above the limit.
    ///
    /// The frames that [`Lent::coming`] expects are not to be given to [`accept`](Self::accept) then; any other that
    /// comes ends the loan, and is to be given to it after [`give_back`](Self::give_back).
    pub fn lend(&mut self, frame: &[u8], len: usize, least: usize) -> Option<Lent<S>> {
        let Ok(Request::Part {
            session,
            data,
            last,
        }) = Request::unpack(frame)
        else {
            return None;
        };
        let pending = self.pending.get_mut(&session)?;
        let (total, have) = (pending.large.total(), pending.large.len());
        let others = self.buffered - pending.large.held();
        if pending.over
            || pending.head.is_none()
            || have < PART
            || total < have + data.len() + least
            || total > self.limit.saturating_sub(others)
        {
            return None;
        }
        let lent = pending.large.lend(Begun {
            direction: Direction::Request,
            session,
            data,
            len: len.checked_sub(frame.len() - data.len())?,
            last,
        })?;
        self.buffered = others + total;
        Some(lent)
    }

    /// Takes back what was lent out, with what has been added to it: data of the parts that were expected. That may
    /// complete the request.
    pub fn give_back(&mut self, session: u32, store: S) -> Option<Event<'static, S>> {
        let pending = self.pending.get_mut(&session)?;
        self.buffered -= pending.large.held();
        let complete = pending.large.give_back(store);
        self.buffered += pending.large.held();
        if !complete {
            return None;
        }
        let pending = self.pending.remove(&session)?;
        Some(self.finish(pending, session, &[]))
    }

    /// `pending` is out of the table; `data` completes it.
    fn finish(&mut self, mut pending: Pending<S>, session: u32, data: &[u8]) -> Event<'static, S> {
        self.buffered -= pending.cost() + pending.large.held();
        if pending.over {
            return refused(session, Refusal::Limit(self.limit));
        }
        pending.large.add(data);
        match (pending.head, pending.large.finish()) {
            (Some(head), Some(payload)) => {
                self.trusted = self.trusted.max(payload.bytes().len().min(TRUSTED));
                Event::Request(Complete {
                    address: head.address,
                    session,
                    push: head.push,
                    payload: Payload::Whole(payload),
                    trace: head.trace,
                })
            }
            _ => refused(session, Refusal::InvalidLarge),
        }
    }
}

impl<S> Pending<S> {
    /// What it counts beside its data.
    fn cost(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |head| {
            let name = match &head.address {
                Address::Number(_) => 0,
                Address::Name(name) => name.len(),
            };
            name + head.trace.as_ref().map_or(0, |tag| tag.len())
        });
        ENTRY + head
    }
}

fn refused<S: Store>(session: u32, why: Refusal) -> Event<'static, S> {
    Event::Refused { session, why }
}
