//! The results of calls: values, with `true` in front of them where a protected call is answered.

use skynet_kernel::Payload;
use skynet_wire::seri::{self, Value, Writer};

/// A payload that begins with `true`, as the results of a protected call.
pub(crate) fn after_true(results: &[u8]) -> Payload {
    let mut head = Vec::new();
    Writer::new(&mut head).bool(true);
    Payload::concat(&[&head, results])
}

/// Does a payload begin with `true`?
pub(crate) fn first_is_true(payload: &[u8]) -> bool {
    let values = seri::unpack(payload).unwrap_or_default();
    values.first().and_then(Value::as_bool) == Some(true)
}

/// What Lua's `tostring` makes of a simple value.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
            (*value as i64).to_string()
        }
        Value::Float(value) => value.to_string(),
        Value::Bytes(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{:?}", other.kind()).to_lowercase(),
    }
}
