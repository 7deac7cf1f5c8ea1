//! Datasheets: a recorded one, and how versions keep the numbers of tables.

use skynet_wire::datasheet::{Builder, Cell, Error, Sheet, renumber};

/// What skynet (C) compiles of `{ 1, 2, a = { b = 1 } }`.
const RECORDED: &str = "4000000002000000000000001c00000002000000010000000101040001000000020000000000000001000000000000000100000001000000020000000100000061006200";

fn recorded() -> Vec<u8> {
    let digits = RECORDED.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn the_recorded_sheet() {
    let mut b = Builder::default();
    let root = b.reserve().unwrap();
    let a = b.text(b"a").unwrap();
    let child = b.reserve().unwrap();
    let key = b.text(b"b").unwrap();
    b.table(child, &[], &[(key, Cell::Int(1))]).unwrap();
    b.table(
        root,
        &[Cell::Int(1), Cell::Int(2)],
        &[(a, Cell::Table(child))],
    )
    .unwrap();
    assert_eq!(b.finish().unwrap(), recorded());

    let sheet = Sheet::new(recorded()).unwrap();
    assert_eq!(sheet.count(), 2);
    let root = sheet.table(0).unwrap();
    assert_eq!(
        root.array().collect::<Vec<_>>(),
        [Cell::Int(1), Cell::Int(2)]
    );
    let pairs: Vec<_> = root.pairs().collect();
    assert_eq!(pairs, [(0, Cell::Table(1))]);
    assert_eq!(sheet.text(0), b"a");
    assert!(sheet.table(2).is_none());
}

/// A sheet of one table of tables: key, and a number in it.
fn sheet(children: &[(&str, i32)]) -> Sheet {
    let mut b = Builder::default();
    let root = b.reserve().unwrap();
    let n = b.text(b"n").unwrap();
    let mut pairs = Vec::new();
    for (name, value) in children {
        let child = b.reserve().unwrap();
        b.table(child, &[], &[(n, Cell::Int(*value))]).unwrap();
        pairs.push((b.text(name.as_bytes()).unwrap(), Cell::Table(child)));
    }
    b.table(root, &[], &pairs).unwrap();
    Sheet::new(b.finish().unwrap()).unwrap()
}

/// Number of the table and value, by key.
fn children(sheet: &Sheet) -> Vec<(String, u32, Cell)> {
    let mut found: Vec<_> = sheet
        .table(0)
        .unwrap()
        .pairs()
        .map(|(key, cell)| {
            let Cell::Table(n) = cell else {
                panic!("{cell:?}")
            };
            let (_, value) = sheet.table(n).unwrap().pairs().next().unwrap();
            (
                String::from_utf8(sheet.text(key).to_vec()).unwrap(),
                n,
                value,
            )
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn tables_keep_their_numbers() {
    let old = sheet(&[("a", 1), ("b", 2), ("c", 3)]);
    let new = sheet(&[("c", 30), ("d", 40), ("a", 10)]);
    let next = Sheet::new(renumber(&old, &new).unwrap()).unwrap();
    let want = [("a", 1, 10), ("c", 3, 30), ("d", 4, 40)];
    assert_eq!(
        children(&next),
        want.map(|(k, n, v)| (k.to_owned(), n, Cell::Int(v)))
    );
    assert!(next.table(2).is_none(), "b has gone");
    // A number is free again in the version after that one only if nothing is there.
    let again = Sheet::new(renumber(&next, &sheet(&[("b", 5)])).unwrap()).unwrap();
    assert_eq!(children(&again), [("b".to_owned(), 5, Cell::Int(5))]);
    assert_eq!(again.count(), 6);
}

#[test]
fn invalid_bytes() {
    let good = recorded();
    for end in 0..good.len() {
        let cut = Sheet::new(good[..end].to_vec());
        assert!(matches!(cut, Err(Error::Invalid { .. })), "{end}");
    }
    for (at, byte) in [
        (4, 200),
        (8, 3),
        (12, 0xf0),
        (16, 250),
        (24, 6),
        (26, 9),
        (40, 7),
    ] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert!(Sheet::new(bad).is_err(), "{at}");
    }
    assert_eq!(Builder::default().text(b"a\0b"), Err(Error::ZeroByte));
}
