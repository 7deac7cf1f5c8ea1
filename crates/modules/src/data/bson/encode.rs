//! Lua tables to documents.
//!
//! Tables may have metamethods, which may raise. So the walk is a protected call, and the buffer stays outside of it.

use std::cell::Cell;
use std::ffi::c_int;

use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, guarded, guarded_with};
use skynet_wire::bson::{Overflow, Writer, kind};

use super::{document, special};

/// How deep tables may lie in each other, the outermost not counted.
const MAX_DEPTH: usize = 128;
/// A buffer larger than this is not kept.
const KEEP: usize = 64 << 10;

thread_local! {
    /// Kept for the next document.
    static BUFFER: Cell<Option<Writer>> = const { Cell::new(None) };
}

/// Where an element stands: under its key in a document, or at its index in an array.
#[derive(Clone, Copy)]
enum Key<'a> {
    Name(&'a [u8]),
    Index(u32),
}

/// Pushes the document of the table at 1. *raises*
pub(super) fn push_table(l: Lua) -> Result<(), Fault> {
    l.push_value(1);
    push_document(l, 1, |walk| {
        let open = walk.out.begin();
        walk.pairs(1, 0)?;
        walk.out.end(open).map_err(overflow)
    })
}

/// Pushes the document of the keys and values on the stack, in their order. *raises*
pub(super) fn push_ordered(l: Lua) -> Result<(), Fault> {
    let count = l.top();
    push_document(l, count, |walk| {
        let open = walk.out.begin();
        for i in (1..count).step_by(2) {
            let key = match walk.l.kind(i) {
                Type::String | Type::Number => walk.l.coerce_bytes(i).unwrap_or_default(),
                _ => return Err(Fault::from(format!("Argument {i} need a string"))),
            };
            walk.l.push_value(i + 1);
            walk.element(Key::Name(checked_key(key)?), 0)?;
            walk.l.pop(1);
        }
        walk.out.end(open).map_err(overflow)
    })
}

/// Runs `walk` with the top `args` values as its stack, which are taken away, and pushes what it has written. *raises*
fn push_document(
    l: Lua,
    args: c_int,
    mut walk: impl FnMut(&mut Walk) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut out = BUFFER.take().unwrap_or_default();
    out.clear();
    let mut written = Ok(());
    if !l.check_stack(4) {
        return Err("stack overflow".into());
    }
    let guarded_walk = guarded_with(l, args, |l| written = walk(&mut Walk { l, out: &mut out }));
    let pushed = match (guarded_walk, written) {
        (Ok(()), Ok(())) => guarded(l, 1, |l| document::push(l, out.bytes())),
        (Err(fault), _) | (_, Err(fault)) => Err(fault),
    };
    if out.capacity() <= KEEP {
        BUFFER.set(Some(out));
    }
    pushed
}

fn overflow(error: Overflow) -> Fault {
    Fault::from(error.to_string())
}

/// A key has to be text in UTF-8, and ends at a zero byte, so that it must not have one: what follows would be read as
/// values.
fn checked_key(key: &[u8]) -> Result<&[u8], Fault> {
    if key.contains(&0) {
        return Err(Fault::from(format!(
            "Invalid key {} : it has a zero byte",
            special::shown(key)
        )));
    }
    checked_text(key)
}

fn checked_text(text: &[u8]) -> Result<&[u8], Fault> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(text),
        Err(_) => Err("Invalid utf8 string".into()),
    }
}

struct Walk<'a> {
    l: Lua,
    out: &'a mut Writer,
}

