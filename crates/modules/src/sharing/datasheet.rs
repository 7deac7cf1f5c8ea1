//! `skynet.datasheet.core`: datasheets (`wire::datasheet`) between Lua tables, bytes and services.
//!
//! A sheet is made of a table (`compile`), put into a box (`new`), and travels to the services that read it as a
//! pointer (`boxed.rs`). A reader fills its tables one by one, when they are looked at (`fill`).

use std::collections::HashSet;
use std::ffi::{CStr, c_int, c_void};
use std::sync::Arc;

use mlua_sys::lua55::lua_CFunction;
use skynet_wire::datasheet::{Builder, Cell, Error, Sheet, renumber};

use crate::boxed::{self, Boxed};
use skynet_vm::lua::{Lua, Number, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, guarded, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("box", box_),
    ("compile", compile),
    ("diff", diff),
    ("empty", empty),
    ("fill", fill),
    ("new", new),
    ("pointer", pointer),
    ("release", release),
    ("share", share),
];

/// Tables inside tables: so many are on the Lua stack at the same time.
const MAX_DEPTH: usize = 100_000;

impl Boxed for Sheet {
    const NAME: &'static CStr = c"skynet.datasheet.box";
    const WHAT: &'static str = "datasheet expected";
}

fn sheet_fault(e: Error) -> Fault {
    Fault::from(e.to_string())
}

/// The text at `i` as a checked sheet.
fn sheet_argument(l: Lua, i: c_int) -> Result<Sheet, Fault> {
    let bytes = l.bytes_argument(i)?;
    Sheet::new(bytes.to_vec()).map_err(sheet_fault)
}

/// A table that is being added: its elements from 1 to the border, then its pairs.
struct Open {
    /// Its number in the sheet.
    index: u32,
    /// Its place on the stack. In front of a sub-table, while its pairs are added, is the key of that.
    place: c_int,
    border: usize,
    array: Vec<Cell>,
    pairs: Vec<(u32, Cell)>,
    /// The key of the sub-table that is being added.
    key: Option<u32>,
}

impl Open {
    fn add(&mut self, cell: Cell) {
        match self.key.take() {
            Some(key) => self.pairs.push((key, cell)),
            None => self.array.push(cell),
        }
    }
}

/// The tables that enclose each other, from the root to the one that is being added; they lie on the Lua stack in this
/// order.
#[derive(Default)]
struct Path {
    open: Vec<Open>,
    /// Their addresses.
    known: HashSet<*const c_void>,
}

impl Path {
    /// Begins with the table on top of the stack.
    fn enter(&mut self, l: Lua, b: &mut Builder) -> Result<(), Fault> {
        if !self.known.insert(l.pointer(-1)) {
            return Err("tables are nested in a circle".into());
        }
        if self.open.len() >= MAX_DEPTH || !l.check_stack(6) {
            return Err("tables are nested too deeply".into());
        }
        let place = l.top();
        self.open.push(Open {
            index: b.reserve().map_err(sheet_fault)?,
            place,
            border: l.raw_len(place),
            array: Vec::new(),
            pairs: Vec::new(),
            key: None,
        });
        Ok(())
    }
}

/// Adds the table on top of the stack, and what is inside. Calls nothing that raises: tables are walked raw, and the
/// room on the stack is asked for.
fn add_table(l: Lua, b: &mut Builder) -> Result<(), Fault> {
    let mut path = Path::default();
    path.enter(l, b)?;
    while let Some(table) = path.open.last_mut() {
        if !next_value(l, table, b)? {
            b.table(table.index, &table.array, &table.pairs)
                .map_err(sheet_fault)?;
            let index = table.index;
            path.known.remove(&l.pointer(-1));
            path.open.pop();
            if let Some(outer) = path.open.last_mut() {
                outer.add(Cell::Table(index));
                l.pop(1);
            }
        } else if l.kind(-1) == Type::Table {
            path.enter(l, b)?;
        } else {
            table.add(scalar(l, b)?);
            l.pop(1);
        }
    }
    Ok(())
}

/// Pushes the next value of a table, and notes its key; false if there is none.
fn next_value(l: Lua, table: &mut Open, b: &mut Builder) -> Result<bool, Fault> {
    if table.array.len() < table.border {
        l.raw_geti(table.place, table.array.len() as i64 + 1);
        return Ok(true);
    }
    if l.top() == table.place {
        l.push_nil();
    }
    while l.next(table.place) {
        if let Some(key) = l.bytes(-2) {
            table.key = Some(b.text(key).map_err(sheet_fault)?);
            return Ok(true);
        }
        let element = l.kind(-2) == Type::Number
            && l.is_integer(-2)
            && l.int(-2)
                .is_some_and(|n| n >= 1 && n as u64 <= table.border as u64);
        if !element {
            return Err("assertion failed! (keys are strings or 1..n)".into());
        }
        l.pop(1);
    }
    Ok(false)
}

