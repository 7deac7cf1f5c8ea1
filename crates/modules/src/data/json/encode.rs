//! Tables to documents. No Lua code runs meanwhile: the library looks at tables without their metamethods, too.

use std::borrow::Cow;

use skynet_vm::native::Fault;
use skynet_vm::tables::{Seeing, Seen};
use skynet_wire::json::write;

use super::options::{Config, InvalidNumbers};

/// A text is not longer than what the library's own may be.
const MAX_TEXT: usize = i32::MAX as usize;
/// To this depth tables are followed in any case; further as long as the machine stack is not used up.
const SURE_DEPTH: usize = 1000;
/// Machine stack that deeper tables may take.
const MAX_STACK: usize = 2 << 20;

/// Writes a value into the buffer of the settings, and returns what is in it then.
pub(super) fn write<'a>(config: &'a mut Config, value: Seen<'_>) -> Result<&'a [u8], Fault> {
    let mut out = std::mem::take(&mut config.buffer);
    out.clear();
    let mut walk = Walk {
        config,
        out: &mut out,
        base: stack_position(),
    };
    let done = walk.value(value, 0);
    config.buffer = out;
    done.map(|_| &*config.buffer)
}

/// About where the machine stack ends now.
#[inline(never)]
fn stack_position() -> usize {
    let here = 0u8;
    (&raw const here).addr()
}

struct Walk<'a> {
    config: &'a Config,
    out: &'a mut Vec<u8>,
    base: usize,
}

#[cold]
fn refused(value: &Seen<'_>, why: &str) -> Fault {
    Fault::from(format!("Cannot serialise {}: {why}", value.type_name()))
}

