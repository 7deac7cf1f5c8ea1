//! Which Rust types are values, and rows of values.

use super::{Pack, PackValue, Row, Unpack, UnpackValue, pack_any, pack_table};
use crate::service::{Error, Values};
use skynet_kernel::Handle;
use skynet_wire::seri::{self, Table, Token, Value, Writer};
use std::collections::{BTreeMap, HashMap};

// ---- lists

/// A list: a table of its values. Bytes are a string. A list of [`Value`]s that is a whole row is a row of them.
macro_rules! lists {
    ($([$($const:tt)*] $name:ty;)*) => { $(
        impl<T: PackValue, $($const)*> PackValue for $name {
            #[inline]
            fn pack_value(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
                T::pack_list(self, writer)
            }
        }

        impl<T: PackValue, $($const)*> Pack for $name {
            #[inline]
            fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
                T::pack_row(self, writer)
            }
        }
    )* };
}

lists! {
    [] [T];
    [] Vec<T>;
    [const N: usize] [T; N];
}

impl<'a, T: UnpackValue<'a>> UnpackValue<'a> for Vec<T> {
    #[inline]
    fn unpack_value(values: &mut Row<'a>) -> Result<Vec<T>, Error> {
        T::unpack_list(values)
    }
}

impl<'a, T: UnpackValue<'a>> Unpack<'a> for Vec<T> {
    #[inline]
    fn unpack(values: &mut Row<'a>) -> Result<Vec<T>, Error> {
        T::unpack_row(values)
    }
}

/// A table with names.
macro_rules! maps {
    ($($name:ident)*) => { $(
        impl<V: PackValue> PackValue for $name<String, V> {
            fn pack_value(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
                let mut pairs = self.iter().filter(|(_, value)| !value.is_nil()).peekable();
                let empty = pairs.peek().is_none();
                pack_table(writer, 0, empty, |writer| {
                    pairs.try_for_each(|(key, value)| {
                        key.pack_value(writer)?;
                        value.pack_value(writer)
                    })
                })
            }
        }

        impl<V: PackValue> Pack for $name<String, V> {
            fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
                self.pack_value(writer)
            }
        }

        impl<'a, V: UnpackValue<'a>> UnpackValue<'a> for $name<String, V> {
            fn unpack_value(values: &mut Row<'a>) -> Result<Self, Error> {
                let mut map = $name::new();
                values.fields(|values, name| {
                    let name = String::from_utf8_lossy(name).into_owned();
                    map.insert(name, V::unpack_value(values)?);
                    Ok(true)
                })?;
                Ok(map)
            }
        }

        impl<'a, V: UnpackValue<'a>> Unpack<'a> for $name<String, V> {
            fn unpack(values: &mut Row<'a>) -> Result<Self, Error> {
                UnpackValue::unpack_value(values)
            }
        }
    )* };
}

maps! { HashMap BTreeMap }

impl<T: Pack + ?Sized> Pack for &T {
    fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        (**self).pack(writer)
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
    ($($name:ty $({ $($more:tt)* })?)*) => { $(
        impl<'a> UnpackValue<'a> for $name {
            $($($more)*)?

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

integers! {
    u8 {
        fn unpack_list(values: &mut Row<'a>) -> Result<Vec<u8>, Error> {
            <&[u8]>::unpack_value(values).map(<[u8]>::to_vec)
        }
    }
    i8 i16 i32 i64 isize u16 u32 u64 usize
}

values! {
    i8: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    i16: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    i32: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    i64: |n, writer| { writer.int(*n); Ok(()) };
    u16: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    u32: |n, writer| { writer.int(i64::from(*n)); Ok(()) };
    f64: |n, writer| { writer.float(*n); Ok(()) };
    f32: |n, writer| { writer.float(f64::from(*n)); Ok(()) };
    bool: |b, writer| { writer.bool(*b); Ok(()) };
    str: |text, writer| writer.bytes(text.as_bytes());
    String: |text, writer| writer.bytes(text.as_bytes());
    Table: |table, writer| pack_any(&Value::from(table.clone()), writer);
    Handle: |handle, writer| { writer.int(i64::from(handle.0)); Ok(()) };
}

impl PackValue for u8 {
    #[inline]
    fn pack_value(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        writer.int(i64::from(*self));
        Ok(())
    }

    fn pack_list(list: &[u8], writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        writer.bytes(list)
    }
}

impl Pack for u8 {
    fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        self.pack_value(writer)
    }
}

impl PackValue for Value {
    fn is_nil(&self) -> bool {
        Value::is_nil(self)
    }

    fn pack_value(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        pack_any(self, writer)
    }

    fn pack_row(list: &[Value], writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        list.iter().try_for_each(|value| value.write(writer))
    }
}

impl Pack for Value {
    fn pack(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        self.write(writer)
    }
}

impl<T: PackValue + ?Sized> PackValue for &T {
    #[inline]
    fn pack_value(&self, writer: &mut Writer<'_>) -> Result<(), seri::Error> {
        (**self).pack_value(writer)
    }

    fn is_nil(&self) -> bool {
        (**self).is_nil()
    }
}

/// `None` is nil.
impl<T: PackValue> PackValue for Option<T> {
    fn is_nil(&self) -> bool {
        self.as_ref().is_none_or(PackValue::is_nil)
    }

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

    fn unpack_row(values: &mut Row<'a>) -> Result<Values, Error> {
        let mut all = Values::new();
        while let Some(token) = values.token()? {
            all.push(Value::read(&mut values.reader, token).map_err(Error::Seri)?);
        }
        Ok(all)
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

rows_of_one! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize f64 bool &'a [u8] &'a str String Handle Value Table }

impl<'a, T: UnpackValue<'a>> Unpack<'a> for Option<T> {
    fn unpack(values: &mut Row<'a>) -> Result<Option<T>, Error> {
        UnpackValue::unpack_value(values)
    }
}
