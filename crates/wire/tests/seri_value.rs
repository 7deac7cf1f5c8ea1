//! The `Value` tree as a Rust user sees it.

use std::mem::size_of;

use skynet_wire::seri::{
    self, Error, Key, Kind, MAX_NESTING, Reader, Table, Token, Value, Writer, args, table,
};

fn roundtrip(values: &[Value]) -> Vec<Value> {
    seri::unpack(&seri::pack(values).unwrap()).unwrap()
}

/// The table that the pieces of one in a stream make.
fn streamed(array: &[Value], pairs: &[(Value, Value)]) -> Table {
    let mut buf = Vec::new();
    let mut w = Writer::new(&mut buf);
    w.begin_table(array.len());
    for v in array.iter().chain(pairs.iter().flat_map(|(k, v)| [k, v])) {
        v.write(&mut w).unwrap();
    }
    w.end_table();
    seri::unpack(&buf).unwrap().remove(0).try_into().unwrap()
}

#[test]
fn a_message_goes_round() {
    let values = args![
        "cmd",
        7,
        -1.5,
        true,
        (),
        b"\xff\0",
        Value::Pointer(u64::MAX),
        Some(3_u8),
        None::<i64>,
        [1, 2],
        table! { "list" => [table! { "deep" => "" }], 2.5 => false, true => i64::MIN },
    ];
    assert_eq!(roundtrip(&values), values);
    assert_eq!(roundtrip(&[]), []);
}

#[test]
fn a_hole_moves_the_rest_of_the_array_to_the_pairs() {
    let t = streamed(&args![1, (), 3, (), 5], &[]);
    assert_eq!(t.array(), [1.into()]);
    assert_eq!(t.pairs(), [(3.into(), 3.into()), (5.into(), 5.into())]);
    assert_eq!(
        t,
        Table::from_values([Some(1), None, Some(3), None, Some(5)])
    );
    assert_eq!((t.len(), t.get(2), t.get(3)), (3, None, Some(&3.into())));
}

#[test]
fn a_pair_may_override_extend_or_shorten_the_array() {
    let t = streamed(
        &args!["a", "b", "c"],
        &[
            (2.into(), "B".into()),
            (5.into(), "e".into()),
            (4.into(), "d".into()),
        ],
    );
    assert_eq!(t, Table::from(["a", "B", "c", "d", "e"]));
    let t = streamed(
        &args!["a", "b", "c"],
        &[(2.into(), ().into()), (3.into(), "C".into())],
    );
    assert_eq!(
        (t.array(), t.pairs()),
        (&args!["a"][..], &[(3.into(), "C".into())][..])
    );
    let t = streamed(
        &args!["a", "b"],
        &[(1.into(), ().into()), (1.into(), "A".into())],
    );
    assert_eq!(t, Table::from(["A", "b"]), "the last assignment counts");
}

#[test]
fn of_equal_keys_the_last_counts_unless_they_are_tables() {
    let pair = |k: &str, v: Value| (Value::from(k), v);
    let t = streamed(
        &[],
        &[
            pair("k", 1.into()),
            pair("j", 0.into()),
            pair("k", 2.into()),
            pair("j", ().into()),
        ],
    );
    assert_eq!(t, table! { "k" => 2 });
    let t = streamed(&[], &[([1].into(), "x".into()), ([1].into(), "y".into())]);
    assert_eq!(
        t.pairs(),
        [([1].into(), "x".into()), ([1].into(), "y".into())]
    );
}

#[test]
fn float_keys_with_an_integer_value_are_integers() {
    let two_63 = 9_223_372_036_854_775_808.0;
    let t = streamed(
        &[],
        &[
            (1.0.into(), "a".into()),
            ((-0.0).into(), "z".into()),
            (two_63.into(), "big".into()),
        ],
    );
    assert_eq!(t.array(), ["a".into()]);
    assert_eq!(
        t.pairs(),
        [(0.into(), "z".into()), (two_63.into(), "big".into())]
    );
    assert_eq!(t.get(1.0), t.get(1));
    assert_eq!(t.get(0.0), Some(&"z".into()));
}

#[test]
fn assigning_keeps_the_canonical_form() {
    let mut t = Table::new();
    for i in [3, 2, 1] {
        t.insert(i, i * 10);
    }
    assert_eq!(t, Table::from([10, 20, 30]));
    t.insert("x", 1);
    t.insert("x", ());
    t.insert("y", ());
    t.insert(5, 50);
    t.push(40);
    t.push(());
    assert_eq!(t, Table::from([10, 20, 30, 40, 50]));
    t.insert(2.0, ());
    assert_eq!((t.array().len(), t.pairs().len()), (1, 3));
    assert_eq!(t.get(5), Some(&50.into()));
    t.insert(2, "two");
    assert_eq!(t, Table::from(args![10, "two", 30, 40, 50]));
    t.insert(0, "zero");
    t.insert(-1, "minus");
    let keys: Vec<_> = t.iter().map(|(k, _)| k).collect();
    assert_eq!(keys, [1, 2, 3, 4, 5, -1, 0].map(Key::Int));

    assert_eq!(t.try_insert(Value::Nil, 1.into()), Err(Error::NilKey));
    assert_eq!(t.try_insert(f64::NAN.into(), 1.into()), Err(Error::NanKey));
    assert_eq!(t.get(&Value::Nil), None);
}

