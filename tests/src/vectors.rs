//! Recorded conformance vectors (JSON) as Lua source.

use std::path::PathBuf;

use serde_json::Value;

use crate::node::quote;

/// The path of a vector file.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors")).join(name)
}

/// The cases of a vector file as a Lua chunk that returns a list of tables, in the shape of the JSON.
pub fn cases_as_lua(name: &str) -> String {
    let path = path(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let json: Value = serde_json::from_str(&text).expect("valid JSON");
    let mut lua = String::from("return {\n");
    for case in json["cases"].as_array().expect("a list of cases") {
        write(case, &mut lua);
        lua.push_str(",\n");
    }
    lua.push_str("}\n");
    lua
}

/// JSON null does not occur in the vectors; it would silently shorten a Lua list, so it is refused.
fn write(value: &Value, lua: &mut String) {
    match value {
        Value::Null => panic!("null in a vector"),
        Value::Bool(flag) => lua.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => lua.push_str(&number.to_string()),
        Value::String(text) => lua.push_str(&quote(text)),
        Value::Array(items) => {
            lua.push('{');
            for item in items {
                write(item, lua);
                lua.push(',');
            }
            lua.push('}');
        }
        Value::Object(fields) => {
            lua.push('{');
            for (key, item) in fields {
                lua.push_str(&format!("[{}]=", quote(key)));
                write(item, lua);
                lua.push(',');
            }
            lua.push('}');
        }
    }
}
