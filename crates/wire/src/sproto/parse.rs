//! The schema language, in two stages: the text is read into a tree (`Parser`), and then names are looked up in it
//! (`Resolver`).

use std::collections::{BTreeMap, HashSet};

use super::schema::{MAX_TAG, Protocol, Type};
use super::{Error, Field, Kind, Schema};

/// The binary form of a schema text. `name` is what errors call the text.
///
/// # Errors
/// [`Error::Text`] says what is wrong with the text.
pub fn parse(text: &[u8], name: &str) -> Result<Vec<u8>, Error> {
    let mut parser = Parser {
        text,
        at: 0,
        name,
        types: BTreeMap::new(),
        protocols: BTreeMap::new(),
        names: HashSet::new(),
    };
    parser.schema()?;
    Resolver::new(&parser).schema()?.save()
}

fn fail<T>(text: String) -> Result<T, Error> {
    Err(Error::Text(text))
}

/// A field as it was written.
struct FieldText {
    name: String,
    tag: u32,
    array: bool,
    type_name: String,
    /// What is in the parentheses.
    key: Option<String>,
}

/// A protocol as it was written; names of types.
#[derive(Default)]
struct ProtocolText {
    name: String,
    request: Option<String>,
    response: Option<String>,
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    name: &'a str,
    /// By full name.
    types: BTreeMap<String, Vec<FieldText>>,
    protocols: BTreeMap<u32, ProtocolText>,
    names: HashSet<String>,
}

