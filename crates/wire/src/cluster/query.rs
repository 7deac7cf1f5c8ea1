//! Queries: calls of address 0 with a registered name as the argument, answered with its handle.

use crate::seri::{self, Reader, Token, Writer};

/// The payload of a query for `name`, which is without `@`. It is sent as a call to
/// [`Address::QUERY`](super::Address::QUERY).
///
/// # Errors
/// [`seri::Error::TooLong`] for a name longer than any string may be.
///
/// ```
/// use skynet_wire::cluster::{query_name, query_payload};
///
/// let payload = query_payload(b"sdb")?;
/// assert_eq!(payload, b"\x1csdb");
/// assert_eq!(query_name(&payload)?, Some(&b"sdb"[..]));
/// # Ok::<(), skynet_wire::seri::Error>(())
/// ```
pub fn query_payload(name: &[u8]) -> Result<Vec<u8>, seri::Error> {
    let mut payload = Vec::new();
    Writer::new(&mut payload).bytes(name)?;
    Ok(payload)
}

/// The name that a query's payload asks for.
///
/// `None` if the payload is some other value: the answer is then
/// [`Refusal::NameNotFound`](super::Refusal::NameNotFound), as for a name that nobody has registered.
///
/// # Errors
/// The payload is empty or not in the pack format; such a query is logged, and not answered.
pub fn query_name(payload: &[u8]) -> Result<Option<&[u8]>, seri::Error> {
    match Reader::new(payload).value()? {
        Token::Str(name) => Ok(Some(name)),
        _ => Ok(None),
    }
}
