//! Binary schemas: what types and protocols there are.
//!
//! Types and protocols lie in the order of their names and numbers, by which they are found.

use super::message::{Items, Struct, Value};
use super::{Error, Writer};

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An integer; with so many decimals, a number with a fixed point.
    Integer(u32),
    /// A boolean.
    Boolean,
    /// A string, or a binary one, which is the same but for its name.
    Text {
        /// It was declared as binary.
        binary: bool,
    },
    /// A double.
    Double,
    /// A message of the type with this index.
    Struct(usize),
}

/// A field of a type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name.
    pub name: Box<[u8]>,
    /// Its number.
    pub tag: u32,
    /// Its type, or that of its elements.
    pub kind: Kind,
    /// Is it an array?
    pub array: bool,
    /// The number of the field of the elements by which they are indexed.
    pub key: Option<u32>,
    /// The elements are pairs: two fields, key and value.
    pub map: bool,
}

/// A type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Type {
    /// Its full name.
    pub name: Box<[u8]>,
    /// Its fields, in the order of their numbers.
    pub fields: Vec<Field>,
}

impl Type {
    /// The field with this number.
    pub fn field(&self, tag: u32) -> Option<&Field> {
        // Most types number their fields from 0 without gaps.
        match self.fields.get(tag as usize) {
            Some(field) if field.tag == tag => Some(field),
            _ => {
                let at = self.fields.binary_search_by_key(&tag, |f| f.tag).ok()?;
                self.fields.get(at)
            }
        }
    }

    /// The most words that a message of this type can have: each field may have absent ones before it.
    pub fn words(&self) -> usize {
        2 * self.fields.len()
    }
}

/// A protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Protocol {
    /// Its name.
    pub name: Box<[u8]>,
    /// Its number.
    pub tag: u32,
    /// Index of the type of the request, if it has content.
    pub request: Option<usize>,
    /// Index of the type of the response.
    pub response: Option<usize>,
    /// There is a response, without content.
    pub confirm: bool,
}

/// The types and protocols of a schema.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Schema {
    types: Vec<Type>,
    protocols: Vec<Protocol>,
}

/// The largest number of a field: one more would not fit into a word that skips to it.
pub(super) const MAX_TAG: u32 = 0x7fff;

impl Schema {
    /// Reads a binary schema.
    ///
    /// # Errors
    /// [`Error::Decode`] or [`Error::Schema`] if the bytes are none.
    pub fn load(bytes: &[u8]) -> Result<Schema, Error> {
        let mut schema = Schema::default();
        let mut types = Vec::new();
        let mut group = Struct::new(bytes)?;
        while let Some((tag, value)) = group.next()? {
            let items = Items(value.data()?);
            match tag {
                0 => types = items.collect::<Result<_, _>>()?,
                1 => {
                    for item in items {
                        schema.protocols.push(protocol(item?, types.len())?);
                    }
                }
                _ => return Err(Error::Schema),
            }
        }
        for item in &types {
            schema.types.push(type_of(item, types.len())?);
        }
        let ascending = schema.protocols.windows(2).all(|p| p[0].tag < p[1].tag);
        if !ascending {
            return Err(Error::Schema);
        }
        Ok(schema)
    }

    /// The binary form.
    pub(super) fn save(&self) -> Result<Vec<u8>, Error> {
        let mut w = Writer::default();
        let mut group = w.begin(2);
        if !self.types.is_empty() {
            let list = w.data(&mut group, 0);
            for t in &self.types {
                let item = w.item();
                save_type(&mut w, t)?;
                w.end_item(item);
            }
            w.end_item(list);
        }
        if !self.protocols.is_empty() {
            let list = w.data(&mut group, 1);
            for p in &self.protocols {
                let item = w.item();
                let mut open = w.begin(5);
                save_text(&mut w, &mut open, &p.name);
                w.integer(&mut open, 1, p.tag.into());
                // As skynet (C) does it: one word for each of the two that is absent.
                match p.request {
                    Some(index) => w.integer(&mut open, 2, index as i64),
                    None if p.response.is_some() || p.confirm => w.skip(&mut open),
                    None => {}
                }
                match p.response {
                    Some(index) => w.integer(&mut open, 3, index as i64),
                    None if p.confirm => w.skip(&mut open),
                    None => {}
                }
                if p.confirm {
                    w.inline(&mut open, 4, 1);
                }
                w.end(open)?;
                w.end_item(item);
            }
            w.end_item(list);
        }
        w.end(group)?;
        Ok(w.bytes().to_vec())
    }

    /// From what a text says; types in the order of their names, protocols in that of their numbers.
    pub(super) fn new(types: Vec<Type>, protocols: Vec<Protocol>) -> Schema {
        Schema { types, protocols }
    }

    /// The types.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// The protocols.
    pub fn protocols(&self) -> &[Protocol] {
        &self.protocols
    }

    /// Index of the type of this name.
    pub fn find_type(&self, name: &[u8]) -> Option<usize> {
        self.types.iter().position(|t| &*t.name == name)
    }

    /// The protocol of this number.
    pub fn protocol(&self, tag: u32) -> Option<&Protocol> {
        let at = self.protocols.binary_search_by_key(&tag, |p| p.tag).ok()?;
        self.protocols.get(at)
    }

