//! The checks of the fuzz target `json`, without the fuzzer; and floats in comparison with C's `printf`, by way of
//! Rust's own exact formatting.

mod fuzzing;

#[path = "../../../fuzz/src/json.rs"]
mod json;

const TARGET: fuzzing::Target = fuzzing::Target {
    name: "json",
    likely: b"{}[],:\"\\ 0123456789.eE+-xpuntrfalsibdINF\0",
    check: json::check,
};

#[test]
fn corpus_holds() {
    TARGET.corpus_holds(20);
}

#[test]
fn mutated_corpus_holds() {
    TARGET.mutated_corpus_holds(100_000);
}

#[test]
fn random_bytes_hold() {
    TARGET.random_bytes_hold(100_000);
}

/// Random floats of all kinds: what is written is the exact value, rounded to so many digits.
#[test]
fn floats_are_rounded_as_their_exact_values_are() {
    let mut seed = 0x1234_5678_9abc_def1_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for i in 0..300_000 {
        let n = match i % 4 {
            0 => f64::from_bits(next()),
            1 => (next() % 100_000_000_000_000) as f64 / 10f64.powi((next() % 15) as i32),
            // Halves of the last digit.
            2 => ((next() % (1 << 44)) * 2 + 1) as f64 / f64::powi(2.0, (next() % 9) as i32),
            _ => (next() % 100_000) as f64 / 8.0,
        };
        let precision = (next() % 15 + 1) as usize;
        if !n.is_finite() {
            continue;
        }
        let mut out = Vec::new();
        skynet_wire::json::write::float(&mut out, n, precision);
        let text = String::from_utf8(out).expect("text");
        let exact: f64 = format!("{n:.*e}", precision - 1).parse().expect("a number");
        let read: f64 = text.parse().expect("a number");
        assert_eq!(
            read.to_bits(),
            exact.to_bits(),
            "{n:e} with {precision}: {text}"
        );
    }
}