impl Walk<'_> {
    /// Returns whether the value was written: one that has no text may be left out.
    fn value(&mut self, value: Seen<'_>, depth: usize) -> Result<bool, Fault> {
        match value {
            Seen::Str(text) => self.string(text)?,
            Seen::Int(n) => write::int(self.out, n),
            Seen::Float(n) => self.float(n)?,
            Seen::Bool(true) => self.out.extend_from_slice(b"true"),
            Seen::Bool(false) => self.out.extend_from_slice(b"false"),
            Seen::Table(table) => self.table(table, depth + 1)?,
            Seen::Nil => self.out.extend_from_slice(b"null"),
            Seen::Pointer(p) if p.is_null() => self.out.extend_from_slice(b"null"),
            Seen::Pointer(p) if p == super::empty_array() => self.out.extend_from_slice(b"[]"),
            Seen::Pointer(_) | Seen::Other(_) => {
                if self.config.encode_skip_unsupported_value_types {
                    return Ok(false);
                }
                return Err(refused(&value, "type not supported"));
            }
        }
        Ok(true)
    }

    fn string(&mut self, text: &[u8]) -> Result<(), Fault> {
        if self.out.len() + text.len() > MAX_TEXT {
            return Err(too_long());
        }
        write::string(self.out, text, self.config.encode_escape_forward_slash);
        Ok(())
    }

    fn float(&mut self, n: f64) -> Result<(), Fault> {
        if !n.is_finite() {
            match self.config.encode_invalid_numbers {
                InvalidNumbers::Off => {
                    return Err(refused(&Seen::Float(n), "must not be NaN or Inf"));
                }
                InvalidNumbers::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                InvalidNumbers::On if n.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                InvalidNumbers::On => {}
            }
        }
        let precision = self.config.encode_number_precision.unsigned_abs() as usize;
        write::float(self.out, n, precision);
        Ok(())
    }

    fn table(&mut self, table: Seeing, depth: usize) -> Result<(), Fault> {
        let too_deep = depth > self.config.encode_max_depth.unsigned_abs() as usize
            || depth > SURE_DEPTH && self.base.abs_diff(stack_position()) > MAX_STACK;
        if too_deep {
            return Err(Fault::from(format!(
                "Cannot serialise, excessive nesting ({depth})"
            )));
        }
        let metatable = table.metatable();
        if !metatable.is_null() && metatable == self.config.array_mt {
            return self.array(table, highest_index(table), depth);
        }
        match self.array_length(table)? {
            Some(0) => {
                let empty_array = !metatable.is_null() && metatable == self.config.empty_array_mt;
                self.out.extend_from_slice(
                    match empty_array || !self.config.encode_empty_table_as_object {
                        true => b"[]",
                        false => b"{}",
                    },
                );
                Ok(())
            }
            Some(length) => self.array(table, length, depth),
            None => self.object(table, depth),
        }
    }

    /// The highest index, if all keys are such; 0 for a table without keys.
    fn array_length(&self, table: Seeing) -> Result<Option<usize>, Fault> {
        let (mut items, mut highest) = (0usize, 0usize);
        for (key, _) in table.pairs() {
            match key {
                // More than that was never an array.
                Seen::Int(n @ 1..=0x7fff_ffff) => {
                    items += 1;
                    highest = highest.max(n as usize);
                }
                _ => return Ok(None),
            }
        }
        let mut i = 0;
        while let Some(value) = table.in_array(i) {
            i += 1;
            if !matches!(value, Seen::Nil) {
                items += 1;
                highest = highest.max(i);
            }
        }
        let ratio = self.config.encode_sparse_ratio.unsigned_abs() as usize;
        let safe = self.config.encode_sparse_safe.unsigned_abs() as usize;
        if ratio > 0 && highest > items.saturating_mul(ratio) && highest > safe {
            if !self.config.encode_sparse_convert {
                return Err(refused(&Seen::Table(table), "excessively sparse array"));
            }
            return Ok(None);
        }
        Ok(Some(highest))
    }

    fn array(&mut self, table: Seeing, length: usize, depth: usize) -> Result<(), Fault> {
        self.out.push(b'[');
        let mut first = true;
        for i in 0..length {
            let before = self.out.len();
            if before > MAX_TEXT {
                return Err(too_long());
            }
            if !first {
                self.out.push(b',');
            }
            if self.value(table.element(i), depth)? {
                first = false;
            } else {
                self.out.truncate(before);
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, table: Seeing, depth: usize) -> Result<(), Fault> {
        self.out.push(b'{');
        let mut first = true;
        let mut i = 0;
        while let Some(value) = table.in_array(i) {
            i += 1;
            if !matches!(value, Seen::Nil) {
                self.pair(Seen::Int(i as i64), value, &mut first, depth)?;
            }
        }
        for (key, value) in table.pairs() {
            self.pair(key, value, &mut first, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    #[inline(always)]
    fn pair(
        &mut self,
        key: Seen<'_>,
        value: Seen<'_>,
        first: &mut bool,
        depth: usize,
    ) -> Result<(), Fault> {
        let before = self.out.len();
        if !*first {
            self.out.push(b',');
        }
        match key {
            Seen::Str(text) => self.string(text)?,
            Seen::Int(n) => {
                self.out.push(b'"');
                write::int(self.out, n);
                self.out.push(b'"');
            }
            Seen::Float(n) => {
                self.out.push(b'"');
                self.float(n)?;
                self.out.push(b'"');
            }
            other => return Err(refused(&other, "table key must be a number or string")),
        }
        self.out.push(b':');
        if self.value(value, depth)? {
            *first = false;
        } else {
            self.out.truncate(before);
        }
        Ok(())
    }
}

/// Of a table that is an array whatever is in it: the border that its elements have.
fn highest_index(table: Seeing) -> usize {
    let mut length = 0;
    while !matches!(table.element(length), Seen::Nil) {
        length += 1;
    }
    length
}

#[cold]
fn too_long() -> Fault {
    Fault::Text(Cow::Owned(format!(
        "Cannot serialise: the text is longer than {MAX_TEXT} bytes"
    )))
}
