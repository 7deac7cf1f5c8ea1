//! From captures to Lua values.
//!
//! Captures are read from the front to the back; each one pushes its values and leaves the place behind it. Everything
//! in here is a plain value, so that an error in a function that is called can leave by a jump.

use std::ffi::c_int;

use mlua_sys::lua55 as ffi;
use skynet_peg::{Capture, Kind};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::Fault;

use super::home::{self, Home, Text};

/// Captures whose values are pushed are nested at most so deep.
const MAX_NESTED: u32 = 200;
/// A string capture refers to the match and to nine captures.
const MARKS: usize = 10;

/// Slots of the Lua stack for what is pushed at once, error messages included.
pub(super) const ROOM: c_int = 16;

/// Where things are on the Lua stack.
#[derive(Clone, Copy)]
pub(super) struct Places {
    pub home: c_int,
    /// The pattern's values.
    pub values: c_int,
    pub arrays: c_int,
    pub text: c_int,
    /// The last argument.
    pub arguments: c_int,
    /// The place before the values that match-time functions have returned.
    pub returned: c_int,
}

/// What is read, and where.
pub(super) struct Values<'a> {
    l: Lua,
    home: *mut Home,
    places: Places,
    subject: &'a [u8],
    captures: &'a [Capture],
    /// The next capture.
    at: usize,
    /// The place of the first value on the Lua stack.
    first: c_int,
    nested: u32,
    /// Where the outermost match's frame is.
    outermost: usize,
    /// The text of substitutions and string captures.
    pub text: Text,
}

/// What a mark of a string capture stands for.
#[derive(Clone, Copy)]
enum Mark {
    /// A part of the subject.
    Part(usize, usize),
    /// The value of the capture at a place.
    Value(usize),
}

