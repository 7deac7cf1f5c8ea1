//! Values of a node against recorded ones.

use serde_json::Value as Json;

use super::bytes::{Expected, show};
use crate::vectors;

/// What a step's Lua text did: `results` or `raised`.
pub fn outcome(got: &Json, step: &Json) -> Result<(), String> {
    if let Some(want) = step["results"].as_array() {
        return match got["results"].as_array() {
            Some(got) => values(got, want),
            None => Err(format!("raised {}", shown(&got["raised"]))),
        };
    }
    let Some(raised) = got.get("raised") else {
        return Err(format!("no error, but {}", shown(&got["results"])));
    };
    if let Some(want) = step.get("error_value") {
        return value(raised, want);
    }
    if step.get("error_vm").is_some() {
        return value(raised, &serde_json::json!({ "t": "vm_error" }));
    }
    let want = match &step["error"] {
        Json::String(text) if !text.is_empty() => text.clone().into_bytes(),
        other => vectors::bytes(other),
    };
    if raised["t"] != "str" {
        return Err(format!("raised {}, want a text", shown(raised)));
    }
    let text = plain_text(&vectors::bytes(raised));
    if text == want {
        return Ok(());
    }
    Err(format!("raised {}, want {}", show(&text), show(&want)))
}

/// Lists of values.
pub fn values(got: &[Json], want: &[Json]) -> Result<(), String> {
    if got.len() != want.len() {
        let got: Vec<_> = got.iter().map(shown).collect();
        return Err(format!(
            "{} results {got:?}, want {}",
            got.len(),
            want.len()
        ));
    }
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        value(got, want).map_err(|why| format!("result {}: {why}", at + 1))?;
    }
    Ok(())
}

fn value(got: &Json, want: &Json) -> Result<(), String> {
    if is(got, want) {
        return Ok(());
    }
    Err(format!("{}, want {}", shown(got), shown(want)))
}

fn is(got: &Json, want: &Json) -> bool {
    let kind = want["t"].as_str().expect("a type");
    if kind == "vm_error" {
        return got["t"] == "str";
    }
    if kind == "http_socket_error" {
        return got["t"] == "socket_error";
    }
    if got["t"] != want["t"] {
        return false;
    }
    match kind {
        "str" => {
            let bytes = vectors::bytes(got);
            let want = Expected::of(want);
            want.is(&bytes) || want.is(&plain_text(&bytes))
        }
        "num" => got["bits"] == want["bits"],
        "int" | "bool" => got["v"] == want["v"],
        "table" => {
            let list = |value: &Json, key: &str| value[key].as_array().cloned().unwrap_or_default();
            let (array, hash) = (list(got, "array"), list(got, "hash"));
            let (want_array, want_hash) = (list(want, "array"), list(want, "hash"));
            array.len() == want_array.len()
                && hash.len() == want_hash.len()
                && array
                    .iter()
                    .zip(&want_array)
                    .all(|(got, want)| is(got, want))
                && want_hash.iter().all(|want| {
                    let mut pairs = hash.iter();
                    pairs.any(|got| is(&got[0], &want[0]) && is(&got[1], &want[1]))
                })
        }
        _ => true,
    }
}

/// Without `file:line:` in front and a stack traceback behind.
fn plain_text(text: &[u8]) -> Vec<u8> {
    let text = match text
        .windows(18)
        .position(|part| part == b"\nstack traceback:\n")
    {
        Some(at) => &text[..at],
        None => text,
    };
    // The first blank behind `:<digits>:` that is not in the text itself: the position has no blanks.
    let end = text
        .iter()
        .position(|&byte| byte == b' ')
        .unwrap_or(text.len());
    let mut parts = text[..end].rsplit(|&byte| byte == b':');
    let (last, line, file) = (parts.next(), parts.next(), parts.next());
    let is_line = line.is_some_and(|line| !line.is_empty() && line.iter().all(u8::is_ascii_digit));
    if last == Some(b"") && is_line && file.is_some() && end < text.len() {
        return text[end + 1..].to_vec();
    }
    text.to_vec()
}

/// Is it the recorded line, in which `#` stands for the id of a socket, and blanks for any number of them?
pub fn log_line(got: &str, want: &str) -> bool {
    let is_position = |word: &str| {
        let parts: Vec<&str> = word.split(':').collect();
        let line = parts.len().checked_sub(2).map(|at| parts[at]);
        let digits =
            |line: &str| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
        parts.len() >= 3 && word.ends_with(':') && line.is_some_and(digits)
    };
    let words = |text: &str| {
        let words = text.split_whitespace().filter(|word| !is_position(word));
        words.map(str::to_string).collect::<Vec<_>>()
    };
    let (got, want) = (words(got), words(want));
    got.len() == want.len()
        && got.iter().zip(&want).all(|(got, want)| {
            if got == want {
                return true;
            }
            let Some((before, behind)) = want.split_once('#') else {
                return got == want;
            };
            let id = got
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(behind));
            id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
        })
}

fn shown(value: &Json) -> String {
    match value["t"].as_str() {
        Some("str") if value.get("hex").is_some() => format!("'{}'", show(&vectors::bytes(value))),
        Some("int" | "bool") => value["v"].to_string().replace('"', ""),
        Some("table") => {
            let items = value["array"].as_array().into_iter().flatten().map(shown);
            let pairs = value["hash"].as_array().into_iter().flatten();
            let pairs = pairs.map(|pair| format!("[{}]={}", shown(&pair[0]), shown(&pair[1])));
            format!("{{{}}}", items.chain(pairs).collect::<Vec<_>>().join(","))
        }
        _ => value.to_string(),
    }
}
