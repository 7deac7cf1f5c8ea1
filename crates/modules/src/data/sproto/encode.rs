//! Lua tables to messages.
//!
//! Tables may have metamethods, which may raise. So the whole walk is a protected call, and what is owned, the buffers,
//! stays outside.

use std::cell::Cell;
use std::ffi::c_int;

use skynet_wire::sproto::{Field, Kind, MAX_DEPTH, Open, Schema, Type, Writer};

use super::format_fault;
use skynet_vm::lua::{Lua, Type as LuaType};
use skynet_vm::native::{Fault, guarded_with};

/// Buffers, which are kept for the next message.
#[derive(Default)]
struct Buffers {
    writer: Writer,
    /// The elements of an array of numbers.
    numbers: Vec<i64>,
}

thread_local! {
    static BUFFERS: Cell<Option<Buffers>> = const { Cell::new(None) };
}

/// Buffers larger than this are not kept.
const KEEP: usize = 64 << 10;

/// Pushes the bytes of the table on top of the stack. *raises*, owning nothing
pub(super) fn push_encoded(l: Lua, schema: &Schema, index: usize) -> Result<(), Fault> {
    let mut buffers = BUFFERS.take().unwrap_or_default();
    buffers.writer.clear();
    let mut encoded = Ok(());
    let guarded = guarded_with(l, 1, |l| {
        let mut walk = Walk {
            l,
            schema,
            buffers: &mut buffers,
        };
        encoded = walk.message(index, 1, 0);
    });
    let bytes = buffers.writer.bytes().to_vec();
    if bytes.len() <= KEEP {
        BUFFERS.set(Some(buffers));
    }
    guarded?;
    encoded?;
    l.push_owned(bytes);
    Ok(())
}

struct Walk<'a> {
    l: Lua,
    schema: &'a Schema,
    buffers: &'a mut Buffers,
}

/// `Type.field`, as errors call it.
fn place(t: &Type, f: &Field) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}.{}", text(&t.name), text(&f.name))
}

