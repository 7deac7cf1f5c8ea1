//! Programs: what the machine runs.
//!
//! An instruction is twelve bytes; what does not fit (texts, sets, tables of targets) lies in arrays beside them. As a
//! tree, a program can lie in any block of memory.

use crate::tree::Kind;

/// A set of bytes: those of a table whose entry has a bit of the mask. Eight sets share a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class {
    /// The number of the table.
    pub table: u16,
    /// The bit.
    pub mask: u8,
}

/// An instruction. Targets are places in the code.
///
/// What *fails* goes back to the last choice; what *tests* goes to its target, and otherwise to the next instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inst {
    /// The pattern has matched.
    End,
    /// Fails.
    Fail,
    /// Fails unless so many bytes are there.
    Any(u32),
    /// Fails unless this byte is there.
    Byte(u8),
    /// Fails unless these two bytes are there.
    Pair(u8, u8),
    /// Fails unless this text is there: where it begins, and how long it is.
    Literal(u32, u32),
    /// Fails unless a byte of the set is there.
    Set(Class),
    /// Fails unless a code point of the range is there.
    Utf8(u32, u32),
    /// Fails if so many bytes are there.
    NotAny(u32),
    /// Fails if this byte is there.
    NotByte(u8),
    /// Fails if a byte of the set is there.
    NotSet(Class),
    /// Passes all bytes of the set.
    Span(Class),
    /// Passes everything to the end.
    SpanAll,
    /// Passes everything to the next one of the byte.
    SpanTo1(u8),
    /// Passes everything to the next one of the bytes.
    SpanTo2(u8, u8),
    /// Passes everything to the next one of the bytes.
    SpanTo3(u8, u8, u8),
    /// Tests that a byte is there.
    IfAny(u32),
    /// Tests that this byte is there.
    IfByte(u8, u32),
    /// Tests that a byte of the set is there.
    IfSet(Class, u32),
    /// Tests that this byte is there, and passes it.
    TakeByte(u8, u32),
    /// Tests that a byte of the set is there, and passes it.
    TakeSet(Class, u32),
    /// Goes where the table says for the next byte.
    Switch(u32),
    /// Goes so many bytes back; fails if there are less.
    Behind(u32),
    /// Goes there.
    Jump(u32),
    /// Calls a rule.
    Call(u32),
    /// Returns from a rule.
    Return,
    /// Where to go on if what comes fails, from here.
    Choice(u32),
    /// Takes the last choice away, and goes there.
    Commit(u32),
    /// The last choice is from here now. Goes there.
    PartialCommit(u32),
    /// Takes the last choice away, goes back to where it was made, and goes there.
    BackCommit(u32),
    /// Takes the last choice away, and fails.
    FailTwice,
    /// Begins a repetition of so many times.
    Repeat(u32),
    /// Goes there unless it was the last time.
    Again(u32),
    /// The last choice, which was made in a repetition, is from here now. Goes to the first one, or, if it was the last
    /// time, takes choice and repetition away and goes to the other one.
    AgainOrDone(u32, u32),
    /// Takes the last repetition away.
    Leave,
    /// A capture begins.
    OpenCapture(Kind, u16),
    /// The last open capture ends.
    CloseCapture,
    /// A capture of the last so many bytes.
    FullCapture(Kind, u8, u16),
    /// The last open capture is for a match-time function: it is called.
    MatchTime,
}

/// Targets for each byte, and for the end of the subject.
pub type Switch = [u32; 257];

/// A program, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// The instructions, the first of which begins.
    pub code: &'a [Inst],
    /// The tables of classes.
    pub classes: &'a [[u8; 256]],
    /// The tables of switches.
    pub switches: &'a [Switch],
    /// The texts.
    pub text: &'a [u8],
}

/// A program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Program {
    /// The instructions, the first of which begins.
    pub code: Vec<Inst>,
    /// The tables of classes.
    pub classes: Vec<[u8; 256]>,
    /// The tables of switches.
    pub switches: Vec<Switch>,
    /// The texts.
    pub text: Vec<u8>,
}

impl Program {
    /// The program, borrowed.
    pub fn view(&self) -> Code<'_> {
        Code {
            code: &self.code,
            classes: &self.classes,
            switches: &self.switches,
            text: &self.text,
        }
    }
}
