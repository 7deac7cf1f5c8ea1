//! The ports of a case, replaced by free ones.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::peer;

/// The recorded ports.
const RECORDED: std::ops::RangeInclusive<u64> = 21600..=21689;

/// The case with a free port for each recorded one that it speaks of: as numbers, in texts, and in hex.
pub fn replace(case: &Json) -> Json {
    let text = case.to_string();
    let mut ports = BTreeMap::new();
    for old in RECORDED {
        let digits = old.to_string();
        if text.contains(&digits) || text.contains(&hex(&digits)) {
            ports.insert(digits, peer::port().to_string());
        }
    }
    replaced(case, &ports)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn replaced(value: &Json, ports: &BTreeMap<String, String>) -> Json {
    match value {
        Json::String(text) => {
            let mut text = text.clone();
            for (old, new) in ports {
                // Marked first, since a new port may look like another old one.
                text = text.replace(&hex(old), &format!("<{}>", hex(new)));
                text = text.replace(old.as_str(), &format!("<{new}>"));
            }
            for new in ports.values() {
                text = text.replace(&format!("<{new}>"), new);
                text = text.replace(&format!("<{}>", hex(new)), &hex(new));
            }
            text.into()
        }
        Json::Number(number) => {
            let new = ports.get(&number.to_string());
            new.map_or_else(
                || value.clone(),
                |new| new.parse::<u64>().expect("digits").into(),
            )
        }
        Json::Array(items) => items.iter().map(|item| replaced(item, ports)).collect(),
        Json::Object(fields) => fields
            .iter()
            .map(|(key, item)| (key.clone(), replaced(item, ports)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => value.clone(),
    }
}