impl Walk<'_> {
    fn wrong(&self, t: &Type, f: &Field, i: i64, wanted: &str) -> Fault {
        let (place, is) = (place(t, f), self.l.type_name(-1));
        Fault::from(format!("{place}[{i}] is not {wanted} (Is a {is})"))
    }

    fn no_table(&self, t: &Type, f: &Field, i: i64) -> Fault {
        let (place, is) = (place(t, f), self.l.type_name(-1));
        Fault::from(format!(
            "{place}({i}) should be a table or an userdata with metamethods (Is a {is})"
        ))
    }

    fn is_table(&self) -> bool {
        matches!(self.l.kind(-1), LuaType::Table | LuaType::Userdata)
    }

    fn writer(&mut self) -> &mut Writer {
        &mut self.buffers.writer
    }

    /// The table at `t`. *raises*
    fn message(&mut self, index: usize, t: c_int, depth: usize) -> Result<(), Fault> {
        let (l, schema) = (self.l, self.schema);
        let of = &schema.types()[index];
        self.enter(of, depth)?;
        let mut open = self.writer().begin(of.words());
        for field in &of.fields {
            l.push_bytes(&field.name);
            if l.get(t) != LuaType::Nil {
                self.field(of, field, &mut open, depth)?;
            }
            l.pop(1);
        }
        self.writer().end(open).map_err(format_fault)
    }

    fn enter(&self, of: &Type, depth: usize) -> Result<(), Fault> {
        if depth >= MAX_DEPTH && !of.fields.is_empty() {
            return Err("The table is too deep".into());
        }
        if !self.l.check_stack(12) {
            return Err("stack overflow".into());
        }
        Ok(())
    }

    /// A pair of a map, key and value on top of the stack: a message with two fields. *raises*
    fn pair(&mut self, index: usize, depth: usize) -> Result<(), Fault> {
        let (l, schema) = (self.l, self.schema);
        let of = &schema.types()[index];
        self.enter(of, depth)?;
        let mut open = self.writer().begin(of.words());
        let key = l.top() - 1;
        for (field, at) in of.fields.iter().zip([key, key + 1]) {
            l.push_value(at);
            if l.kind(-1) != LuaType::Nil {
                self.field(of, field, &mut open, depth)?;
            }
            l.pop(1);
        }
        self.writer().end(open).map_err(format_fault)
    }

    /// The value on top of the stack, which stays there. *raises*
    fn field(&mut self, t: &Type, f: &Field, open: &mut Open, depth: usize) -> Result<(), Fault> {
        let l = self.l;
        if f.array {
            if !self.is_table() {
                return Err(self.no_table(t, f, 1));
            }
            let list = self.writer().data(open, f.tag);
            self.array(t, f, depth)?;
            self.writer().end_item(list);
            return Ok(());
        }
        match f.kind {
            Kind::Integer(_) => {
                let n = self.integer(t, f, 0)?;
                self.writer().integer(open, f.tag, n);
            }
            Kind::Boolean => {
                let b = self.boolean(t, f, 0)?;
                self.writer().inline(open, f.tag, b.into());
            }
            Kind::Double => {
                let bits = self.number().to_bits();
                let item = self.writer().data(open, f.tag);
                self.writer().raw(&bits.to_le_bytes());
                self.writer().end_item(item);
            }
            Kind::Text { .. } => {
                let text = l.bytes(-1).ok_or_else(|| self.wrong(t, f, 0, "a string"))?;
                let item = self.writer().data(open, f.tag);
                self.writer().raw(text);
                self.writer().end_item(item);
            }
            Kind::Struct(index) => {
                if !self.is_table() {
                    return Err(self.no_table(t, f, 0));
                }
                let item = self.writer().data(open, f.tag);
                self.message(index, l.top(), depth + 1)?;
                self.writer().end_item(item);
            }
        }
        Ok(())
    }

    fn integer(&self, t: &Type, f: &Field, i: i64) -> Result<i64, Fault> {
        match f.kind {
            Kind::Integer(decimals @ 1..) => {
                Ok((self.number() * 10f64.powi(decimals as i32)).round() as i64)
            }
            _ => self
                .l
                .int(-1)
                .ok_or_else(|| self.wrong(t, f, i, "an integer")),
        }
    }

    /// Where a fraction is possible, what is no number counts as 0.
    fn number(&self) -> f64 {
        self.l.float(-1).unwrap_or(0.0)
    }

    fn boolean(&self, t: &Type, f: &Field, i: i64) -> Result<bool, Fault> {
        if self.l.kind(-1) != LuaType::Boolean {
            return Err(self.wrong(t, f, i, "a boolean"));
        }
        Ok(self.l.bool(-1))
    }

    /// The elements of the table on top of the stack. *raises*
    fn array(&mut self, t: &Type, f: &Field, depth: usize) -> Result<(), Fault> {
        let l = self.l;
        let table = l.top();
        self.buffers.numbers.clear();
        match f.kind {
            Kind::Struct(index) if f.map => self.each_pair(|walk, _| {
                let item = walk.writer().item();
                walk.pair(index, depth + 1)?;
                walk.writer().end_item(item);
                Ok(())
            })?,
            _ if f.key.is_some() => self.each_pair(|walk, i| walk.element(t, f, i, depth))?,
            _ => {
                for i in 1.. {
                    if l.get_index(table, i) == LuaType::Nil {
                        break;
                    }
                    self.element(t, f, i, depth)?;
                    l.pop(1);
                }
                l.pop(1);
            }
        }
        let Buffers { writer, numbers } = &mut *self.buffers;
        match f.kind {
            Kind::Integer(_) => writer.integers(numbers),
            Kind::Double => writer.doubles(numbers),
            _ => {}
        }
        Ok(())
    }

    /// The element on top of the stack, which stays there. *raises*
    fn element(&mut self, t: &Type, f: &Field, i: i64, depth: usize) -> Result<(), Fault> {
        let l = self.l;
        match f.kind {
            Kind::Integer(_) => {
                let n = self.integer(t, f, i)?;
                self.buffers.numbers.push(n);
            }
            Kind::Double => {
                let bits = self.number().to_bits() as i64;
                self.buffers.numbers.push(bits);
            }
            Kind::Boolean => {
                let b = self.boolean(t, f, i)?;
                self.writer().raw(&[b.into()]);
            }
            Kind::Text { .. } => {
                let text = l.bytes(-1).ok_or_else(|| self.wrong(t, f, i, "a string"))?;
                let item = self.writer().item();
                self.writer().raw(text);
                self.writer().end_item(item);
            }
            Kind::Struct(index) => {
                if !self.is_table() {
                    return Err(self.no_table(t, f, i));
                }
                let item = self.writer().item();
                self.message(index, l.top(), depth + 1)?;
                self.writer().end_item(item);
            }
        }
        Ok(())
    }

    /// Calls `f` with each pair of the table on top of the stack: key and value are on top then, and stay there.
    /// *raises*
    fn each_pair(
        &mut self,
        mut f: impl FnMut(&mut Self, i64) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let l = self.l;
        let t = l.top();
        let own = l.get_metafield(t, c"__pairs");
        if own {
            l.push_value(t);
            l.call(1, 3);
        } else if l.kind(t) == LuaType::Table {
            l.push_nil();
        } else {
            return Err("a userdata without __pairs".into());
        }
        for i in 1.. {
            if own {
                // Iterator, state and control value are above the table; a key and a value come on top.
                l.push_value(t + 1);
                l.push_value(t + 2);
                l.push_value(t + 3);
                l.call(2, 2);
                if l.kind(-2) == LuaType::Nil {
                    break;
                }
                l.push_value(-2);
                l.replace(t + 3);
            } else if !l.next(t) {
                break;
            }
            f(self, i)?;
            l.pop(if own { 2 } else { 1 });
        }
        l.set_top(t);
        Ok(())
    }
}
