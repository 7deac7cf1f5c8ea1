//! Messages of a client.

use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use super::Error;

type Buffer = bytes::BytesMut;

fn failed(why: std::io::Error) -> Error {
    Error::Request(why.to_string())
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    str::from_utf8(bytes).map_err(|_| Error::Request("the text of a query is not UTF-8".into()))
}

/// A query as text, with several statements if there are several.
pub fn simple(sql: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Buffer::new();
    frontend::query(text(sql)?, &mut out).map_err(failed)?;
    Ok(out.into())
}

/// A statement with parameters as text, of which none is NULL. With `sql` the statement is prepared under the name
/// first, else it is there already.
pub fn extended<'a>(
    name: &[u8],
    sql: Option<&[u8]>,
    parameters: impl IntoIterator<Item = Option<&'a [u8]>>,
) -> Result<Vec<u8>, Error> {
    let mut out = Buffer::new();
    let name = text(name)?;
    if let Some(sql) = sql {
        frontend::parse(name, text(sql)?, [], &mut out).map_err(failed)?;
    }
    frontend::bind(
        "",
        name,
        [],
        parameters,
        |value, out| {
            Ok(match value {
                Some(value) => {
                    out.extend_from_slice(value);
                    IsNull::No
                }
                None => IsNull::Yes,
            })
        },
        [],
        &mut out,
    )
    .map_err(|why| match why {
        frontend::BindError::Conversion(why) => Error::Request(why.to_string()),
        frontend::BindError::Serialization(why) => failed(why),
    })?;
    frontend::describe(b'P', "", &mut out).map_err(failed)?;
    frontend::execute("", 0, &mut out).map_err(failed)?;
    frontend::sync(&mut out);
    Ok(out.into())
}
