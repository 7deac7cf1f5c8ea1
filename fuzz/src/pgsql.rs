//! Messages of PostgreSQL: heads, rows, columns, errors, arrays.

use skynet_wire::pgsql::{
    ArrayItem, ArrayItems, Columns, HEAD, Head, Row, Type, fields, login::Scram,
};

/// Any bytes are refused or read, and arrays open as often as they close.
pub fn check(bytes: &[u8]) {
    if let Some(head) = bytes.first_chunk::<HEAD>() {
        let _ = Head::of(*head);
    }
    if let Ok(mut row) = Row::of(bytes) {
        let mut size = 0;
        for _ in 0..row.count {
            match row.value() {
                Ok(value) => size += 4 + value.map_or(0, <[u8]>::len),
                Err(_) => break,
            }
        }
        assert!(size <= bytes.len());
    }
    if let Ok(mut columns) = Columns::of(bytes) {
        for _ in 0..columns.count {
            match columns.column() {
                Ok(column) => drop(Type::of(column.oid)),
                Err(_) => break,
            }
        }
    }
    assert!(fields(bytes).map(|(_, text)| text.len()).sum::<usize>() <= bytes.len());
    let mut items = ArrayItems::of(bytes);
    let mut open = 0;
    let whole = loop {
        match items.item() {
            Ok(Some(ArrayItem::Open)) => open += 1,
            Ok(Some(ArrayItem::Close)) => open -= 1,
            Ok(Some(_)) => assert!(open > 0),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    assert!(!whole || open == 0);
    // Hashing as often as a server may want it takes too long for this.
    if !bytes.windows(2).any(|pair| pair == b"i=") {
        assert!(Scram::new(b"password").challenge(bytes).is_err());
    }
}
