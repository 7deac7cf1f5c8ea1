//! Recorded conformance vectors (JSON) as Lua source.

use std::path::PathBuf;

use serde_json::Value;

use crate::node::quote;

/// The path of a vector file: in our own folder, or in another one that `SKYNET_VECTORS` names.
pub fn path(name: &str) -> PathBuf {
    let own = || concat!(env!("CARGO_MANIFEST_DIR"), "/vectors").into();
    std::env::var_os("SKYNET_VECTORS")
        .map_or_else(own, PathBuf::from)
        .join(name)
}

/// Complains if our own file of a family has fewer cases than it had; another one may have any number.
pub fn count(cases: usize, expected: usize) {
    let other = std::env::var_os("SKYNET_VECTORS").is_some();
    assert!(other || cases >= expected, "{cases} cases, were {expected}");
}

/// The cases of a vector file.
pub fn cases(name: &str) -> Vec<Value> {
    let path = path(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut json: Value = serde_json::from_str(&text).expect("valid JSON");
    match json["cases"].take() {
        Value::Array(cases) => cases,
        _ => panic!("{}: no list of cases", path.display()),
    }
}

/// The cases of a vector file as a Lua chunk that returns a list of tables, in the shape of the JSON.
pub fn cases_as_lua(name: &str) -> String {
    let mut lua = String::from("return {\n");
    for case in cases(name) {
        write(&case, &mut lua);
        lua.push_str(",\n");
    }
    lua.push_str("}\n");
    lua
}

/// A byte string of the vectors in any of its lossless forms.
pub fn bytes(value: &Value) -> Vec<u8> {
    if let Some(hex) = value.as_str() {
        let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex");
        return (0..hex.len()).step_by(2).map(byte).collect();
    }
    if let Some(hex) = value.get("hex") {
        return bytes(hex);
    }
    if let Some(pattern) = value.get("repeat") {
        let count = value["n"].as_u64().expect("a number");
        let pattern = bytes(pattern).into_iter().cycle();
        return pattern
            .take(usize::try_from(count).expect("a size"))
            .collect();
    }
    let pieces = value["concat"].as_array().expect("a lossless form");
    pieces.iter().flat_map(bytes).collect()
}

/// A part of a vector file as a Lua chunk that returns it.
pub fn part_as_lua(name: &str, part: &str) -> String {
    let text = std::fs::read_to_string(path(name)).expect("a vector file");
    let json: Value = serde_json::from_str(&text).expect("valid JSON");
    let mut lua = String::from("return ");
    write(&json[part], &mut lua);
    lua
}

/// A null in a list would silently shorten it, so it is refused.
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
            for (key, item) in fields.iter().filter(|(_, item)| !item.is_null()) {
                lua.push_str(&format!("[{}]=", quote(key)));
                write(item, lua);
                lua.push(',');
            }
            lua.push('}');
        }
    }
}