/// Types inside types.
const MAX_NESTING: usize = 100;

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn syntax<T>(&self) -> Result<T, Error> {
        let line = 1 + self.text[..self.at].iter().filter(|&&b| b == b'\n').count();
        fail(format!("syntax error at [{}] line ({line})", self.name))
    }

    /// Skips blanks and comments; were there any?
    fn blanks(&mut self) -> bool {
        let start = self.at;
        while let Some(b) = self.peek() {
            match b {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => {
                    while self.peek().is_some_and(|b| b != b'\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
        self.at > start
    }

    fn need_blanks(&mut self) -> Result<(), Error> {
        if self.blanks() { Ok(()) } else { self.syntax() }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, byte: u8) -> Result<(), Error> {
        if self.take(byte) {
            Ok(())
        } else {
            self.syntax()
        }
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn word(&mut self) -> Result<String, Error> {
        if !self
            .peek()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        {
            return self.syntax();
        }
        Ok(self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_'))
    }

    fn type_name(&mut self) -> Result<String, Error> {
        let mut name = self.word()?;
        while self.take(b'.') {
            name.push('.');
            name += &self.word()?;
        }
        Ok(name)
    }

    fn number(&mut self, max: u32) -> Result<u32, Error> {
        let digits = self.take_while(|b| b.is_ascii_digit());
        match digits.parse() {
            Ok(n) if n <= max => Ok(n),
            _ => self.syntax(),
        }
    }

    fn schema(&mut self) -> Result<(), Error> {
        self.blanks();
        while let Some(b) = self.peek() {
            if b == b'.' {
                self.type_definition("", 0)?;
            } else {
                self.protocol()?;
            }
            self.blanks();
        }
        Ok(())
    }

    /// `.name { … }`
    fn type_definition(&mut self, outer: &str, depth: usize) -> Result<(), Error> {
        self.need(b'.')?;
        let name = self.word()?;
        let full = match outer {
            "" => name,
            outer => format!("{outer}.{name}"),
        };
        self.blanks();
        self.body(full, depth)
    }

    /// `{ … }`, the fields of a type and the types inside it.
    fn body(&mut self, full: String, depth: usize) -> Result<(), Error> {
        if depth > MAX_NESTING {
            return self.syntax();
        }
        self.need(b'{')?;
        let mut fields = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                Some(b'}') => break,
                Some(b'.') => self.type_definition(&full, depth + 1)?,
                _ => fields.push(self.field()?),
            }
        }
        self.need(b'}')?;
        check_fields(&full, &fields)?;
        if self.types.contains_key(&full) {
            return fail(format!("redefined {full}"));
        }
        self.types.insert(full, fields);
        Ok(())
    }

    /// `name tag : *type(key)`
    fn field(&mut self) -> Result<FieldText, Error> {
        let name = self.word()?;
        self.need_blanks()?;
        let tag = self.number(MAX_TAG)?;
        self.blanks();
        self.need(b':')?;
        self.blanks();
        let array = self.take(b'*');
        let type_name = self.type_name()?;
        let mut key = None;
        if self.take(b'(') {
            self.blanks();
            key = Some(self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_'));
            self.blanks();
            self.need(b')')?;
        }
        Ok(FieldText {
            name,
            tag,
            array,
            type_name,
            key,
        })
    }

    /// `name tag { request … response … }`
    fn protocol(&mut self) -> Result<(), Error> {
        let name = self.word()?;
        self.need_blanks()?;
        let tag = self.number(u32::MAX)?;
        self.blanks();
        self.need(b'{')?;
        let mut protocol = ProtocolText {
            name: name.clone(),
            ..ProtocolText::default()
        };
        loop {
            self.blanks();
            if self.take(b'}') {
                break;
            }
            let start = self.at;
            let part = self.word()?;
            if part != "request" && part != "response" {
                self.at = start;
                return self.syntax();
            }
            self.blanks();
            let type_name = if self.peek() == Some(b'{') {
                let full = format!("{name}.{part}");
                self.redefinition(&protocol, &part)?;
                self.body(full.clone(), 0)?;
                full
            } else {
                self.type_name()?
            };
            self.redefinition(&protocol, &part)?;
            let place = match part.as_str() {
                "request" => &mut protocol.request,
                _ => &mut protocol.response,
            };
            *place = Some(type_name);
        }
        if self.protocols.contains_key(&tag) {
            return fail(format!("redefined protocol tag {tag} at {name}"));
        }
        if !self.names.insert(name.clone()) {
            return fail(format!("redefined {name}"));
        }
        self.protocols.insert(tag, protocol);
        Ok(())
    }

    fn redefinition(&self, protocol: &ProtocolText, part: &str) -> Result<(), Error> {
        let before = match part {
            "request" => &protocol.request,
            _ => &protocol.response,
        };
        match before {
            Some(_) => fail(format!("redefine {part} in protocol {}", protocol.name)),
            None => Ok(()),
        }
    }
}

fn check_fields(full: &str, fields: &[FieldText]) -> Result<(), Error> {
    let (mut names, mut tags) = (HashSet::new(), HashSet::new());
    for field in fields {
        if !names.insert(&field.name) {
            return fail(format!("redefine {} in type {full}", field.name));
        }
        if !tags.insert(field.tag) {
            return fail(format!("redefine tag {} in type {full}", field.tag));
        }
    }
    Ok(())
}

struct Resolver<'a> {
    parser: &'a Parser<'a>,
    /// Full name to index.
    indexes: BTreeMap<&'a str, usize>,
}

impl<'a> Resolver<'a> {
    fn new(parser: &'a Parser<'a>) -> Resolver<'a> {
        let names = parser.types.keys().map(String::as_str);
        Resolver {
            parser,
            indexes: names.zip(0..).collect(),
        }
    }

    fn schema(&self) -> Result<Schema, Error> {
        let mut types = Vec::new();
        for (name, fields) in &self.parser.types {
            let mut resolved = Vec::new();
            for field in fields {
                resolved.push(self.field(name, field)?);
            }
            resolved.sort_by_key(|f| f.tag);
            types.push(Type {
                name: name.as_bytes().into(),
                fields: resolved,
            });
        }
        let mut protocols = Vec::new();
        for (&tag, p) in &self.parser.protocols {
            let confirm = p.response.as_deref() == Some("nil");
            let response = p.response.as_deref().filter(|name| *name != "nil");
            protocols.push(Protocol {
                name: p.name.as_bytes().into(),
                tag,
                request: self.global(p.request.as_deref(), "request", &p.name)?,
                response: self.global(response, "response", &p.name)?,
                confirm,
            });
        }
        Ok(Schema::new(types, protocols))
    }

    fn global(&self, name: Option<&str>, part: &str, of: &str) -> Result<Option<usize>, Error> {
        let Some(name) = name else { return Ok(None) };
        match self.indexes.get(name) {
            Some(&index) => Ok(Some(index)),
            None => fail(format!("Undefined {part} type {name} in protocol {of}")),
        }
    }

    /// The full name of a type that is named inside another one: from the innermost scope outwards.
    fn lookup(&self, scope: &str, name: &str) -> Option<(&'a str, usize)> {
        let mut scope = scope;
        loop {
            let full = match scope {
                "" => name.to_owned(),
                scope => format!("{scope}.{name}"),
            };
            if let Some((&full, &index)) = self.indexes.get_key_value(full.as_str()) {
                return Some((full, index));
            }
            if scope.is_empty() {
                return None;
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }

    fn field(&self, scope: &str, f: &FieldText) -> Result<Field, Error> {
        let builtin = match f.type_name.as_str() {
            "integer" => {
                let decimals = f.key.as_deref().and_then(|digits| digits.parse().ok());
                Some(Kind::Integer(
                    decimals.filter(|&n: &u32| n <= 300).unwrap_or(0),
                ))
            }
            "boolean" => Some(Kind::Boolean),
            "string" => Some(Kind::Text { binary: false }),
            "binary" => Some(Kind::Text { binary: true }),
            "double" => Some(Kind::Double),
            _ => None,
        };
        let mut field = Field {
            name: f.name.as_bytes().into(),
            tag: f.tag,
            kind: Kind::Boolean,
            array: f.array,
            key: None,
            map: false,
        };
        if let Some(kind) = builtin {
            field.kind = kind;
            return Ok(field);
        }
        let Some((name, index)) = self.lookup(scope, &f.type_name) else {
            return fail(format!("Undefined type {} in type {scope}", f.type_name));
        };
        field.kind = Kind::Struct(index);
        if let Some(key) = f.key.as_deref().filter(|_| f.array) {
            (field.key, field.map) = self.index_of(&f.name, name, key)?;
        }
        Ok(field)
    }

    /// The number of the field by which an array of `type_name` is indexed, and whether its elements are pairs.
    fn index_of(
        &self,
        field: &str,
        type_name: &str,
        key: &str,
    ) -> Result<(Option<u32>, bool), Error> {
        let fields = self
            .parser
            .types
            .get(type_name)
            .map_or(&[][..], Vec::as_slice);
        if key.is_empty() {
            if fields.len() != 2 {
                return fail(format!(
                    "Invalid map definition: {field}, must only have two fields"
                ));
            }
            return Ok((fields.iter().map(|f| f.tag).min(), true));
        }
        let builtin = ["integer", "boolean", "string", "binary", "double"];
        match fields.iter().find(|f| f.name == key) {
            Some(f) if builtin.contains(&f.type_name.as_str()) && !f.array => {
                Ok((Some(f.tag), false))
            }
            _ => fail(format!("Invalid map index :{key}")),
        }
    }
}
