//! `lpeg.match`: runs the machine, and does what it asks for meanwhile.
//!
//! Lua functions are called from here without anything that would have to be freed: an error in one leaves by a jump.

use std::ffi::c_int;

use mlua_sys::lua55 as ffi;
use skynet_peg::{Code, CompileError, Event, MAX_SUBJECT, MAX_VALUES, Machine, compile};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, native, results};

use super::build::{argument_pattern, integer, string};
use super::grammar::rule_name;
use super::home::{self, Arrays, Home};
use super::pattern;
use super::values::{Places, ROOM, Values};

/// The stack is never smaller, whatever `setmaxstack` says; as in LPeg.
const LEAST_LIMIT: usize = 400;
/// A match-time function returns at most so many values.
const MAX_RESULTS: c_int = 32_759;

/// Where a match begins: the number of bytes before it.
fn start(l: Lua, i: c_int, length: usize) -> Result<usize, Fault> {
    if l.is_none_or_nil(i) {
        return Ok(0);
    }
    let n = integer(l, i)?;
    let distance = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
    Ok(match n > 0 {
        true => (distance - 1).min(length),
        false => length.saturating_sub(distance),
    })
}

/// Pushes the program of the pattern at 1, which is compiled the first time. *raises*
fn program<'a>(l: Lua) -> Result<Code<'a>, Fault> {
    if let Some(code) = pattern::program(l, 1) {
        return Ok(code);
    }
    l.pop(1);
    compiled(l)?;
    pattern::program(l, 1).ok_or_else(|| "pattern without a program".into())
}

#[cold]
fn compiled(l: Lua) -> Result<(), Fault> {
    let view = pattern::get(l, 1).ok_or_else(|| pattern::no_pattern(l, 1))?;
    match compile(view) {
        Ok(program) => pattern::keep_program(l, 1, &program),
        Err(CompileError::OpenRule(key)) => {
            pattern::push_values(l, 1);
            l.raw_geti(-1, key.into());
            let name = rule_name(l, -1);
            Err(format!("rule '{name}' used outside a grammar").into())
        }
        Err(error) => Err(error.to_string().into()),
    }
}

/// A match that runs.
struct Match<'a> {
    l: Lua,
    home: *mut Home,
    arrays: Arrays,
    machine: Machine,
    subject: &'a [u8],
    values: Values<'a>,
    places: Places,
}

