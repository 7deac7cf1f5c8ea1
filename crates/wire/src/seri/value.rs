//! Values as a tree, for Rust code that wants to hold them or does not mind an allocation.

use std::fmt;

use super::{Error, Kind, MAX_DEPTH, MAX_NESTING, Reader, Table, Token, Writer};

/// A value as Lua sees it: what a message's arguments consist of.
///
/// Made from Rust values by `From`, taken apart by `TryFrom` or the `as_` methods.
///
/// ```
/// use skynet_wire::seri::{self, Value, args, table};
///
/// let bytes = seri::pack(&args!["login", 42, table! { "name" => "alice", "tags" => ["a", "b"] }])?;
///
/// let got = seri::unpack(&bytes)?;
/// assert_eq!(got[0], "login".into());
/// assert_eq!(i64::try_from(got[1].clone())?, 42);
/// let player = got[2].as_table().unwrap();
/// assert_eq!(player.get("name").and_then(Value::as_str), Some("alice"));
/// assert_eq!(player.get("tags"), Some(&["a", "b"].into()));
/// # Ok::<(), skynet_wire::seri::Error>(())
/// ```
///
/// Two values are equal when they are of the same kind and hold the same; the integer 1 and the float 1.0
/// are of different kinds here, although Lua calls them equal. A NaN is equal to nothing.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// nil.
    #[default]
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A light userdata: an address in the process that packed it.
    Pointer(u64),
    /// A string, which in Lua is any sequence of bytes.
    Bytes(Vec<u8>),
    /// A table, boxed to keep a value at three words.
    Table(Box<Table>),
}

/// Packs values one after the other, as `skynet.packstring` does with its arguments.
///
/// Equal values give equal bytes: a [`Table`] keeps its pairs in a fixed order.
///
/// # Errors
/// [`Error::TooDeep`], [`Error::TooLong`].
///
/// ```
/// use skynet_wire::seri::{self, args};
///
/// assert_eq!(seri::pack(&args![1, true, "a"])?, b"\x0a\x01\x09\x0ca");
/// # Ok::<(), skynet_wire::seri::Error>(())
/// ```
pub fn pack(values: &[Value]) -> Result<Vec<u8>, Error> {
    let mut buf = Vec::new();
    let mut w = Writer::new(&mut buf);
    for value in values {
        value.write(&mut w)?;
    }
    Ok(buf)
}

/// Unpacks all values of a stream.
///
/// # Errors
/// [`Error::Invalid`] if the stream is not valid, [`Error::NanKey`] if a table in it has such a key, and
/// [`Error::TooNested`].
///
/// ```
/// use skynet_wire::seri::{self, Value};
///
/// assert_eq!(seri::unpack(b"\x0a\x01\x00")?, [Value::Int(1), Value::Nil]);
///
/// let cut = seri::unpack(b"\x1ccm").unwrap_err().to_string();
/// assert!(cut.starts_with("Invalid serialize stream 2 (line:"));
/// # Ok::<(), skynet_wire::seri::Error>(())
/// ```
pub fn unpack(stream: &[u8]) -> Result<Vec<Value>, Error> {
    let mut r = Reader::new(stream);
    let mut values = Vec::new();
    while let Some(token) = r.next()? {
        values.push(Value::read(&mut r, token)?);
    }
    Ok(values)
}

impl Value {
    /// Writes this value.
    ///
    /// # Errors
    /// [`Error::TooDeep`] and [`Error::TooLong`]; a part of the value may have been written then.
    pub fn write(&self, w: &mut Writer<'_>) -> Result<(), Error> {
        self.write_at(w, 0)
    }

