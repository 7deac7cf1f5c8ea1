//! Typed values: what was recorded and what came.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ports::{Ports, find};
use super::{Check, text};
use crate::vectors;

/// How long events may take to come.
const PATIENCE: Duration = Duration::from_secs(8);

/// Bytes as they were recorded: all of them, or a summary.
pub fn same_bytes(recorded: &Value, bytes: &[u8]) -> bool {
    if recorded.get("sha256").is_some() && recorded.get("concat").is_none() {
        let sum: String = Sha256::digest(bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        return recorded["len"] == json!(bytes.len()) && recorded["sha256"] == json!(sum);
    }
    vectors::bytes(recorded) == bytes
}

/// How many bytes were recorded.
pub fn length(recorded: &Value) -> usize {
    match recorded["len"].as_u64() {
        Some(length) => length as usize,
        None => vectors::bytes(recorded).len(),
    }
}

/// A text without `file:line: ` in front, however often, and without a stack at its end.
fn plain(mut text: &[u8]) -> &[u8] {
    if let Some(end) = find(text, b"\nstack traceback:") {
        text = &text[..end];
    }
    while let Some(colon) = find(text, b": ") {
        let place = &text[..colon];
        let Some(line) = place.iter().rposition(|b| *b == b':') else {
            break;
        };
        let number = &place[line + 1..];
        if number.is_empty() || !number.iter().all(u8::is_ascii_digit) || place.contains(&b' ') {
            break;
        }
        text = &text[colon + 2..];
    }
    text
}

fn same_text(recorded: &Value, actual: &Value, ports: &Ports) -> bool {
    let bytes = ports.recorded_bytes(&vectors::bytes(&actual["hex"]));
    same_bytes(recorded, &bytes) || same_bytes(recorded, plain(&bytes))
}

/// Is the value that came the recorded one?
pub fn same(recorded: &Value, actual: &Value, ports: &Ports) -> bool {
    let kind = recorded["t"].as_str();
    if kind == Some("vm_error") {
        return actual["t"] == "str";
    }
    if recorded["t"] != actual["t"] {
        return false;
    }
    match kind {
        Some("str") => same_text(recorded, actual, ports),
        Some("num") => recorded["bits"] == actual["bits"],
        Some("table") => same_table(recorded, actual, ports),
        _ => recorded.get("v") == actual.get("v"),
    }
}

fn same_list(recorded: &Value, actual: &Value, ports: &Ports) -> bool {
    let (a, b) = (items(recorded), items(actual));
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, ports))
}

fn same_table(recorded: &Value, actual: &Value, ports: &Ports) -> bool {
    let mut left: Vec<&Value> = items(&actual["hash"]).iter().collect();
    let pairs = items(&recorded["hash"]);
    same_list(&recorded["array"], &actual["array"], ports)
        && pairs.len() == left.len()
        && pairs.iter().all(|pair| {
            let at = left.iter().position(|other| same_list(pair, other, ports));
            at.map(|at| left.swap_remove(at)).is_some()
        })
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// A value for a person to read.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        _ => match value["t"].as_str() {
            Some("str") if value.get("hex").is_some() => {
                format!("\"{}\"", text::shown(&vectors::bytes(&value["hex"])))
            }
            Some("table") => format!("{{{}; {}}}", shown(&value["array"]), shown(&value["hash"])),
            Some("int" | "bool") => value["v"].to_string(),
            _ => value.to_string(),
        },
    }
}

/// Compares how Lua text ended.
pub fn check_outcome(step: &Value, answer: &Value, ports: &Ports) -> Check {
    let raised = answer.get("error").map(|list| &list[0]);
    let fine = if let Some(results) = step.get("results") {
        answer
            .get("results")
            .is_some_and(|actual| same_list(results, actual, ports))
    } else if let Some(value) = step.get("error_value") {
        raised.is_some_and(|error| same(value, error, ports))
    } else if step["error_vm"] == true {
        raised.is_some_and(|error| error["t"] == "str")
    } else {
        let texts: Vec<&Value> = match step.get("error_any_of") {
            Some(texts) => items(texts).iter().collect(),
            None => vec![&step["error"]],
        };
        raised.is_some_and(|error| {
            let bytes = ports.recorded_bytes(&vectors::bytes(&error["hex"]));
            let bytes = plain(&bytes);
            error["t"] == "str"
                && texts
                    .iter()
                    .any(|t| t.as_str().expect("text").as_bytes() == bytes)
        })
    };
    if fine {
        return Ok(());
    }
    let actual = match raised {
        Some(error) => format!("error {}", shown(error)),
        None => shown(&answer["results"]),
    };
    let wanted = match step.get("results") {
        Some(results) => shown(results),
        None => format!("error {} {}", step["error"], step["error_value"]),
    };
    Err(format!(
        "{}\n  got  {actual}\n  want {wanted}",
        step["lua"].as_str().unwrap_or("")
    ))
}

/// Waits until the events are there; others must not come.
pub fn wait_for_events(
    wanted: &Value,
    ports: &Ports,
    mut ask: impl FnMut() -> Check<Value>,
) -> Check {
    let started = Instant::now();
    let mut events = Vec::new();
    loop {
        events.extend_from_slice(items(&ask()?));
        if events.len() >= items(wanted).len() || started.elapsed() > PATIENCE {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let actual = Value::Array(events);
    let fine = items(&actual).len() == items(wanted).len()
        && items(wanted)
            .iter()
            .zip(items(&actual))
            .all(|(a, b)| same_list(a, b, ports));
    match fine {
        true => Ok(()),
        false => Err(format!(
            "events\n  got  {}\n  want {}",
            shown(&actual),
            shown(wanted)
        )),
    }
}