impl Walk<'_> {
    /// Writes the head of an element, and then its value, which has a fixed size.
    fn fixed(&mut self, key: Key, kind: u8, value: &[u8]) {
        self.head(key, kind);
        self.out.raw(value);
    }

    fn head(&mut self, key: Key, kind: u8) {
        match key {
            Key::Name(name) => self.out.key(kind, name),
            Key::Index(index) => self.out.index(kind, index),
        }
    }

    /// The value on top of the stack, which stays there. *raises*
    fn element(&mut self, key: Key, depth: usize) -> Result<(), Fault> {
        let l = self.l;
        match l.kind(-1) {
            Type::Number => {
                match l.is_integer(-1).then(|| l.int(-1)).flatten() {
                    Some(n) => {
                        let (kind, bytes, size) = Writer::integer(n);
                        self.fixed(key, kind, &bytes[..size]);
                    }
                    None => {
                        let bytes = l.float(-1).unwrap_or_default().to_le_bytes();
                        self.fixed(key, kind::DOUBLE, &bytes);
                    }
                }
                Ok(())
            }
            Type::Boolean => {
                self.fixed(key, kind::BOOLEAN, &[u8::from(l.bool(-1))]);
                Ok(())
            }
            Type::String => {
                let text = l.bytes(-1).unwrap_or_default();
                match special::split(text) {
                    Some((kind, content)) => self.special(key, kind, content),
                    None => {
                        let text = checked_text(text)?;
                        self.head(key, kind::STRING);
                        self.out.string(text).map_err(overflow)
                    }
                }
            }
            Type::Table => self.table(key, depth + 1),
            Type::Userdata | Type::LightUserdata => match document::bytes(l, -1) {
                Some(bytes) => {
                    self.fixed(key, kind::DOCUMENT, bytes);
                    Ok(())
                }
                None => Err("Invalid bson document".into()),
            },
            Type::Nil | Type::None => {
                Err("Bson array has a hole (nil), Use bson.null instead".into())
            }
            _ => Err(Fault::from(format!(
                "Invalid value type : {}",
                l.type_name(-1)
            ))),
        }
    }

    /// A value that Lua has no type for.
    fn special(&mut self, key: Key, kind: u8, content: &[u8]) -> Result<(), Fault> {
        let sized = |size: usize, wrong: &'static str| match content.len() == size {
            true => Ok(()),
            false => Err(Fault::from(wrong)),
        };
        match kind {
            kind::NULL | kind::MIN_KEY | kind::MAX_KEY => self.head(key, kind),
            kind::OBJECT_ID => {
                if content.len() != 12 {
                    return Err(Fault::from(format!(
                        "Invalid object id {}",
                        special::shown(content)
                    )));
                }
                self.fixed(key, kind, content);
            }
            kind::DATE => {
                let seconds = i32::from_le_bytes(special::sized(content, "Invalid date")?) as u32;
                self.fixed(key, kind, &(i64::from(seconds) * 1000).to_le_bytes());
            }
            kind::TIMESTAMP => {
                sized(8, "Invalid timestamp")?;
                self.fixed(key, kind, content);
            }
            kind::INT64 => {
                sized(8, "Invalid int64")?;
                self.fixed(key, kind, content);
            }
            kind::BINARY => {
                let (&subtype, data) = content.split_first().ok_or("Invalid binary")?;
                self.head(key, kind);
                self.out.binary(subtype, data).map_err(overflow)?;
            }
            kind::REGEX => {
                // Two texts that end in zero bytes, or the document could not be read.
                if content.iter().filter(|&&byte| byte == 0).count() != 2
                    || content.last() != Some(&0)
                {
                    return Err("Invalid regex".into());
                }
                self.fixed(key, kind, content);
            }
            kind::DB_POINTER | kind::CODE | kind::SYMBOL | kind::CODE_WITH_SCOPE => {
                self.fixed(key, kind, content);
            }
            other => return Err(Fault::from(format!("Invalid subtype {other}"))),
        }
        Ok(())
    }

    /// The table on top of the stack. *raises*
    fn table(&mut self, key: Key, depth: usize) -> Result<(), Fault> {
        let l = self.l;
        if depth > MAX_DEPTH {
            return Err("Too depth while encoding bson".into());
        }
        if !l.check_stack(8) {
            return Err("stack overflow".into());
        }
        let table = l.top();
        if let Some(count) = self.array_length(table)? {
            self.head(key, kind::ARRAY);
            let open = self.out.begin();
            for i in 1..=count {
                l.get_index(table, i);
                self.element(Key::Index((i - 1) as u32), depth)?;
                l.pop(1);
            }
            return self.out.end(open).map_err(overflow);
        }
        self.head(key, kind::DOCUMENT);
        let open = self.out.begin();
        self.pairs(table, depth)?;
        self.out.end(open).map_err(overflow)
    }

    /// The length of the table at `t`, if it is to be an array: it has `__len`, or its first key is one of an array.
    /// *raises*
    fn array_length(&mut self, t: c_int) -> Result<Option<i64>, Fault> {
        let l = self.l;
        if l.get_metafield(t, c"__len") {
            l.push_value(t);
            l.call(1, 1);
            let length = l.int(-1).filter(|_| l.is_integer(-1));
            l.pop(1);
            let length = length.ok_or_else(|| Fault::from("__len should return integer"))?;
            return Ok(Some(length.min(i64::from(u32::MAX))));
        }
        if l.get_metafield(t, c"__pairs") {
            l.pop(1);
            return Ok(None);
        }
        l.push_nil();
        if !l.next(t) {
            return Ok(None);
        }
        let first = l.is_integer(-2).then(|| l.int(-2)).flatten();
        l.pop(2);
        let length = l.raw_len(t) as i64;
        Ok(first.filter(|n| (1..=length).contains(n)).map(|_| length))
    }

    /// The pairs of the table at `t`. *raises*
    fn pairs(&mut self, t: c_int, depth: usize) -> Result<(), Fault> {
        let l = self.l;
        if !l.get_metafield(t, c"__pairs") {
            l.push_nil();
            while l.next(t) {
                self.pair(depth)?;
                l.pop(1);
            }
            return Ok(());
        }
        l.push_value(t);
        l.call(1, 3);
        // The iterator, its state, and the key that it goes on from.
        let iterator = l.top() - 2;
        loop {
            l.push_value(iterator);
            l.push_value(iterator + 1);
            l.push_value(iterator + 2);
            l.call(2, 2);
            if l.kind(-2) == Type::Nil {
                l.set_top(iterator - 1);
                return Ok(());
            }
            self.pair(depth)?;
            l.pop(1);
            l.replace(iterator + 2);
        }
    }

    /// The key below the top of the stack and the value on it, which stay there. *raises*
    fn pair(&mut self, depth: usize) -> Result<(), Fault> {
        let l = self.l;
        match l.kind(-2) {
            Type::String => {
                let key = checked_key(l.bytes(-2).unwrap_or_default())?;
                self.element(Key::Name(key), depth)
            }
            Type::Number => Err("Bson dictionary's key can't be number".into()),
            _ => Err(Fault::from(format!(
                "Invalid key type : {}",
                l.type_name(-2)
            ))),
        }
    }
}