    /// The same for a value inside `depth` tables, which somebody else writes.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_at(&self, w: &mut Writer<'_>, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        match self {
            Value::Nil => w.nil(),
            Value::Bool(v) => w.bool(*v),
            Value::Int(v) => w.int(*v),
            Value::Float(v) => w.float(*v),
            Value::Pointer(v) => w.pointer(*v),
            Value::Bytes(v) => w.bytes(v)?,
            Value::Table(t) => {
                w.begin_table(t.array().len());
                for v in t.array() {
                    v.write_at(w, depth + 1)?;
                }
                for (k, v) in t.pairs() {
                    k.write_at(w, depth + 1)?;
                    v.write_at(w, depth + 1)?;
                }
                w.end_table();
            }
        }
        Ok(())
    }

    /// The value that begins with `token`, which has been read from `r`; what a table holds is read from there, too.
    ///
    /// # Errors
    /// As [`unpack`].
    pub fn read(r: &mut Reader<'_>, token: Token<'_>) -> Result<Value, Error> {
        Value::read_at(r, token, 0)
    }

    fn read_at(r: &mut Reader<'_>, token: Token<'_>, depth: usize) -> Result<Value, Error> {
        Ok(match token {
            Token::Nil => Value::Nil,
            Token::Bool(v) => Value::Bool(v),
            Token::Int(v) => Value::Int(v),
            Token::Float(v) => Value::Float(v),
            Token::Pointer(v) => Value::Pointer(v),
            Token::Str(v) => Value::Bytes(v.to_vec()),
            Token::Table { .. } if depth == MAX_NESTING => return Err(Error::TooNested),
            Token::Table { array_len } => {
                let mut array = Vec::with_capacity(r.reserve(array_len));
                for _ in 0..array_len {
                    let token = r.value()?;
                    array.push(Value::read_at(r, token, depth + 1)?);
                }
                let mut pairs = Vec::new();
                loop {
                    let key = match r.value()? {
                        Token::Nil => break,
                        Token::Float(k) if k.is_nan() => return Err(Error::NanKey),
                        token => Value::read_at(r, token, depth + 1)?,
                    };
                    let token = r.value()?;
                    pairs.push((key, Value::read_at(r, token, depth + 1)?));
                }
                Value::Table(Box::new(Table::assigned(array, pairs)))
            }
        })
    }

    /// The type of this value.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Nil => Kind::Nil,
            Value::Bool(_) => Kind::Boolean,
            Value::Int(_) => Kind::Integer,
            Value::Float(_) => Kind::Float,
            Value::Pointer(_) => Kind::Pointer,
            Value::Bytes(_) => Kind::String,
            Value::Table(_) => Kind::Table,
        }
    }

    /// Whether this is nil.
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(v) = self {
            Some(*v)
        } else {
            None
        }
    }

    /// The integer, if it is one, or a float of an integral value in range.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(v) => Some(*v),
            Value::Float(v) => integral(*v),
            _ => None,
        }
    }

    /// The number, if it is one; an integer above 2^53 may lose digits.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Int(v) => Some(*v as f64),
            Value::Float(v) => Some(*v),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Value::Bytes(v) = self {
            Some(v)
        } else {
            None
        }
    }

    /// The string, if it is one and is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|v| std::str::from_utf8(v).ok())
    }

    /// The table, if it is one.
    pub fn as_table(&self) -> Option<&Table> {
        if let Value::Table(v) = self {
            Some(v)
        } else {
            None
        }
    }

    /// The table, if it is one.
    pub fn as_table_mut(&mut self) -> Option<&mut Table> {
        if let Value::Table(v) = self {
            Some(v)
        } else {
            None
        }
    }
}

/// The integer of the same value as `v`, if there is one.
pub(super) fn integral(v: f64) -> Option<i64> {
    // Both bounds are exact: the lowest i64 and one above the highest.
    (v >= i64::MIN as f64 && v < -(i64::MIN as f64) && v.trunc() == v).then_some(v as i64)
}

/// As in Lua source, with strings in Rust's escapes.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Bool(v) => v.fmt(f),
            Value::Int(v) => v.fmt(f),
            Value::Float(v) => v.fmt(f),
            Value::Pointer(v) => write!(f, "light userdata {v:#x}"),
            Value::Bytes(v) => write!(f, "\"{}\"", v.escape_ascii()),
            Value::Table(v) => v.fmt(f),
        }
    }
}