impl<'a> Values<'a> {
    pub fn new(l: Lua, home: *mut Home, places: Places, subject: &'a [u8]) -> Values<'a> {
        Values {
            l,
            home,
            places,
            subject,
            captures: &[],
            at: 0,
            first: 0,
            nested: 0,
            outermost: 0,
            text: Text::new(places.text),
        }
    }

    pub fn set(&mut self, captures: &'a [Capture]) {
        self.captures = captures;
    }

    /// Pushes the values of all captures. *raises*
    pub fn push_all(&mut self) -> Result<c_int, Fault> {
        self.begin(0);
        let mut count = 0;
        while self.at < self.captures.len() {
            count += self.push()?;
        }
        Ok(count)
    }

    /// Pushes the values inside of the open capture at a place, which ends where the list ends; the match, if there are
    /// none. *raises*
    pub fn push_inside(&mut self, open: usize) -> Result<c_int, Fault> {
        self.begin(open + 1);
        let mut count = 0;
        while self.at < self.captures.len() {
            count += self.push()?;
        }
        if count == 0 {
            // The position is on top.
            let end = self.l.int(-1).unwrap_or(1) as usize - 1;
            self.l
                .push_bytes(&self.subject[self.captures[open].at as usize..end]);
            count = 1;
        }
        Ok(count)
    }

    fn begin(&mut self, at: usize) {
        self.at = at;
        self.nested = 0;
        self.first = self.l.top() + 1;
        self.text.truncate(0);
        self.outermost = home::begin(self.home);
    }

    fn inside(&self) -> bool {
        self.captures
            .get(self.at)
            .is_some_and(|capture| capture.kind != Kind::Close)
    }

    /// The bounds of what the capture matched; it is read to its end, or has no captures inside.
    fn bounds(&self, open: Capture) -> (usize, usize) {
        let start = open.at as usize;
        let end = match open.is_full() {
            true => start + usize::from(open.length) - 1,
            false => self
                .captures
                .get(self.at)
                .map_or(start, |close| close.at as usize),
        };
        (start, end)
    }

    /// Pushes the value of a key.
    fn push_key(&self, key: u16) {
        self.l.raw_geti(self.places.values, key.into());
    }

    /// Passes the capture here, with those inside.
    fn pass(&mut self) {
        let mut depth = 0;
        while let Some(capture) = self.captures.get(self.at) {
            self.at += 1;
            match capture.kind {
                Kind::Close => depth -= 1,
                _ if capture.is_full() => {}
                _ => depth += 1,
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn check_depth(&self) -> Result<(), Fault> {
        match self.nested > MAX_NESTED || home::too_deep(self.outermost) {
            true => Err("subcapture nesting too deep".into()),
            false => Ok(()),
        }
    }

    /// Pushes the values of the next capture, and returns how many they are. *raises*
    fn push(&mut self) -> Result<c_int, Fault> {
        let l = self.l;
        if !l.check_stack(ROOM) {
            return Err("too many captures".into());
        }
        let capture = self.captures[self.at];
        match capture.kind {
            Kind::Simple if capture.is_full() => {
                self.at += 1;
                let start = capture.at as usize;
                l.push_bytes(&self.subject[start..start + usize::from(capture.length) - 1]);
                return Ok(1);
            }
            Kind::Position => {
                self.at += 1;
                l.push_int(i64::from(capture.at) + 1);
                return Ok(1);
            }
            Kind::Constant => {
                self.at += 1;
                self.push_key(capture.key);
                return Ok(1);
            }
            Kind::Value => {
                self.at += 1;
                l.push_value(self.places.returned + capture.value() as c_int + 1);
                return Ok(1);
            }
            Kind::Argument => {
                self.at += 1;
                let place = 3 + c_int::from(capture.key);
                if place > self.places.arguments {
                    let n = capture.key;
                    return Err(format!("reference to absent extra argument #{n}").into());
                }
                l.push_value(place);
                return Ok(1);
            }
            _ => {}
        }
        self.nested += 1;
        self.check_depth()?;
        let count = match capture.kind {
            Kind::Simple => {
                let count = self.push_nested(true)?;
                l.rotate(-count, 1);
                count
            }
            Kind::Group if capture.key == 0 => self.push_nested(false)?,
            Kind::Group => {
                self.pass();
                0
            }
            Kind::Back => self.push_back(capture)?,
            Kind::Table => self.push_table(capture)?,
            Kind::Numbered => self.push_numbered(capture)?,
            Kind::Function => {
                let function = l.top();
                self.push_key(capture.key);
                let count = self.push_nested(false)?;
                l.call(count, ffi::LUA_MULTRET);
                l.top() - function
            }
            Kind::Query => {
                self.push_one_nested()?;
                self.push_key(capture.key);
                l.insert(-2);
                l.get(-2);
                l.remove(-2);
                match l.kind(-1) {
                    Type::Nil => {
                        l.pop(1);
                        0
                    }
                    _ => 1,
                }
            }
            Kind::Fold => self.push_folded(capture)?,
            Kind::Accumulator => {
                if l.top() < self.first {
                    return Err("no previous value for accumulator capture".into());
                }
                self.push_key(capture.key);
                l.insert(-2);
                let count = self.push_nested(false)?;
                l.call(count + 1, 1);
                0
            }
            Kind::Substitution | Kind::String => {
                let start = self.text.len();
                self.write(capture)?;
                l.push_bytes(self.text.since(start));
                self.text.truncate(start);
                1
            }
            // The others were handled above, or do not begin a capture.
            _ => {
                self.at += 1;
                0
            }
        };
        self.nested -= 1;
        Ok(count)
    }

    /// Pushes the values of the captures inside of the next one; if there are none, or if it is wanted, the match
    /// behind them. *raises*
    fn push_nested(&mut self, and_match: bool) -> Result<c_int, Fault> {
        let open = self.captures[self.at];
        self.at += 1;
        let mut count = 0;
        if !open.is_full() {
            while self.inside() {
                count += self.push()?;
            }
        }
        if and_match || count == 0 {
            let (start, end) = self.bounds(open);
            self.l.push_bytes(&self.subject[start..end]);
            count += 1;
        }
        self.at += usize::from(!open.is_full());
        Ok(count)
    }

    /// The first of these values only. *raises*
    fn push_one_nested(&mut self) -> Result<(), Fault> {
        let count = self.push_nested(false)?;
        self.l.pop(count - 1);
        Ok(())
    }

    fn push_table(&mut self, open: Capture) -> Result<c_int, Fault> {
        let l = self.l;
        self.at += 1;
        l.new_table(0, 0);
        if open.is_full() {
            return Ok(1);
        }
        let table = l.top();
        let mut length = 0;
        while self.inside() {
            let capture = self.captures[self.at];
            if capture.kind == Kind::Group && capture.key != 0 {
                self.push_key(capture.key);
                self.push_one_nested()?;
                l.raw_set(-3);
                continue;
            }
            let count = self.push()?;
            for n in (1..=i64::from(count)).rev() {
                l.raw_seti(table, length + n);
            }
            length += i64::from(count);
        }
        self.at += 1;
        Ok(1)
    }

    fn push_numbered(&mut self, open: Capture) -> Result<c_int, Fault> {
        let l = self.l;
        if open.key == 0 {
            self.pass();
            return Ok(0);
        }
        let wanted = c_int::from(open.key);
        let count = self.push_nested(false)?;
        if count < wanted {
            return Err(format!("no capture '{wanted}'").into());
        }
        l.pop(count - wanted);
        if wanted > 1 {
            l.replace(-wanted);
            l.pop(wanted - 2);
        }
        Ok(1)
    }

    fn push_folded(&mut self, open: Capture) -> Result<c_int, Fault> {
        let l = self.l;
        self.at += 1;
        let count = match !open.is_full() && self.inside() {
            true => self.push()?,
            false => 0,
        };
        if count == 0 {
            return Err("no initial value for fold capture".into());
        }
        l.pop(count - 1);
        while self.inside() {
            self.push_key(open.key);
            l.insert(-2);
            let count = self.push()?;
            l.call(count + 1, 1);
        }
        self.at += 1;
        Ok(1)
    }

    /// The values of the last complete group of that name that is not inside of another complete capture.
    fn push_back(&mut self, back: Capture) -> Result<c_int, Fault> {
        let l = self.l;
        let after = self.at + 1;
        let mut at = self.at;
        self.push_key(back.key);
        while at > 0 {
            at -= 1;
            let mut capture = self.captures[at];
            if capture.kind == Kind::Close {
                at = self.opened(at);
                capture = self.captures[at];
            } else if !capture.is_full() {
                continue;
            }
            if capture.kind != Kind::Group || capture.key == 0 {
                continue;
            }
            self.push_key(capture.key);
            // SAFETY: a plain comparison; nothing is owned here.
            let same = unsafe { ffi::lua_compare(l.0, -1, -2, ffi::LUA_OPEQ) } != 0;
            l.pop(1);
            if same {
                l.pop(1);
                self.at = at;
                let count = self.push_nested(false)?;
                self.at = after;
                return Ok(count);
            }
        }
        let name = match l.kind(-1) {
            Type::String | Type::Number => super::grammar::rule_name(l, -1),
            _ => "(null)".into(),
        };
        Err(format!("back reference '{name}' not found").into())
    }

    /// The place of the capture that the one at `close` ends.
    fn opened(&self, close: usize) -> usize {
        let mut depth = 1;
        let mut at = close;
        while at > 0 && depth > 0 {
            at -= 1;
            match self.captures[at].kind {
                Kind::Close => depth += 1,
                _ if self.captures[at].is_full() => {}
                _ => depth -= 1,
            }
        }
        at
    }

    fn append(&mut self, bytes: &[u8]) {
        self.text.append(self.l, self.home, self.places.home, bytes);
    }

    /// Appends the text of the next capture, a substitution or a string capture. *raises*
    fn write(&mut self, open: Capture) -> Result<(), Fault> {
        if home::too_deep(self.outermost) {
            return Err("subcapture nesting too deep".into());
        }
        match open.kind {
            Kind::Substitution => self.write_substitution(open),
            _ => self.write_string(open),
        }
    }

    fn write_substitution(&mut self, open: Capture) -> Result<(), Fault> {
        self.at += 1;
        let mut from = open.at as usize;
        if !open.is_full() {
            while self.inside() {
                let capture = self.captures[self.at];
                let next = capture.at as usize;
                self.append(&self.subject[from..next]);
                from = next;
                if self.write_value(capture, "replacement")? {
                    // It is read to its end, so what closes it is the one before.
                    from = match capture.is_full() {
                        true if capture.kind == Kind::Value => next,
                        true => next + usize::from(capture.length) - 1,
                        false => self.captures[self.at - 1].at as usize,
                    };
                }
            }
        }
        let (_, end) = self.bounds(open);
        self.append(&self.subject[from..end]);
        self.at += usize::from(!open.is_full());
        Ok(())
    }

    /// Appends the first value of the next capture; false if it has none. *raises*
    fn write_value(&mut self, capture: Capture, what: &'static str) -> Result<bool, Fault> {
        let l = self.l;
        match capture.kind {
            Kind::Substitution | Kind::String => self.write(capture).map(|()| true),
            Kind::Accumulator => Err("invalid context for an accumulator capture".into()),
            _ => {
                let count = self.push()?;
                if count == 0 {
                    return Ok(false);
                }
                l.pop(count - 1);
                let Some(bytes) = l.coerce_bytes(-1) else {
                    let kind = l.type_name(-1);
                    return Err(format!("invalid {what} value (a {kind})").into());
                };
                self.append(bytes);
                l.pop(1);
                Ok(true)
            }
        }
    }

    fn write_string(&mut self, open: Capture) -> Result<(), Fault> {
        let mut marks = [Mark::Part(0, 0); MARKS];
        let count = self.marks(&mut marks);
        let after = self.at;
        self.push_key(open.key);
        let format = self.l.known_bytes(-1);
        let mut rest = format;
        while let Some(percent) = memchr::memchr(b'%', rest) {
            self.append(&rest[..percent]);
            let mark = rest.get(percent + 1).copied().unwrap_or(0);
            rest = rest.get(percent + 2..).unwrap_or(&[]);
            if !mark.is_ascii_digit() {
                self.append(&[mark]);
                continue;
            }
            let n = usize::from(mark - b'0');
            if n >= count {
                return Err(format!("invalid capture index ({n})").into());
            }
            match marks[n] {
                Mark::Part(start, end) => self.append(&self.subject[start..end]),
                Mark::Value(at) => {
                    self.at = at;
                    if !self.write_value(self.captures[at], "capture")? {
                        return Err(format!("no values in capture index {n}").into());
                    }
                }
            }
        }
        self.append(rest);
        self.l.pop(1);
        self.at = after;
        Ok(())
    }

    /// What the marks of the next capture stand for; it is passed. Returns how many there are.
    fn marks(&mut self, marks: &mut [Mark; MARKS]) -> usize {
        let mut count = 0;
        // How many simple captures are open, of which those inside count too, and where their marks are.
        let mut open = [0; MARKS];
        let mut depth = 0;
        loop {
            let Some(&capture) = self.captures.get(self.at) else {
                return count;
            };
            let start = capture.at as usize;
            if capture.kind == Kind::Close {
                depth -= 1;
                if let Mark::Part(_, end) = &mut marks[open[depth]] {
                    *end = start;
                }
                self.at += 1;
            } else if count > 0 && (capture.kind != Kind::Simple || count >= MARKS) {
                if count < MARKS {
                    marks[count] = Mark::Value(self.at);
                    count += 1;
                }
                self.pass();
            } else {
                marks[count] = Mark::Part(start, start + usize::from(capture.length.max(1)) - 1);
                if !capture.is_full() {
                    open[depth] = count;
                    depth += 1;
                }
                count += 1;
                self.at += 1;
            }
            if depth == 0 {
                return count;
            }
        }
    }
}
