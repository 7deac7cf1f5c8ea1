//! The machine that matches.
//!
//! It owns no memory. Its two arrays, the stack of choices and calls and the list of captures, belong to the caller,
//! who is asked for larger ones; and it calls nobody: a match-time function is an event after which it goes on. So a
//! caller can have all memory where it is counted, and may leave a match at any event.

use memchr::{memchr, memchr2, memchr3};

use crate::program::{Class, Code, Inst};
use crate::tree::Kind;

/// A place on the stack: a choice, a call, or how often a repetition is still to be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// Where to go on in the program; of a repetition, the number.
    target: u32,
    /// Where to go on in the subject; [`CALL`] and [`REPEAT`] tell the others.
    at: u32,
    /// How many captures there were.
    captures: u32,
}

/// So many steps back, calls and repetitions are run before the caller may see to something else.
const PATIENCE: u32 = 1 << 16;
const CALL: u32 = u32::MAX;
const REPEAT: u32 = u32::MAX - 1;
/// Subjects are at most so long.
pub const MAX_SUBJECT: usize = u32::MAX as usize - 2;

/// An event in the list of captures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capture {
    /// Where it begins; of a `Close`, where the capture that it closes ends.
    pub at: u32,
    /// What it is.
    pub kind: Kind,
    /// For a capture that has no `Close`: one more than its length. Else 0. Of a `Value`, the high bits of its number.
    pub length: u8,
    /// Its key. Of a `Value`, the low bits of its number.
    pub key: u16,
}

impl Capture {
    /// Something to fill an array with.
    pub const BLANK: Capture = Capture {
        at: 0,
        kind: Kind::Close,
        length: 0,
        key: 0,
    };

    /// Which one of the values of match-time functions it stands for.
    pub fn value(self) -> u32 {
        u32::from(self.length) << 16 | u32::from(self.key)
    }

    /// Has it no `Close`?
    pub fn is_full(self) -> bool {
        self.length != 0 || self.kind == Kind::Value
    }
}

/// Match-time functions return at most so many values in one match.
pub const MAX_VALUES: u32 = 1 << 24;

/// Why the machine stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The pattern has matched up to `position`.
    Matched,
    /// It has not.
    Failed,
    /// The stack is full. With a larger one, whose beginning is the same, go on.
    StackFull,
    /// The list of captures is full; likewise. `room` of them at least are wanted.
    CapturesFull {
        /// How many more.
        room: usize,
    },
    /// It has taken long. Nothing has to be done: go on, or give it up.
    Pause,
    /// A match-time function is to be called. See [`Machine::matched`] and [`Machine::refused`].
    MatchTime {
        /// The place of its capture, behind which the captures inside come.
        open: usize,
        /// Its key.
        key: u16,
    },
}

/// The state of a match.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    next: usize,
    position: usize,
    top: usize,
    captures: usize,
    values: u32,
    failing: bool,
}

impl Machine {
    /// A match that begins at a position of the subject, which is not behind its end.
    pub fn new(position: usize) -> Machine {
        Machine {
            position,
            ..Machine::default()
        }
    }

    /// Where the match is.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many captures there are.
    pub fn captures(&self) -> usize {
        self.captures
    }

    /// How many places of the stack are in use.
    pub fn stack(&self) -> usize {
        self.top
    }

    /// How many of the values that match-time functions returned are still referred to.
    pub fn values(&self) -> u32 {
        self.values
    }

    /// After [`Event::MatchTime`]: the function matched up to `position`, with so many values. They get the numbers
    /// from [`Self::values`] on; they, and not the captures inside, are in the list from now on. Returns the event to
    /// handle if there is not enough room.
    pub fn matched(
        &mut self,
        open: usize,
        position: usize,
        values: u32,
        captures: &mut [Capture],
    ) -> Option<Event> {
        let wanted = match values {
            0 => open,
            n => open + n as usize + 2,
        };
        if wanted > captures.len() {
            let room = wanted - self.captures;
            return Some(Event::CapturesFull { room });
        }
        self.drop_values(&captures[open..self.captures]);
        let from = captures[open].at;
        if values > 0 {
            captures[open] = Capture {
                at: from,
                kind: Kind::Group,
                ..Capture::BLANK
            };
            for (i, capture) in captures[open + 1..wanted - 1].iter_mut().enumerate() {
                let number = self.values + i as u32;
                *capture = Capture {
                    at: position as u32,
                    kind: Kind::Value,
                    length: (number >> 16) as u8,
                    key: number as u16,
                };
            }
            captures[wanted - 1] = Capture {
                at: position as u32,
                ..Capture::BLANK
            };
        }
        self.captures = wanted;
        self.values += values;
        self.position = position;
        None
    }

    /// After [`Event::MatchTime`]: the function did not match.
    pub fn refused(&mut self) {
        self.failing = true;
    }

    /// Values of the captures that are given up are not referred to any more; they are the last ones.
    fn drop_values(&mut self, captures: &[Capture]) {
        if self.values > 0 {
            let first = captures.iter().find(|capture| capture.kind == Kind::Value);
            if let Some(first) = first {
                self.values = first.value();
            }
        }
    }

