//! Types of values.

use std::fmt;

/// The type of a [`Value`](super::Value); `Display` gives Lua's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Nil,
    Boolean,
    Integer,
    Float,
    Pointer,
    String,
    Table,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::Integer => "integer",
            Kind::Float => "float",
            Kind::Pointer => "light userdata",
            Kind::String => "string",
            Kind::Table => "table",
        })
    }
}
