//! The vectors recorded from skynet (C), and the forms in which they write bytes.

// Each test uses its own part of this.
#![allow(dead_code)]

use std::collections::BTreeSet;

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// The cases of a family: `count` of them or more in our own folder, any number in another one that `SKYNET_VECTORS`
/// names.
pub fn cases(family: &str, count: usize) -> Vec<Json> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors");
    let other = std::env::var("SKYNET_VECTORS");
    let dir = other.as_deref().unwrap_or(own);
    let text = std::fs::read_to_string(format!("{dir}/{family}.json")).unwrap();
    let mut json: Json = serde_json::from_str(&text).unwrap();
    let Json::Array(cases) = json["cases"].take() else {
        panic!("no cases")
    };
    assert!(
        other.is_ok() || cases.len() >= count,
        "{} cases",
        cases.len()
    );
    cases
}

/// Runs every case. `run` tells whether it could; those that it could not must be exactly the ones of which `left_out`
/// says so, so that no case is lost.
pub fn run_all(cases: &[Json], left_out: impl Fn(&Json) -> bool, run: impl Fn(&Json) -> bool) {
    let (mut not_run, mut expected) = (BTreeSet::new(), BTreeSet::new());
    let mut failed = Vec::new();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        if left_out(case) {
            expected.insert(name);
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(case)));
        match outcome {
            Ok(true) => {}
            Ok(false) => assert!(not_run.insert(name), "{name} twice"),
            Err(_) => failed.push(name),
        }
    }
    assert_eq!(failed, [""; 0], "the panics above tell why");
    assert_eq!(not_run, expected);
}

/// A byte string of the vectors, if they hold all of it.
pub fn recorded(v: &Json) -> Option<Vec<u8>> {
    if let Some(hex) = v.as_str() {
        let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
        return Some((0..hex.len()).step_by(2).map(byte).collect());
    }
    if let Some(hex) = v.get("hex") {
        return recorded(hex);
    }
    if let Some(pattern) = v.get("repeat") {
        let n = v["n"].as_u64().unwrap() as usize;
        return Some(recorded(pattern)?.into_iter().cycle().take(n).collect());
    }
    let pieces = v.get("concat")?.as_array().unwrap();
    pieces
        .iter()
        .map(recorded)
        .collect::<Option<Vec<_>>>()
        .map(|p| p.concat())
}

/// The integer of a decimal text, or of a typed value that has one.
pub fn int(v: &Json) -> i64 {
    v.as_str()
        .or(v["v"].as_str())
        .expect("an integer")
        .parse()
        .unwrap()
}

/// Compares with a byte string of the vectors, of which they may have only the digest.
pub fn assert_bytes(got: &[u8], want: &Json) {
    let want = want.get("hex").unwrap_or(want);
    if want.is_string() {
        assert_eq!(hex(got), want.as_str().unwrap());
    } else if want.get("sha256").is_some() {
        assert_eq!(got.len() as u64, want["len"].as_u64().unwrap());
        assert_eq!(hex(&got[..64]), want["head"]);
        assert_eq!(hex(&got[got.len() - 64..]), want["tail"]);
        assert_eq!(hex(&Sha256::digest(got)), want["sha256"]);
    } else {
        assert_eq!(hex(got), hex(&recorded(want).unwrap()));
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
