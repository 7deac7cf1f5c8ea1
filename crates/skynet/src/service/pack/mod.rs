//! Rows of Rust values to and from the pack format, without a [`Value`] in between.
//!
//! A row is what a call's arguments or results are: a tuple, or a list of [`Value`]s. One value alone is a row, too.

mod record;
mod values;

use super::Error;
use skynet_kernel::Payload;
use skynet_wire::seri::{self, Reader, Token, Value, Writer};
use std::cell::Cell;

/// A row of values, as a call's arguments or results.
pub type Values = Vec<Value>;

/// Values that can be sent: a tuple of [`PackValue`]s such as `("add", 2)`, one of them alone, what
/// [`args!`](super::args) makes, or a slice of [`Value`]s.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as values",
    note = "values are tuples of up to 8 numbers, texts, lists, maps …, what `args!` makes, and structures with \
        `record!`"
)]
pub trait Pack {
    /// Writes the values.
    ///
    /// # Errors
    /// [`seri::Error`], if a value is too long or too deep.
    fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error>;
}

/// One value that can be sent.
///
/// [`record!`](crate::record) implements it for a structure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a value",
    note = "`skynet::record!` makes a structure a value; integers beyond 64 bits with a sign have to be converted"
)]
pub trait PackValue {
    /// Writes the value.
    ///
    /// # Errors
    /// [`seri::Error`], if it is too long or too deep.
    fn pack_value(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error>;

    /// Is it nil? Then it is left out of a table with names.
    #[doc(hidden)]
    fn is_nil(&self) -> bool {
        false
    }

    /// Writes a list of such values as one value: a table, but for bytes, which are a string.
    #[doc(hidden)]
    fn pack_list(list: &[Self], writer: &mut Writer<'_>) -> Result<(), seri::Error>
    where
        Self: Sized,
    {
        pack_table(writer, list.len(), list.is_empty(), |writer| {
            list.iter().try_for_each(|value| value.pack_value(writer))
        })
    }

    /// Writes a list of such values that is a whole row: one value, but for [`Value`]s, which are a value each.
    #[doc(hidden)]
    fn pack_row(list: &[Self], writer: &mut Writer<'_>) -> Result<(), seri::Error>
    where
        Self: Sized,
    {
        Self::pack_list(list, writer)
    }
}

/// Values that can be read: a tuple of [`UnpackValue`]s such as `(&str, i64)`, or one alone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from values",
    note = "it can be a tuple of up to 8 numbers, texts, lists, maps …, one of them, or a structure with `record!`"
)]
pub trait Unpack<'a>: Sized {
    /// Reads the values from the first on.
    ///
    /// # Errors
    /// If they are not of these types, or the bytes are no packed values.
    fn unpack(values: &mut Row<'a>) -> Result<Self, Error>;
}

/// One value that can be read.
///
/// [`record!`](crate::record) implements it for a structure; others can go by way of what they are made of:
/// `let text = <&str>::unpack_value(values)?;`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a value",
    note = "`skynet::record!` makes a structure a value"
)]
pub trait UnpackValue<'a>: Sized {
    /// Reads the next value.
    ///
    /// # Errors
    /// If it is not of this type, or the bytes are no packed values.
    fn unpack_value(values: &mut Row<'a>) -> Result<Self, Error>;

    /// The other way of [`PackValue::pack_list`].
    #[doc(hidden)]
    fn unpack_list(values: &mut Row<'a>) -> Result<Vec<Self>, Error> {
        values.table("a list", |values, array_len| {
            let mut list = Vec::with_capacity(values.reader.reserve(array_len));
            for _ in 0..array_len {
                list.push(Self::unpack_value(values)?);
            }
            match values.key()? {
                None => Ok(list),
                other => Err(values.wrong("the end of a list", other)),
            }
        })
    }

    /// The other way of [`PackValue::pack_row`].
    #[doc(hidden)]
    fn unpack_row(values: &mut Row<'a>) -> Result<Vec<Self>, Error> {
        Self::unpack_list(values)
    }
}

/// Values that are being read, one after the other.
pub struct Row<'a> {
    reader: Reader<'a>,
    /// Values read so far.
    index: usize,
    /// Tables around what is read next.
    depth: usize,
}

