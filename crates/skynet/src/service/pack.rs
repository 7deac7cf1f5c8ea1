//! Rows of Rust values to and from the pack format, without a [`Value`] in between.
//!
//! A row is what a call's arguments or results are: a tuple, or a list of [`Value`]s. One value alone is a row, too.

use super::{Error, Values};
use skynet_kernel::{Handle, Payload};
use skynet_wire::seri::{self, Reader, Table, Token, Value, Writer};
use std::cell::Cell;

/// Values that can be sent: a tuple of [`PackValue`]s such as `("add", 2)`, one of them alone, what [`args!`](super::args) makes, or a
/// slice of [`Value`]s.
pub trait Pack {
    /// Writes the values.
    ///
    /// # Errors
    /// [`seri::Error`], if a value is too long or too deep.
    fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error>;
}

/// One value that can be sent.
///
/// Implement it for an own type by writing a token, or a whole [`Table`] made of it.
pub trait PackValue {
    /// Writes the value.
    ///
    /// # Errors
    /// [`seri::Error`], if it is too long or too deep.
    fn pack_value(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error>;
}

/// Values that can be read: a tuple of [`UnpackValue`]s such as `(&str, i64)`, or one alone.
pub trait Unpack<'a>: Sized {
    /// Reads the values from the first on.
    ///
    /// # Errors
    /// If they are not of these types, or the bytes are no packed values.
    fn unpack(values: &mut Row<'a>) -> Result<Self, Error>;
}

/// One value that can be read.
///
/// Implement it for an own type by way of another one: `let table = Table::unpack_value(values)?;` and then taking that apart.
pub trait UnpackValue<'a>: Sized {
    /// Reads the next value.
    ///
    /// # Errors
    /// If it is not of this type, or the bytes are no packed values.
    fn unpack_value(values: &mut Row<'a>) -> Result<Self, Error>;
}

/// Values that are being read, one after the other.
pub struct Row<'a> {
    reader: Reader<'a>,
    /// Values read so far.
    index: usize,
}

impl<'a> Row<'a> {
    /// The next value if it is no table; `None` behind the last one, which counts as nil.
    fn token(&mut self) -> Result<Option<Token<'a>>, Error> {
        self.index += 1;
        self.reader.next().map_err(Error::Seri)
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
    T::unpack(&mut Row {
        reader: Reader::new(bytes),
        index: 0,
    })
}

thread_local! {
    /// A vector to pack into, so that only the finished bytes are allocated, and few bytes not at all.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
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

// ---- lists of values

impl Pack for [Value] {
    fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        self.iter().try_for_each(|value| value.write(writer))
    }
}

impl Pack for Values {
    fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        self.as_slice().pack(writer)
    }
}

impl<const N: usize> Pack for [Value; N] {
    fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        self.as_slice().pack(writer)
    }
}

impl<T: Pack + ?Sized> Pack for &T {
    fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        (**self).pack(writer)
    }
}

impl<'a> Unpack<'a> for Values {
    fn unpack(values: &mut Row<'a>) -> Result<Values, Error> {
        let mut all = Values::new();
        while let Some(token) = values.token()? {
            all.push(Value::read(&mut values.reader, token).map_err(Error::Seri)?);
        }
        Ok(all)
    }
}

// ---- tuples

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: PackValue),*> Pack for ($($name,)*) {
            #[inline]
            #[allow(non_snake_case, unused_variables, reason = "for tuples of any length")]
            fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
                let ($($name,)*) = self;
                $($name.pack_value(writer)?;)*
                Ok(())
            }
        }

        impl<'a, $($name: UnpackValue<'a>),*> Unpack<'a> for ($($name,)*) {
            #[inline]
            #[allow(unused_variables, reason = "for tuples of any length")]
            fn unpack(values: &mut Row<'a>) -> Result<Self, Error> {
                Ok(($($name::unpack_value(values)?,)*))
            }
        }
    };
}

tuples! {}
tuples! { A }
tuples! { A B }
tuples! { A B C }
tuples! { A B C D }
tuples! { A B C D E }
tuples! { A B C D E F }
tuples! { A B C D E F G }
tuples! { A B C D E F G H }

// ---- single values

/// Each of these types is a value, and alone a row.
macro_rules! values {
    ($($name:ty: |$value:ident, $writer:ident| $write:expr;)*) => { $(
        impl PackValue for $name {
            #[inline]
            fn pack_value(&self, $writer: &mut Writer<'_>) -> Result<(), seri::Error> {
                let $value = self;
                $write
            }
        }

        impl Pack for $name {
            #[inline]
            fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
                self.pack_value(writer)
            }
        }
    )* };
}

macro_rules! integers {
    ($($name:ty)*) => { $(
        impl<'a> UnpackValue<'a> for $name {
            #[inline]
            fn unpack_value(values: &mut Row<'a>) -> Result<$name, Error> {
                let token = values.token()?;
                let number = match token {
                    Some(Token::Int(n)) => Some(n),
                    Some(Token::Float(n)) => Value::Float(n).as_int(),
                    _ => None,
                };
                let number = number.and_then(|n| <$name>::try_from(n).ok());
                number.ok_or_else(|| values.wrong(concat!("an integer (", stringify!($name), ")"), token))
            }
        }
    )* };
}

