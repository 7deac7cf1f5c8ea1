//! Messages of PostgreSQL's protocol, version 3: what a client reads of answers, and what it sends.
//!
//! Requests and logins are made by the crate `postgres-protocol`. Its reader of answers wants them in buffers of its
//! own; what is here reads rows where they lie.

mod array;
pub mod login;
pub mod request;

use std::fmt;

pub use array::{ArrayItem, ArrayItems};

/// Bytes before the content of a message: its kind, and its length without the kind.
pub const HEAD: usize = 5;

/// What is wrong with a message of the server, or with what is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message whose length is less than that of the length itself.
    #[error("pgsql: a message of kind {kind} with a length of {length}")]
    Length {
        /// The letter of the message.
        kind: Letter,
        /// What it says.
        length: u32,
    },
    /// A message that ends before what it says that it has.
    #[error("pgsql: a message of kind {0} that does not have what it says")]
    Short(Letter),
    /// An array with more brackets than anybody needs, or without its end.
    #[error(
        "pgsql: the text of an array is malformed, or deeper than {} levels",
        array::MAX_DEPTH
    )]
    Array,
    /// A request that cannot be sent.
    #[error("pgsql: {0}")]
    Request(String),
    /// A login that cannot go on.
    #[error("pgsql: login: {0}")]
    Login(String),
}

/// The letter that says what a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter(pub u8);

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "'{}'", self.0.escape_ascii())
    }
}

/// The head of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its letter.
    pub kind: u8,
    /// The bytes behind the head.
    pub size: usize,
}

impl Head {
    /// Reads it.
    pub fn of(bytes: [u8; HEAD]) -> Result<Head, Error> {
        let [kind, length @ ..] = bytes;
        let length = u32::from_be_bytes(length);
        match length.checked_sub(4) {
            Some(size) => Ok(Head {
                kind,
                size: size as usize,
            }),
            None => Err(Error::Length {
                kind: Letter(kind),
                length,
            }),
        }
    }
}

/// What lies in a message, taken from its front.
struct Content<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl<'a> Content<'a> {
    fn bytes(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or(Error::Short(Letter(self.kind)))?;
        self.rest = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.bytes(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.bytes(4)
            .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// A text that ends in a zero byte.
    fn text(&mut self) -> Result<&'a [u8], Error> {
        let end = self.rest.iter().position(|byte| *byte == 0);
        let text = self.bytes(end.ok_or(Error::Short(Letter(self.kind)))?)?;
        self.bytes(1)?;
        Ok(text)
    }
}

/// The values of a row (`DataRow`), as text; none is NULL.
pub struct Row<'a> {
    content: Content<'a>,
    /// How many there are.
    pub count: u16,
}

impl<'a> Row<'a> {
    /// The content of a message `D`.
    pub fn of(content: &'a [u8]) -> Result<Row<'a>, Error> {
        let mut content = Content {
            kind: b'D',
            rest: content,
        };
        let count = content.u16()?;
        Ok(Row { content, count })
    }

    /// The next one. To be asked for `count` times.
    pub fn value(&mut self) -> Result<Option<&'a [u8]>, Error> {
        match self.content.u32()? {
            u32::MAX => Ok(None),
            size => self.content.bytes(size as usize).map(Some),
        }
    }
}

/// A column of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The number of its type.
    pub oid: u32,
}

/// The columns of a result (`RowDescription`).
pub struct Columns<'a> {
    content: Content<'a>,
    /// How many there are.
    pub count: u16,
}

impl<'a> Columns<'a> {
    /// The content of a message `T`.
    pub fn of(content: &'a [u8]) -> Result<Columns<'a>, Error> {
        let mut content = Content {
            kind: b'T',
            rest: content,
        };
        let count = content.u16()?;
        Ok(Columns { content, count })
    }

    /// The next one. To be asked for `count` times.
    pub fn column(&mut self) -> Result<Column<'a>, Error> {
        let name = self.content.text()?;
        // Table and number of the column.
        self.content.bytes(6)?;
        let oid = self.content.u32()?;
        // Size, modifier and form.
        self.content.bytes(8)?;
        Ok(Column { name, oid })
    }
}

/// The fields of an error or a notice: a letter and a text each.
pub fn fields(content: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    content.split(|byte| *byte == 0).filter_map(|field| {
        let (letter, text) = field.split_first()?;
        Some((*letter, text))
    })
}

/// What a value's text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It stays as it is.
    Text,
    /// `t` or `f`.
    Bool,
    /// An integer of at most 64 bits.
    Integer,
    /// A number with a binary point.
    Float,
    /// Bytes, written as `\x` and hexadecimal digits.
    Bytes,
    /// JSON, which is text as well.
    Json,
}

/// A type of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    /// What a value, or an item of an array, becomes.
    pub kind: Kind,
    /// It is an array.
    pub array: bool,
}

impl Type {
    /// By the number that all servers give it.
    pub fn of(oid: u32) -> Type {
        let one = |kind| Type { kind, array: false };
        let many = |kind| Type { kind, array: true };
        match oid {
            16 => one(Kind::Bool),
            17 => one(Kind::Bytes),
            20 | 21 | 23 | 26 => one(Kind::Integer),
            700 | 701 => one(Kind::Float),
            114 | 3802 => one(Kind::Json),
            1000 => many(Kind::Bool),
            1001 => many(Kind::Bytes),
            1005 | 1007 | 1016 | 1028 => many(Kind::Integer),
            1021 | 1022 => many(Kind::Float),
            199 | 3807 => many(Kind::Json),
            // char, name, text, bpchar, varchar, date, time, timestamp, timestamptz, interval, numeric, uuid, inet.
            1002 | 1003 | 1009 | 1014 | 1015 | 1182 | 1183 | 1115 | 1185 | 1187 | 1231 | 2951
            | 1041 => many(Kind::Text),
            _ => one(Kind::Text),
        }
    }
}