impl<'a> Row<'a> {
    fn new(bytes: &'a [u8]) -> Row<'a> {
        Row {
            reader: Reader::new(bytes),
            index: 0,
            depth: 0,
        }
    }

    /// The next token; `None` behind the last one, which counts as nil.
    fn token(&mut self) -> Result<Option<Token<'a>>, Error> {
        if self.depth == 0 {
            self.index += 1;
            return self.reader.next().map_err(Error::Seri);
        }
        // Inside a table, the end of the values is an error.
        self.reader.value().map(Some).map_err(Error::Seri)
    }

    /// Reads a table, which `read` takes apart, down to its end. It is given the length of the array.
    fn table<T>(
        &mut self,
        wanted: &str,
        read: impl FnOnce(&mut Row<'a>, usize) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let array_len = match self.token()? {
            Some(Token::Table { array_len }) => array_len,
            other => return Err(self.wrong(wanted, other)),
        };
        if self.depth == seri::MAX_NESTING {
            return Err(Error::Seri(seri::Error::TooNested));
        }
        self.depth += 1;
        let result = read(self, array_len);
        self.depth -= 1;
        result
    }

    /// The next key of a table; none at its end.
    fn key(&mut self) -> Result<Option<Token<'a>>, Error> {
        let key = self.reader.value().map_err(Error::Seri)?;
        Ok(Some(key).filter(|key| *key != Token::Nil))
    }

    /// Reads a table with names for its values, each of which `read` reads by its name; false: it has not.
    #[doc(hidden)]
    pub fn fields(
        &mut self,
        mut read: impl FnMut(&mut Row<'a>, &'a [u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.table("a table with names", |values, array_len| {
            for _ in 0..array_len {
                Value::unpack_value(values)?;
            }
            while let Some(key) = values.key()? {
                let known = match key {
                    Token::Str(name) => read(values, name)?,
                    Token::Table { .. } => return Err(values.wrong("a name", Some(key))),
                    _ => false,
                };
                if !known {
                    Value::unpack_value(values)?;
                }
            }
            Ok(())
        })
    }

    /// What a field is that a table does not have.
    #[doc(hidden)]
    pub fn missing<T: UnpackValue<'a>>(name: &str) -> Result<T, Error> {
        T::unpack_value(&mut Row::new(&[]))
            .map_err(|_| format!("the field {name} is missing").into())
    }

    /// The error for a value that is not what it should be.
    fn wrong(&self, wanted: &str, got: Option<Token<'_>>) -> Error {
        let got = match got {
            None => "nothing".to_owned(),
            Some(Token::Table { .. }) => "a table".to_owned(),
            Some(Token::Str(text)) => format!("\"{}\"", text.escape_ascii()),
            Some(Token::Int(n)) => n.to_string(),
            Some(Token::Float(n)) => n.to_string(),
            Some(Token::Bool(b)) => b.to_string(),
            Some(Token::Nil) => "nil".to_owned(),
            Some(Token::Pointer(_)) => "a light userdata".to_owned(),
        };
        format!("value {} is {got}, not {wanted}", self.index).into()
    }
}

/// Reads a row.
pub(super) fn read<'a, T: Unpack<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    T::unpack(&mut Row::new(bytes))
}

thread_local! {
    /// A vector to pack into, so that only the finished bytes are allocated, and few bytes not at all.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

thread_local! {
    /// Tables around what is packed next.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Sets the depth when it is dropped, also by a panic.
struct Depth(usize);

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.set(self.0);
    }
}

/// Writes a table, of which `write` writes the array of this length and the pairs.
#[doc(hidden)]
pub fn pack_table(
    writer: &mut Writer<'_>,
    array_len: usize,
    empty: bool,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), seri::Error>,
) -> Result<(), seri::Error> {
    let depth = DEPTH.get();
    if depth + usize::from(!empty) > seri::MAX_DEPTH {
        return Err(seri::Error::TooDeep);
    }
    let _outer = Depth(depth);
    DEPTH.set(depth + 1);
    writer.begin_table(array_len);
    write(writer)?;
    writer.end_table();
    Ok(())
}

/// Writes a value whose own depth nobody knows.
fn pack_any(value: &Value, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
    value.write_at(writer, DEPTH.get())
}

/// A vector larger than this is not kept.
const KEPT: usize = 64 << 10;

/// A row as a payload.
pub(super) fn payload(row: &(impl Pack + ?Sized)) -> Result<Payload, Error> {
    let mut bytes = SPARE.take();
    bytes.clear();
    let packed = row.pack(&mut Writer::new(&mut bytes));
    let payload = packed.map(|()| Payload::from_slice(&bytes));
    if bytes.capacity() <= KEPT {
        SPARE.set(bytes);
    }
    payload.map_err(Error::Seri)
}
