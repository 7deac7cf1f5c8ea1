//! Parsing expression grammars, without Lua.
//!
//! A pattern is a [`Tree`], which is composed of others; [`compile`] makes a [`Program`] of it, and the [`Machine`]
//! runs that over a subject. What it leaves is a list of [`Capture`]s, of which the caller makes values.
//!
//! The module `lpeg` is made of this. What its patterns mean is what the manual of LPeg 1.1 says; tree, compiler and
//! machine are this crate's own.

#![forbid(unsafe_code)]

mod compile;
mod facts;
mod grammar;
mod machine;
mod program;
mod set;
mod syntax;
mod tree;

pub use compile::{CompileError, MAX_CODE, compile};
pub use grammar::{GrammarError, MAX_RULES, RuleDef};
pub use machine::{Capture, Entry, Event, MAX_SUBJECT, MAX_VALUES, Machine};
pub use program::{Class, Code, Inst, Program, Switch};
pub use set::Set;
pub use syntax::{Step, SyntaxError, parse};
pub use tree::{BehindError, EmptyLoop, Facts, Kind, Node, Op, Tree, View};