    /// The protocol of this name.
    pub fn protocol_named(&self, name: &[u8]) -> Option<&Protocol> {
        self.protocols.iter().find(|p| &*p.name == name)
    }
}

fn save_text(w: &mut Writer, open: &mut super::Open, text: &[u8]) {
    let item = w.data(open, 0);
    w.raw(text);
    w.end_item(item);
}

fn save_type(w: &mut Writer, t: &Type) -> Result<(), Error> {
    let mut open = w.begin(2);
    save_text(w, &mut open, &t.name);
    if !t.fields.is_empty() {
        let list = w.data(&mut open, 1);
        for field in &t.fields {
            let item = w.item();
            save_field(w, field)?;
            w.end_item(item);
        }
        w.end_item(list);
    }
    w.end(open)
}

fn save_field(w: &mut Writer, f: &Field) -> Result<(), Error> {
    let mut open = w.begin(14);
    save_text(w, &mut open, &f.name);
    let (builtin, sub) = match f.kind {
        Kind::Integer(0) => (Some(0), None),
        Kind::Integer(decimals) => (Some(0), Some(decimals as usize)),
        Kind::Boolean => (Some(1), None),
        Kind::Text { binary } => (Some(2), binary.then_some(1)),
        Kind::Double => (Some(3), None),
        Kind::Struct(index) => (None, Some(index)),
    };
    if let Some(n) = builtin {
        w.integer(&mut open, 1, n);
    }
    if let Some(n) = sub {
        w.integer(&mut open, 2, n as i64);
    }
    w.integer(&mut open, 3, f.tag.into());
    if f.array {
        w.inline(&mut open, 4, 1);
    }
    if let Some(key) = f.key {
        w.integer(&mut open, 5, key.into());
    }
    if f.map {
        w.inline(&mut open, 6, 1);
    }
    w.end(open)
}

/// A small number in a schema.
fn index(value: Value<'_>) -> Result<usize, Error> {
    usize::try_from(value.integer()?).map_err(|_| Error::Schema)
}

fn tag_number(value: Value<'_>, max: u32) -> Result<u32, Error> {
    let n = u32::try_from(value.integer()?).map_err(|_| Error::Schema)?;
    if n > max { Err(Error::Schema) } else { Ok(n) }
}

fn type_of(bytes: &[u8], types: usize) -> Result<Type, Error> {
    let mut name: Option<Box<[u8]>> = None;
    let mut fields: Vec<Field> = Vec::new();
    let mut s = Struct::new(bytes)?;
    while let Some((tag, value)) = s.next()? {
        match tag {
            0 => name = Some(value.data()?.into()),
            1 => {
                for item in Items(value.data()?) {
                    let field = field(item?, types)?;
                    if fields.last().is_some_and(|last| last.tag >= field.tag) {
                        return Err(Error::Schema);
                    }
                    fields.push(field);
                }
            }
            _ => return Err(Error::Schema),
        }
    }
    let name = name.ok_or(Error::Schema)?;
    Ok(Type { name, fields })
}

fn field(bytes: &[u8], types: usize) -> Result<Field, Error> {
    let mut name: Option<Box<[u8]>> = None;
    let (mut builtin, mut sub, mut number) = (None, None, None);
    let (mut array, mut key, mut map) = (false, None, false);
    let mut s = Struct::new(bytes)?;
    while let Some((tag, value)) = s.next()? {
        match tag {
            0 => name = Some(value.data()?.into()),
            1 => builtin = Some(index(value)?),
            2 => sub = Some(index(value)?),
            3 => number = Some(tag_number(value, MAX_TAG)?),
            4 => array = value.integer()? != 0,
            5 => key = Some(tag_number(value, MAX_TAG)?),
            6 => map = value.integer()? != 0,
            _ => return Err(Error::Schema),
        }
    }
    let kind = match (builtin, sub) {
        (Some(0), None) => Kind::Integer(0),
        // 10 to the power of this has to be a number.
        (Some(0), Some(decimals)) if decimals <= 300 => Kind::Integer(decimals as u32),
        (Some(1), _) => Kind::Boolean,
        (Some(2), sub) => Kind::Text {
            binary: sub == Some(1),
        },
        (Some(3), _) => Kind::Double,
        (None, Some(index)) if index < types => Kind::Struct(index),
        _ => return Err(Error::Schema),
    };
    Ok(Field {
        name: name.ok_or(Error::Schema)?,
        tag: number.ok_or(Error::Schema)?,
        kind,
        array,
        key,
        map,
    })
}

fn protocol(bytes: &[u8], types: usize) -> Result<Protocol, Error> {
    let mut name: Option<Box<[u8]>> = None;
    let (mut number, mut request, mut response, mut confirm) = (None, None, None, false);
    let type_index =
        |value| index(value).and_then(|n| (n < types).then_some(n).ok_or(Error::Schema));
    let mut s = Struct::new(bytes)?;
    while let Some((tag, value)) = s.next()? {
        match tag {
            0 => name = Some(value.data()?.into()),
            1 => number = Some(tag_number(value, u32::MAX)?),
            2 => request = Some(type_index(value)?),
            3 => response = Some(type_index(value)?),
            4 => confirm = value.integer()? != 0,
            _ => return Err(Error::Schema),
        }
    }
    Ok(Protocol {
        name: name.ok_or(Error::Schema)?,
        tag: number.ok_or(Error::Schema)?,
        request,
        response,
        confirm,
    })
}
