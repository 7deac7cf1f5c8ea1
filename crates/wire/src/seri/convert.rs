//! Rust values to and from [`Value`], [`Table`] and [`Key`].

use super::value::integral;
use super::{Error, Key, Kind, Table, Value};

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Value::Float(v)
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}

impl From<()> for Value {
    fn from(_: ()) -> Self {
        Value::Nil
    }
}

impl From<Vec<u8>> for Value {
    fn from(v: Vec<u8>) -> Self {
        Value::Bytes(v)
    }
}

impl From<String> for Value {
    fn from(v: String) -> Self {
        Value::Bytes(v.into_bytes())
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::Bytes(v.into())
    }
}

impl From<&[u8]> for Value {
    fn from(v: &[u8]) -> Self {
        Value::Bytes(v.into())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(v: &[u8; N]) -> Self {
        Value::Bytes(v.into())
    }
}

impl From<Table> for Value {
    fn from(v: Table) -> Self {
        Value::Table(v.into())
    }
}

/// An array becomes a table with these values; a list of bytes that should be a string is a `&[u8; N]`.
impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(v: [T; N]) -> Self {
        Table::from(v).into()
    }
}

/// A list of values becomes a table with them.
impl From<Vec<Value>> for Value {
    fn from(v: Vec<Value>) -> Self {
        Table::from(v).into()
    }
}

/// `None` is nil.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Nil, Into::into)
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Table {
    fn from(v: [T; N]) -> Self {
        Table::from_values(v)
    }
}

impl From<Vec<Value>> for Table {
    fn from(v: Vec<Value>) -> Self {
        Table::from_values(v)
    }
}

/// Assigns pair after pair.
///
/// # Panics
/// If a key is nil or NaN, where Lua raises an error.
impl<K: Into<Value>, V: Into<Value>> FromIterator<(K, V)> for Table {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut table = Table::new();
        table.extend(pairs);
        table
    }
}

/// Assigns pair after pair.
///
/// # Panics
/// If a key is nil or NaN, where Lua raises an error.
impl<K: Into<Value>, V: Into<Value>> Extend<(K, V)> for Table {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (k, v) in pairs {
            self.insert(k, v);
        }
    }
}

impl<'a> From<&'a Value> for Key<'a> {
    fn from(v: &'a Value) -> Self {
        match v {
            Value::Nil => Key::Nil,
            Value::Bool(v) => Key::Bool(*v),
            Value::Int(v) => Key::Int(*v),
            Value::Float(v) => Key::Float(*v),
            Value::Pointer(v) => Key::Pointer(*v),
            Value::Bytes(v) => Key::Bytes(v),
            Value::Table(v) => Key::Table(v),
        }
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(v: &'a str) -> Self {
        Key::Bytes(v.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Key<'a> {
    fn from(v: &'a [u8]) -> Self {
        Key::Bytes(v)
    }
}

impl From<bool> for Key<'_> {
    fn from(v: bool) -> Self {
        Key::Bool(v)
    }
}

impl From<f64> for Key<'_> {
    fn from(v: f64) -> Self {
        Key::Float(v)
    }
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(v: $t) -> Self {
                Value::Int(v.into())
            }
        }

        impl From<$t> for Key<'_> {
            fn from(v: $t) -> Self {
                Key::Int(v.into())
            }
        }
    )*};
}
integers!(i8, u8, i16, u16, i32, u32, i64);

/// Takes an integer out of a value. A float of an integral value will do, as it does in Lua.
macro_rules! from_integer {
    ($($t:ty),*) => {$(
        impl TryFrom<Value> for $t {
            type Error = Error;

            fn try_from(v: Value) -> Result<Self, Error> {
                let n = match v {
                    Value::Int(n) => Some(n),
                    Value::Float(n) => integral(n),
                    _ => return Err(wrong(Kind::Integer, &v)),
                };
                n.and_then(|n| n.try_into().ok()).ok_or(Error::OutOfRange(stringify!($t)))
            }
        }
    )*};
}
from_integer!(i8, u8, i16, u16, i32, u32, i64, u64, isize, usize);

impl TryFrom<Value> for f64 {
    type Error = Error;

    /// An integer will do, too, if no digit is lost.
    fn try_from(v: Value) -> Result<Self, Error> {
        match v {
            Value::Float(n) => Ok(n),
            Value::Int(n) if integral(n as f64) == Some(n) => Ok(n as f64),
            Value::Int(_) => Err(Error::OutOfRange("f64")),
            _ => Err(wrong(Kind::Float, &v)),
        }
    }
}

impl TryFrom<Value> for bool {
    type Error = Error;

    fn try_from(v: Value) -> Result<Self, Error> {
        v.as_bool().ok_or(wrong(Kind::Boolean, &v))
    }
}

impl TryFrom<Value> for Vec<u8> {
    type Error = Error;

    fn try_from(v: Value) -> Result<Self, Error> {
        if let Value::Bytes(v) = v {
            Ok(v)
        } else {
            Err(wrong(Kind::String, &v))
        }
    }
}

impl TryFrom<Value> for String {
    type Error = Error;

    fn try_from(v: Value) -> Result<Self, Error> {
        String::from_utf8(v.try_into()?).map_err(|_| Error::NotUtf8)
    }
}

impl TryFrom<Value> for Table {
    type Error = Error;

    fn try_from(v: Value) -> Result<Self, Error> {
        if let Value::Table(v) = v {
            Ok(*v)
        } else {
            Err(wrong(Kind::Table, &v))
        }
    }
}

fn wrong(wanted: Kind, got: &Value) -> Error {
    Error::WrongKind {
        wanted,
        got: got.kind(),
    }
}

/// The arguments of a message: a `Vec<Value>` made of anything that converts into a [`Value`].
///
/// ```
/// use skynet_wire::seri::{Value, args};
///
/// assert_eq!(args![1, "a", ()], [Value::Int(1), "a".into(), Value::Nil]);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __seri_args {
    ($($v:expr),* $(,)?) => {{
        // Also when it is empty, there is no doubt of what it is a list of.
        let values: ::std::vec::Vec<$crate::seri::Value> = ::std::vec![$($crate::seri::Value::from($v)),*];
        values
    }};
}

/// A [`Table`] with these keys and values.
///
/// ```
/// use skynet_wire::seri::{Table, table};
///
/// let mut same = Table::new();
/// same.insert("x", 1.5);
/// same.insert(-1, true);
/// assert_eq!(table! { "x" => 1.5, -1 => true }, same);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __seri_table {
    ($($k:expr => $v:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut table = $crate::seri::Table::new();
        $(table.insert($k, $v);)*
        table
    }};
}