    /// Runs until something has to be done by the caller. The program, the subject and the contents of the arrays are
    /// those of the last time.
    pub fn run(
        &mut self,
        program: Code<'_>,
        subject: &[u8],
        stack: &mut [Entry],
        captures: &mut [Capture],
    ) -> Event {
        let code = program.code;
        let mut next = self.next;
        let mut at = self.position;
        let mut top = self.top;
        let mut count = self.captures;
        let mut failing = std::mem::take(&mut self.failing);
        let has = |class: Class, b: u8| {
            program.classes[usize::from(class.table)][usize::from(b)] & class.mask != 0
        };
        macro_rules! stop {
            ($next:expr, $event:expr) => {{
                self.next = $next;
                self.position = at;
                self.top = top;
                self.captures = count;
                return $event;
            }};
        }
        let mut patience = PATIENCE;
        // Whatever takes long comes by such a place often.
        macro_rules! step {
            ($next:expr, $failing:expr) => {{
                patience -= 1;
                if patience == 0 {
                    self.failing = $failing;
                    stop!($next, Event::Pause);
                }
            }};
        }
        macro_rules! push {
            ($entry:expr) => {{
                let Some(place) = stack.get_mut(top) else {
                    stop!(next - 1, Event::StackFull);
                };
                *place = $entry;
                top += 1;
            }};
        }
        macro_rules! capture {
            ($capture:expr) => {{
                let Some(place) = captures.get_mut(count) else {
                    stop!(next - 1, Event::CapturesFull { room: 1 });
                };
                *place = $capture;
                count += 1;
            }};
        }
        macro_rules! pass {
            ($length:expr) => {{
                at += $length;
                continue;
            }};
        }
        loop {
            if !failing {
                let inst = code[next];
                next += 1;
                match inst {
                    Inst::Byte(b) => {
                        if subject.get(at) == Some(&b) {
                            pass!(1);
                        }
                    }
                    Inst::Set(class) => {
                        if subject.get(at).is_some_and(|&b| has(class, b)) {
                            pass!(1);
                        }
                    }
                    Inst::Any(n) => {
                        if subject.len() - at >= n as usize {
                            pass!(n as usize);
                        }
                    }
                    Inst::IfByte(b, other) => {
                        if subject.get(at) != Some(&b) {
                            next = other as usize;
                        }
                        continue;
                    }
                    Inst::IfSet(class, other) => {
                        if !subject.get(at).is_some_and(|&b| has(class, b)) {
                            next = other as usize;
                        }
                        continue;
                    }
                    Inst::TakeByte(b, other) => {
                        match subject.get(at) == Some(&b) {
                            true => at += 1,
                            false => next = other as usize,
                        }
                        continue;
                    }
                    Inst::TakeSet(class, other) => {
                        match subject.get(at).is_some_and(|&b| has(class, b)) {
                            true => at += 1,
                            false => next = other as usize,
                        }
                        continue;
                    }
                    Inst::Switch(number) => {
                        let byte = subject.get(at).map_or(256, |&b| usize::from(b));
                        next = program.switches[number as usize][byte] as usize;
                        continue;
                    }
                    Inst::Jump(target) => {
                        next = target as usize;
                        continue;
                    }
                    Inst::Span(class) => {
                        let table = &program.classes[usize::from(class.table)];
                        let rest = &subject[at..];
                        let passed = rest
                            .iter()
                            .position(|&b| table[usize::from(b)] & class.mask == 0);
                        pass!(passed.unwrap_or(rest.len()));
                    }
                    Inst::SpanTo1(a) => {
                        let rest = &subject[at..];
                        pass!(memchr(a, rest).unwrap_or(rest.len()));
                    }
                    Inst::SpanTo2(a, b) => {
                        let rest = &subject[at..];
                        pass!(memchr2(a, b, rest).unwrap_or(rest.len()));
                    }
                    Inst::SpanTo3(a, b, c) => {
                        let rest = &subject[at..];
                        pass!(memchr3(a, b, c, rest).unwrap_or(rest.len()));
                    }
                    Inst::SpanAll => {
                        at = subject.len();
                        continue;
                    }
                    Inst::Call(target) => {
                        step!(next - 1, false);
                        push!(Entry {
                            target: next as u32,
                            at: CALL,
                            captures: 0,
                        });
                        next = target as usize;
                        continue;
                    }
                    Inst::Return => {
                        top -= 1;
                        next = stack[top].target as usize;
                        continue;
                    }
                    Inst::Choice(target) => {
                        push!(Entry {
                            target,
                            at: at as u32,
                            captures: count as u32,
                        });
                        continue;
                    }
                    Inst::Commit(target) => {
                        top -= 1;
                        next = target as usize;
                        continue;
                    }
                    Inst::PartialCommit(target) => {
                        step!(next - 1, false);
                        let entry = &mut stack[top - 1];
                        entry.at = at as u32;
                        entry.captures = count as u32;
                        next = target as usize;
                        continue;
                    }
                    Inst::FullCapture(kind, length, key) => {
                        capture!(Capture {
                            at: (at - usize::from(length)) as u32,
                            kind,
                            length: length + 1,
                            key,
                        });
                        continue;
                    }
                    Inst::OpenCapture(kind, key) => {
                        capture!(Capture {
                            at: at as u32,
                            kind,
                            length: 0,
                            key,
                        });
                        continue;
                    }
                    Inst::CloseCapture => {
                        // A capture without others inside that is short enough is one entry.
                        let last = &mut captures[count - 1];
                        let length = at - last.at as usize;
                        if length < 255 && !last.is_full() && last.kind != Kind::Close {
                            last.length = length as u8 + 1;
                            continue;
                        }
                        capture!(Capture {
                            at: at as u32,
                            ..Capture::BLANK
                        });
                        continue;
                    }
                    Inst::Pair(a, b) => {
                        if subject.get(at..at + 2) == Some(&[a, b]) {
                            pass!(2);
                        }
                    }
                    Inst::Literal(start, length) => {
                        let length = length as usize;
                        let text = &program.text[start as usize..start as usize + length];
                        if subject[at..].starts_with(text) {
                            pass!(length);
                        }
                    }
                    Inst::IfAny(other) => {
                        if at >= subject.len() {
                            next = other as usize;
                        }
                        continue;
                    }
                    Inst::NotByte(b) => {
                        if subject.get(at) != Some(&b) {
                            continue;
                        }
                    }
                    Inst::NotSet(class) => {
                        if !subject.get(at).is_some_and(|&b| has(class, b)) {
                            continue;
                        }
                    }
                    Inst::NotAny(n) => {
                        if subject.len() - at < n as usize {
                            continue;
                        }
                    }
                    Inst::Utf8(first, last) => {
                        if let Some((code, length)) = code_point(&subject[at..])
                            && (first..=last).contains(&code)
                        {
                            pass!(length);
                        }
                    }
                    Inst::Behind(n) => {
                        if at >= n as usize {
                            at -= n as usize;
                            continue;
                        }
                    }
                    Inst::BackCommit(target) => {
                        top -= 1;
                        let entry = stack[top];
                        at = entry.at as usize;
                        self.drop_values(&captures[entry.captures as usize..count]);
                        count = entry.captures as usize;
                        next = target as usize;
                        continue;
                    }
                    Inst::FailTwice => top -= 1,
                    Inst::Fail => {}
                    Inst::Repeat(times) => {
                        push!(Entry {
                            target: times,
                            at: REPEAT,
                            captures: 0,
                        });
                        continue;
                    }
                    Inst::Again(target) => {
                        step!(next - 1, false);
                        let entry = &mut stack[top - 1];
                        entry.target -= 1;
                        match entry.target {
                            0 => top -= 1,
                            _ => next = target as usize,
                        }
                        continue;
                    }
                    Inst::AgainOrDone(again, done) => {
                        step!(next - 1, false);
                        let repeat = &mut stack[top - 2];
                        repeat.target -= 1;
                        if repeat.target == 0 {
                            top -= 2;
                            next = done as usize;
                        } else {
                            let choice = &mut stack[top - 1];
                            choice.at = at as u32;
                            choice.captures = count as u32;
                            next = again as usize;
                        }
                        continue;
                    }
                    Inst::Leave => {
                        top -= 1;
                        continue;
                    }
                    Inst::MatchTime => {
                        let open = innermost(&captures[..count]);
                        let key = captures[open].key;
                        stop!(next, Event::MatchTime { open, key });
                    }
                    Inst::End => stop!(next, Event::Matched),
                }
            }
            step!(next, true);
            failing = false;
            loop {
                if top == 0 {
                    stop!(next, Event::Failed);
                }
                top -= 1;
                let entry = stack[top];
                if entry.at < REPEAT {
                    at = entry.at as usize;
                    next = entry.target as usize;
                    let kept = entry.captures as usize;
                    if self.values > 0 {
                        self.drop_values(&captures[kept..count]);
                    }
                    count = kept;
                    break;
                }
            }
        }
    }
}

/// The place of the last capture that is still open.
fn innermost(captures: &[Capture]) -> usize {
    let mut closed = 0;
    for (place, capture) in captures.iter().enumerate().rev() {
        match capture.kind {
            Kind::Close => closed += 1,
            _ if capture.is_full() => {}
            _ if closed == 0 => return place,
            _ => closed -= 1,
        }
    }
    0
}

/// The code point at the beginning, and how many bytes it has. Surrogates are taken, longer forms than needed are not.
fn code_point(bytes: &[u8]) -> Option<(u32, usize)> {
    let first = u32::from(*bytes.first()?);
    let (length, least, start) = match first {
        0..0x80 => return Some((first, 1)),
        0xC0..0xE0 => (2, 0x80, first & 0x1F),
        0xE0..0xF0 => (3, 0x800, first & 0x0F),
        0xF0..0xF8 => (4, 0x1_0000, first & 0x07),
        _ => return None,
    };
    let mut code = start;
    for &b in bytes.get(1..length)? {
        if b & 0xC0 != 0x80 {
            return None;
        }
        code = code << 6 | u32::from(b & 0x3F);
    }
    (code >= least && code <= 0x10_FFFF).then_some((code, length))
}
