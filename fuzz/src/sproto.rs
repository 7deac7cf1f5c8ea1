//! What must hold for any bytes that are taken for a schema's text, a schema, a message, or packed bytes.

use skynet_wire::sproto::{Integers, Items, Schema, Struct, Value, pack, parse, unpack};

/// # Panics
/// If something does not hold.
pub fn check(bytes: &[u8]) {
    let Some((&what, rest)) = bytes.split_first() else {
        return;
    };
    match what & 3 {
        0 => text(rest),
        1 => schema(rest),
        2 => message(rest, 20),
        _ => packing(rest),
    }
}

fn text(text: &[u8]) {
    if let Ok(bytes) = parse(text, "=fuzz") {
        Schema::load(&bytes).expect("it was written just now");
        message(&bytes, 20);
    }
}

fn schema(bytes: &[u8]) {
    let Ok(schema) = Schema::load(bytes) else {
        return;
    };
    for t in schema.types() {
        assert!(schema.find_type(&t.name).is_some());
        for field in &t.fields {
            assert_eq!(t.field(field.tag), Some(field));
        }
    }
    for p in schema.protocols() {
        assert_eq!(schema.protocol(p.tag), Some(p));
    }
}

fn message(bytes: &[u8], depth: u32) {
    let Ok(mut s) = Struct::new(bytes) else {
        return;
    };
    let mut last = None;
    while let Ok(Some((tag, value))) = s.next() {
        assert!(last < Some(tag));
        last = Some(tag);
        let _ = (value.integer(), value.double(), value.boolean());
        if let Value::Data(data) = value {
            if let Ok(all) = Integers::new(data) {
                assert!(all.count() <= data.len());
            }
            let mut size = 0;
            for item in Items(data).flatten() {
                size += 4 + item.len();
            }
            assert!(size <= data.len());
            if depth > 0 {
                message(data, depth - 1);
            }
        }
    }
    assert!(s.used() <= bytes.len());
}

fn packing(bytes: &[u8]) {
    let (mut packed, mut again) = (Vec::new(), Vec::new());
    pack(bytes, &mut packed);
    unpack(&packed, &mut again).expect("it was packed just now");
    assert_eq!(again.len(), bytes.len().next_multiple_of(8));
    assert!(again.starts_with(bytes));
    assert!(again[bytes.len()..].iter().all(|&b| b == 0));
    let mut unpacked = Vec::new();
    if unpack(bytes, &mut unpacked).is_ok() {
        assert_eq!(unpacked.len() % 8, 0);
    }
}