/// The value on top of the stack, which is no table and stays there.
fn scalar(l: Lua, b: &mut Builder) -> Result<Cell, Fault> {
    match l.kind(-1) {
        Type::Boolean => Ok(Cell::Bool(l.bool(-1))),
        Type::Number => Ok(match l.known_number(-1) {
            Number::Int(n) => i32::try_from(n).map_or(Cell::Float(n as f32), Cell::Int),
            Number::Float(n) => Cell::Float(n as f32),
        }),
        Type::String => {
            let text = l.known_bytes(-1);
            match b.text(text) {
                Ok(at) => Ok(Cell::Text(at)),
                Err(Error::ZeroByte) => Err(Fault::from(format!(
                    "Unsupport value {}",
                    String::from_utf8_lossy(text)
                ))),
                Err(e) => Err(sheet_fault(e)),
            }
        }
        _ => Err(Fault::from(format!("Unsupport value {}", unsupported(l)))),
    }
}

/// What `tostring` says of the value on top, without calling anything.
fn unsupported(l: Lua) -> String {
    match l.kind(-1) {
        Type::Nil => "nil".to_owned(),
        _ => format!("{}: {:?}", l.type_name(-1), l.pointer(-1)),
    }
}

/// Pushes a scalar. *raises*
fn push_scalar(l: Lua, sheet: &Sheet, cell: Cell) {
    match cell {
        Cell::Nil | Cell::Table(_) => l.push_nil(),
        Cell::Int(n) => l.push_int(n.into()),
        Cell::Float(n) => l.push_float(n.into()),
        Cell::Bool(b) => l.push_bool(b),
        Cell::Text(at) => l.push_bytes(sheet.text(at)),
    }
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `compile(table)` to the bytes of a sheet
    compile = |l| {
        if l.kind(1) != Type::Table {
            return Err(l.expected(1, "table"));
        }
        l.set_top(1);
        let mut builder = Builder::default();
        add_table(l, &mut builder)?;
        let bytes = builder.finish().map_err(sheet_fault)?;
        guarded(l, 1, |l| l.push_bytes(&bytes))?;
        results(1)
    };

    /// `diff(old, new)`: the bytes of `new`, with the numbers that its tables have in `old`
    diff = |l| {
        let bytes = renumber(&sheet_argument(l, 1)?, &sheet_argument(l, 2)?).map_err(sheet_fault)?;
        guarded(l, 1, |l| l.push_bytes(&bytes))?;
        results(1)
    };

    /// `new(bytes)` to box
    new = |l| {
        boxed::push_empty::<Sheet>(l);
        let sheet = sheet_argument(l, 1)?;
        boxed::fill(l, -1, Arc::new(sheet));
        results(1)
    };

    /// `box(pointer)`: with a reference of its own
    box_ = boxed::adopt::<Sheet>;

    /// `share(box)` to a pointer with a reference
    share = boxed::share::<Sheet>;

    /// `pointer(box)`: the same without a reference, to compare
    pointer = boxed::address::<Sheet>;

    /// `release(pointer)`: gives the reference of `share` back
    release = boxed::release::<Sheet>;

    /// `empty(box)`: lets go of it now
    empty = boxed::empty::<Sheet>;

    /// `fill(box, number, table, links)`: puts the scalars of a table into `table`, and its sub-tables into `links`:
    /// key, number, key, ...
    fill = |l| {
        let sheet = boxed::get::<Sheet>(l, 1)?;
        let number = l.int(2).unwrap_or(-1);
        let table = u32::try_from(number).ok().and_then(|n| sheet.table(n));
        let Some(table) = table else {
            return Err(Fault::from(format!("Invalid proxy (index = {number}, total = {})", sheet.count())));
        };
        for i in [3, 4] {
            if l.kind(i) != Type::Table {
                return Err(l.expected(i, "table"));
            }
        }
        let mut links = 0;
        let mut put = |cell: Cell| {
            // The key is on top of the stack.
            if let Cell::Table(child) = cell {
                l.raw_seti(4, links + 1);
                l.push_int(child.into());
                l.raw_seti(4, links + 2);
                links += 2;
            } else {
                push_scalar(l, sheet, cell);
                l.raw_set(3);
            }
        };
        for (i, cell) in table.array().enumerate() {
            l.push_int(i as i64 + 1);
            put(cell);
        }
        for (key, cell) in table.pairs() {
            l.push_bytes(sheet.text(key));
            put(cell);
        }
        results(0)
    };
}