#[test]
fn a_table_from_a_stream_is_the_table_after_the_same_assignments() {
    let mut seed = 1_u64;
    let mut below = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % n
    };
    for _ in 0..20_000 {
        let mut value = |n: u32| {
            if below(3) == 0 { Value::Nil } else { n.into() }
        };
        let array: Vec<_> = (0..6).map(&mut value).collect();
        let values: Vec<_> = (10..18).map(value).collect();
        let array = &array[..below(7) as usize];
        let mut key = || match below(12) {
            0 => "s".into(),
            1 => 0.5.into(),
            k => Value::Int(k as i64 - 2),
        };
        let pairs: Vec<_> = values.into_iter().map(|v| (key(), v)).collect();

        let mut assigned = Table::new();
        let elements = (1..).map(Value::Int).zip(array.iter().cloned());
        assigned.extend(elements.chain(pairs.iter().cloned()));
        let table = streamed(array, &pairs);
        assert_eq!(table, assigned, "{array:?} {pairs:?}");
        for (k, v) in table.iter() {
            assert_eq!(assigned.get(k), Some(v));
        }
        assert_eq!(table.iter().count(), table.len());
    }
}

#[test]
fn equal_tables_give_equal_bytes() {
    let a = table! { "b" => 1, "a" => 2, 2 => "two", 1 => "one" };
    let b = table! { 1.0 => "one", "a" => 2, "b" => 1, 2 => "two" };
    assert_eq!(a, b);
    assert_eq!(seri::pack(&[a.into()]), seri::pack(&[b.into()]));
}

#[test]
fn values_convert_only_where_nothing_is_lost() {
    let wrong = |wanted, got| Error::WrongKind { wanted, got };
    assert_eq!(u8::try_from(Value::Int(255)), Ok(255));
    assert_eq!(u8::try_from(Value::Int(256)), Err(Error::OutOfRange("u8")));
    assert_eq!(
        usize::try_from(Value::Int(-1)),
        Err(Error::OutOfRange("usize"))
    );
    assert_eq!(i64::try_from(Value::Float(-3.0)), Ok(-3));
    assert_eq!(
        i64::try_from(Value::Float(0.5)),
        Err(Error::OutOfRange("i64"))
    );
    assert_eq!(
        i64::try_from(Value::Float(2_f64.powi(63))),
        Err(Error::OutOfRange("i64"))
    );
    assert_eq!(i64::try_from(Value::Float(-2_f64.powi(63))), Ok(i64::MIN));
    assert_eq!(
        i64::try_from(Value::from("1")),
        Err(wrong(Kind::Integer, Kind::String))
    );
    assert_eq!(f64::try_from(Value::Int(3)), Ok(3.0));
    assert_eq!(
        f64::try_from(Value::Int(i64::MAX)),
        Err(Error::OutOfRange("f64"))
    );
    assert_eq!(
        bool::try_from(Value::Nil),
        Err(wrong(Kind::Boolean, Kind::Nil))
    );
    assert_eq!(String::try_from(Value::from("é")), Ok("é".to_string()));
    assert_eq!(String::try_from(Value::from(b"\xff")), Err(Error::NotUtf8));
    assert_eq!(Vec::<u8>::try_from(Value::from(b"\xff")), Ok(vec![0xff]));
    assert_eq!(
        Table::try_from(Value::from(true)),
        Err(wrong(Kind::Table, Kind::Boolean))
    );
    assert_eq!(
        wrong(Kind::Table, Kind::Pointer).to_string(),
        "table expected, got light userdata"
    );
    assert_ne!(Value::Int(1), Value::Float(1.0));
}

#[test]
fn nesting_is_limited_where_it_costs_stack() {
    let nested = |n: usize| [vec![0x0e; n], vec![0x02], vec![0; n]].concat();
    assert_eq!(seri::unpack(&nested(MAX_NESTING)).unwrap().len(), 1);
    assert_eq!(
        seri::unpack(&nested(MAX_NESTING + 1)),
        Err(Error::TooNested)
    );
    // A reader by itself has no limit.
    let deep = nested(1_000_000);
    let mut r = Reader::new(&deep);
    r.skip().unwrap();
    assert!(r.at_end());
}

#[test]
fn tables_cannot_claim_more_room_than_the_stream_has_bytes() {
    // 1000 headers, each of which claims an array of 2^31 - 1 values.
    let bomb = b"\xfe\x22\xff\xff\xff\x7f".repeat(1000);
    let mut r = Reader::new(&bomb);
    let mut room = 0;
    while let Ok(Some(Token::Table { array_len })) = r.next() {
        assert!(array_len <= r.remaining() + 1);
        room += r.reserve(array_len);
    }
    assert!(r.at_end());
    assert_eq!(room, bomb.len());
    assert!(matches!(seri::unpack(&bomb), Err(Error::TooNested)));
}

#[test]
fn a_nan_key_is_refused() {
    assert_eq!(
        seri::unpack(b"\x06\x42\0\0\0\0\0\0\xf8\x7f\x09\x00"),
        Err(Error::NanKey)
    );
}

#[test]
fn tokens_and_values_stay_small() {
    assert_eq!(size_of::<Value>(), 24);
    assert_eq!(size_of::<Token<'_>>(), 24);
    assert!(size_of::<Result<Option<Token<'_>>, Error>>() <= 32);
}