impl Match<'_> {
    /// Runs to the end: has the pattern matched?
    fn run(&mut self, code: Code<'_>) -> Result<bool, Fault> {
        loop {
            // SAFETY: what was borrowed for the last event is not used any more.
            let (stack, captures) = unsafe { self.arrays.get() };
            match self.machine.run(code, self.subject, stack, captures) {
                Event::Matched => return Ok(true),
                Event::Failed => return Ok(false),
                Event::Pause => skynet_lua::attend(self.l),
                Event::StackFull => {
                    // SAFETY: the home is on the Lua stack.
                    let limit = unsafe { (*self.home).limit };
                    let most = limit.max(LEAST_LIMIT) - 1;
                    let (stack, _) = self.arrays.sizes();
                    if stack >= most {
                        return Err(
                            format!("backtrack stack overflow (current limit is {limit})").into(),
                        );
                    }
                    self.grow((2 * stack).min(most), 0);
                }
                Event::CapturesFull { room } => self.more_captures(room),
                Event::MatchTime { open, key } => self.call(open, key)?,
            }
        }
    }

    fn grow(&mut self, stack: usize, captures: usize) {
        let sizes = self.arrays.sizes();
        // SAFETY: nothing is borrowed from the arrays here.
        self.arrays = unsafe {
            self.arrays.grown(
                self.l,
                self.places.arrays,
                stack.max(sizes.0),
                captures.max(sizes.1),
            )
        };
    }

    fn more_captures(&mut self, room: usize) {
        let (_, captures) = self.arrays.sizes();
        self.grow(0, (2 * captures).max(self.machine.captures() + room));
    }

    /// Calls the match-time function of a key for the capture at `open`.
    fn call(&mut self, open: usize, key: u16) -> Result<(), Fault> {
        let l = self.l;
        // What functions have returned that was given up since is let go.
        l.set_top(self.places.returned + self.machine.values() as c_int);
        if !l.check_stack(ROOM) {
            return Err("too many runtime captures".into());
        }
        let function = l.top() + 1;
        let position = self.machine.position();
        l.raw_geti(self.places.values, key.into());
        l.push_value(2);
        l.push_int(position as i64 + 1);
        // SAFETY: the machine does not run; `Values` only reads, and the userdata stays where it is.
        let (_, captures) = unsafe { self.arrays.get() };
        self.values.set(&captures[..self.machine.captures()]);
        let inside = self.values.push_inside(open)?;
        self.values.set(&[]);
        l.call(2 + inside, ffi::LUA_MULTRET);
        if !l.bool(function) {
            l.set_top(function - 1);
            self.machine.refused();
            return Ok(());
        }
        let end = match l.kind(function) {
            Type::Boolean => Some(position),
            _ => l.int(function).and_then(|n| usize::try_from(n - 1).ok()),
        };
        let end = end
            .filter(|&end| position <= end && end <= self.subject.len())
            .ok_or_else(|| Fault::from("invalid position returned by match-time capture"))?;
        let count = l.top() - function;
        if count > MAX_RESULTS {
            l.set_top(function);
            return Err("too many results in match-time capture".into());
        }
        l.remove(function);
        // Those of the captures inside are behind what was returned now, and come to an end.
        let kept = self.kept(open);
        let before = self.places.returned + kept as c_int;
        for _ in before + 1..function {
            l.remove(before + 1);
        }
        let count = count as u32;
        if kept + count > MAX_VALUES {
            return Err("too many runtime captures".into());
        }
        loop {
            // SAFETY: as above.
            let (_, captures) = unsafe { self.arrays.get() };
            match self.machine.matched(open, end, count, captures) {
                Some(Event::CapturesFull { room }) => self.more_captures(room),
                _ => return Ok(()),
            }
        }
    }

    /// How many returned values belong to captures before `open`.
    fn kept(&self, open: usize) -> u32 {
        if self.machine.values() == 0 {
            return 0;
        }
        // SAFETY: as above.
        let (_, captures) = unsafe { self.arrays.get() };
        let inside = captures[open..self.machine.captures()].iter();
        inside
            .filter(|capture| capture.kind == skynet_peg::Kind::Value)
            .map(|capture| capture.value())
            .next()
            .unwrap_or(self.machine.values())
    }

    /// Pushes what the captures make, or the position if that is nothing. *raises*
    fn finish(&mut self) -> Result<c_int, Fault> {
        let l = self.l;
        let end = self.machine.position() as i64 + 1;
        let count = self.machine.captures();
        if count == 0 {
            l.push_int(end);
            return Ok(1);
        }
        l.set_top(self.places.returned + self.machine.values() as c_int);
        // SAFETY: as above.
        let (_, captures) = unsafe { self.arrays.get() };
        self.values.set(&captures[..count]);
        match self.values.push_all()? {
            0 => {
                l.push_int(end);
                Ok(1)
            }
            n => Ok(n),
        }
    }
}

native! {
    /// `lpeg.match(patt, subject [, init, …])`
    run = |l| {
        if !l.check_stack(ROOM) {
            return Err("stack overflow".into());
        }
        if l.kind(1) != Type::Userdata {
            argument_pattern(l, 1)?;
        }
        let subject = string(l, 2)?;
        if subject.len() > MAX_SUBJECT {
            return Err(Fault::Argument(2, "subject too long".into()));
        }
        let start = start(l, 3, subject.len())?;
        let arguments = l.top();
        let home = home::push(l);
        if !home::is_pattern(l, home, 1) {
            return Err(pattern::no_pattern(l, 1));
        }
        let code = program(l)?;
        let places = Places {
            home: arguments + 1,
            values: arguments + 3,
            arrays: arguments + 4,
            text: arguments + 5,
            arguments,
            returned: arguments + 5,
        };
        pattern::push_values(l, 1);
        let arrays = Arrays::take(l, home, places.home);
        l.push_nil();
        let mut this = Match {
            l,
            home,
            arrays,
            machine: Machine::new(start),
            subject,
            values: Values::new(l, home, places, subject),
            places,
        };
        let count = match this.run(code)? {
            true => this.finish()?,
            false => {
                l.push_nil();
                1
            }
        };
        this.arrays.give_back(l, home, places.home, places.arrays);
        this.values.text.give_back(l, home, places.home);
        results(count)
    };

    /// `lpeg.setmaxstack(max)`
    setmaxstack = |l| {
        let n = integer(l, 1)?;
        let limit = usize::try_from(n).ok().filter(|n| (1..=i32::MAX as usize).contains(n));
        let limit = limit.ok_or(Fault::Argument(1, "out of range".into()))?;
        let home = home::push(l);
        // SAFETY: the home is on the stack.
        unsafe { (*home).limit = limit };
        results(0)
    };
}