integers! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

values! {
    i8: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    i16: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    i32: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    i64: |n, writer| { writer.int(*n); Ok(()) };
    u8: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    u16: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    u32: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    f64: |n, writer| { writer.float(*n); Ok(()) };
    f32: |n, writer| { writer.float(f64::from(*n)); Ok(()) };
    bool: |b, writer| { writer.bool(*b); Ok(()) };
    str: |text, writer| writer.bytes(text.as_bytes());
    String: |text, writer| writer.bytes(text.as_bytes());
    [u8]: |bytes, writer| writer.bytes(bytes);
    Vec<u8>: |bytes, writer| writer.bytes(bytes);
    Value: |value, writer| value.write(writer);
    Table: |table, writer| Value::from(table.clone()).write(writer);
    Handle: |handle, writer| { writer.int(i64::from(handle.0)); Ok(()) };
}

/// A string.
impl<const N: usize> PackValue for [u8; N] {
    fn pack_value(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        writer.bytes(self)
    }
}

impl<const N: usize> Pack for [u8; N] {
    fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        writer.bytes(self)
    }
}

impl<T: PackValue + ?Sized> PackValue for &T {
    #[inline]
    fn pack_value(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        (**self).pack_value(writer)
    }
}

/// `None` is nil.
impl<T: PackValue> PackValue for Option<T> {
    fn pack_value(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        match self {
            Some(value) => value.pack_value(writer),
            None => {
                writer.nil();
                Ok(())
            }
        }
    }
}

/// Each of these types is read from one token.
macro_rules! tokens {
    ($($name:ty, $wanted:literal: $pattern:pat => $value:expr;)*) => { $(
        impl<'a> UnpackValue<'a> for $name {
            #[inline]
            fn unpack_value(values: &mut Row<'a>) -> Result<$name, Error> {
                let token = values.token()?;
                let value = match token {
                    Some($pattern) => $value,
                    _ => None,
                };
                value.ok_or_else(|| values.wrong($wanted, token))
            }
        }
    )* };
}

tokens! {
    bool, "a boolean": Token::Bool(b) => Some(b);
    &'a [u8], "a string": Token::Str(bytes) => Some(bytes);
    Vec<u8>, "a string": Token::Str(bytes) => Some(bytes.to_vec());
    &'a str, "a text": Token::Str(bytes) => std::str::from_utf8(bytes).ok();
    String, "a text": Token::Str(bytes) => String::from_utf8(bytes.to_vec()).ok();
    Handle, "a handle": Token::Int(n) => u32::try_from(n).ok().map(Handle);
}

impl<'a> UnpackValue<'a> for f64 {
    fn unpack_value(values: &mut Row<'a>) -> Result<f64, Error> {
        match values.token()? {
            Some(Token::Float(n)) => Ok(n),
            Some(Token::Int(n)) => Ok(n as f64),
            other => Err(values.wrong("a number", other)),
        }
    }
}

/// Any value; nil behind the last one.
impl<'a> UnpackValue<'a> for Value {
    fn unpack_value(values: &mut Row<'a>) -> Result<Value, Error> {
        match values.token()? {
            Some(token) => Value::read(&mut values.reader, token).map_err(Error::Seri),
            None => Ok(Value::Nil),
        }
    }
}

impl<'a> UnpackValue<'a> for Table {
    fn unpack_value(values: &mut Row<'a>) -> Result<Table, Error> {
        match values.token()? {
            Some(token @ Token::Table { .. }) => {
                match Value::read(&mut values.reader, token).map_err(Error::Seri)? {
                    Value::Table(table) => Ok(*table),
                    _ => Err(values.wrong("a table", Some(token))),
                }
            }
            other => Err(values.wrong("a table", other)),
        }
    }
}

/// nil, or nothing: `None`.
impl<'a, T: UnpackValue<'a>> UnpackValue<'a> for Option<T> {
    fn unpack_value(values: &mut Row<'a>) -> Result<Option<T>, Error> {
        let mut ahead = values.reader.clone();
        if let None | Some(Token::Nil) = ahead.next().map_err(Error::Seri)? {
            values.token()?;
            return Ok(None);
        }
        T::unpack_value(values).map(Some)
    }
}

/// A value alone is read as a row of one.
macro_rules! rows_of_one {
    ($($name:ty)*) => { $(
        impl<'a> Unpack<'a> for $name {
            #[inline]
            fn unpack(values: &mut Row<'a>) -> Result<$name, Error> {
                UnpackValue::unpack_value(values)
            }
        }
    )* };
}

rows_of_one! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize f64 bool &'a [u8] Vec<u8> &'a str String Handle Value Table }

impl<'a, T: UnpackValue<'a>> Unpack<'a> for Option<T> {
    fn unpack(values: &mut Row<'a>) -> Result<Option<T>, Error> {
        UnpackValue::unpack_value(values)
    }
}
