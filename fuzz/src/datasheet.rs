//! What must hold for any bytes that are taken for a datasheet.

use skynet_wire::datasheet::{Cell, Sheet, renumber};

/// # Panics
/// If something does not hold.
pub fn check(bytes: &[u8]) {
    // A sheet, and an older version of it: the first byte says where one ends.
    let Some((&cut, rest)) = bytes.split_first() else {
        return;
    };
    let (a, b) = rest.split_at(usize::from(cut).min(rest.len()));
    let Ok(new) = Sheet::new(a.to_vec()) else {
        return;
    };
    assert_eq!(new.bytes(), a);
    let mut budget = 10_000;
    same(&new, 0, &new, 0, 20, &mut budget);
    for old in [Sheet::new(b.to_vec()), Ok(new.clone())]
        .into_iter()
        .flatten()
    {
        let bytes = renumber(&old, &new).expect("it is small");
        let again = Sheet::new(bytes).expect("it was written just now");
        let mut budget = 10_000;
        same(&new, 0, &again, 0, 20, &mut budget);
    }
}

/// The tables have the same content, as far as one cares to look.
fn same(a: &Sheet, i: u32, b: &Sheet, j: u32, depth: usize, budget: &mut usize) {
    let (Some(s), Some(t)) = (a.table(i), b.table(j)) else {
        assert!(a.table(i).is_none());
        return;
    };
    assert_eq!(
        (s.array_len(), s.pairs_len()),
        (t.array_len(), t.pairs_len())
    );
    let mut values: Vec<(Cell, Cell)> = s.array().zip(t.array()).collect();
    for ((k, v), (l, w)) in s.pairs().zip(t.pairs()) {
        assert_eq!(a.text(k), b.text(l));
        values.push((v, w));
    }
    for (v, w) in values {
        if *budget == 0 {
            return;
        }
        *budget -= 1;
        match (v, w) {
            (Cell::Text(v), Cell::Text(w)) => assert_eq!(a.text(v), b.text(w)),
            (Cell::Table(v), Cell::Table(w)) if depth > 0 => same(a, v, b, w, depth - 1, budget),
            (Cell::Table(_), Cell::Table(_)) => {}
            (Cell::Table(v), Cell::Nil) => assert!(a.table(v).is_none()),
            (Cell::Float(v), Cell::Float(w)) => assert_eq!(v.to_bits(), w.to_bits()),
            (v, w) => assert_eq!(v, w),
        }
    }
}
