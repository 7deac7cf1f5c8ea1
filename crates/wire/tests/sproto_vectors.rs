//! Sproto against bytes recorded from skynet (C): schemas, 0-packing, and the outer form of messages. (Values and protocols are tested
//! through Lua.)

mod recorded;

use recorded::{assert_bytes, cases, hex, recorded, run_all};
use serde_json::Value as Json;
use skynet_wire::sproto::{self, Error, Integers, Items, Kind, Schema, Struct, Value, Writer};

#[test]
fn every_recorded_case() {
    let needs_lua = |case: &Json| {
        let op = case["op"].as_str().unwrap();
        !matches!(op, "parse" | "pack" | "unpack" | "encode")
    };
    run_all(&cases("sproto", 241), needs_lua, |case| {
        match case["op"].as_str().unwrap() {
            "parse" => parse(case),
            "pack" => pack(case),
            "unpack" => unpack(case),
            "encode" => encode(case),
            _ => return false,
        }
        true
    });
}

fn parse(case: &Json) {
    let text = case["text"].as_str().unwrap();
    match sproto::parse(text.as_bytes(), "=text") {
        Ok(bytes) => {
            assert_bytes(&bytes, &case["bytes"]);
            let schema = Schema::load(&bytes).unwrap();
            for t in schema.types() {
                let index = schema.find_type(&t.name).unwrap();
                assert_eq!(&schema.types()[index], t);
                for field in &t.fields {
                    assert_eq!(t.field(field.tag), Some(field));
                }
                assert_eq!(t.field(70_000), None);
            }
            for p in schema.protocols() {
                assert_eq!(schema.protocol(p.tag), Some(p));
                assert_eq!(schema.protocol_named(&p.name), Some(p));
            }
        }
        Err(e) => {
            let text = e.to_string();
            match case["error_any_of"].as_array() {
                Some(any) => assert!(any.iter().any(|want| *want == text), "{text}"),
                None => assert_eq!(case["error"], text),
            }
        }
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    sproto::pack(bytes, &mut out);
    out
}

fn pack(case: &Json) {
    let input = recorded(&case["input"]).unwrap();
    let out = packed(&input);
    assert_bytes(&out, &case["packed"]);
    let mut again = Vec::new();
    sproto::unpack(&out, &mut again).unwrap();
    assert_eq!(again.len() as u64, case["unpacked_len"].as_u64().unwrap());
    assert!(again.starts_with(&input));
}

fn unpack(case: &Json) {
    let mut out = Vec::new();
    match sproto::unpack(&recorded(&case["input"]).unwrap(), &mut out) {
        Ok(()) => assert_bytes(&out, &case["bytes"]),
        Err(e) => assert_eq!(case["error"], e.to_string()),
    }
}

/// Recorded messages: their packed form, and that they are read to their end.
fn encode(case: &Json) {
    let Some(bytes) = recorded(&case["bytes"]) else {
        return;
    };
    assert_bytes(&packed(&bytes), &case["packed"]);
    let mut message = Struct::new(&bytes).unwrap();
    while message.next().unwrap().is_some() {}
    assert_eq!(
        message.used() as u64,
        case["decoded_size"].as_u64().unwrap()
    );
}

#[test]
fn a_message_by_hand() {
    let mut w = Writer::default();
    let mut open = w.begin(12);
    w.integer(&mut open, 0, 5);
    w.inline(&mut open, 2, 1);
    w.integer(&mut open, 30_000, -1);
    let list = w.data(&mut open, 30_001);
    w.integers(&[1, 1 << 40]);
    w.end_item(list);
    let list = w.data(&mut open, 30_002);
    for text in ["a", "bc"] {
        let item = w.item();
        w.raw(text.as_bytes());
        w.end_item(item);
    }
    w.end_item(list);
    w.end(open).unwrap();

    let mut s = Struct::new(w.bytes()).unwrap();
    assert_eq!(s.next(), Ok(Some((0, Value::Inline(5)))));
    let (tag, value) = s.next().unwrap().unwrap();
    assert_eq!((tag, value.boolean()), (2, Ok(true)));
    let (tag, value) = s.next().unwrap().unwrap();
    assert_eq!((tag, value.integer()), (30_000, Ok(-1)));
    let (_, value) = s.next().unwrap().unwrap();
    let numbers: Vec<i64> = Integers::new(value.data().unwrap()).unwrap().collect();
    assert_eq!(numbers, [1, 1 << 40]);
    let (_, value) = s.next().unwrap().unwrap();
    let texts: Result<Vec<&[u8]>, Error> = Items(value.data().unwrap()).collect();
    assert_eq!(texts.unwrap(), [&b"a"[..], b"bc"]);
    assert_eq!(s.next(), Ok(None));
    assert_eq!(s.used(), w.bytes().len());
}

#[test]
fn what_the_language_has() {
    let text = "
        .Person { name 0 : string id 1 : integer }  # a comment
        .KV { v 7 : Person k 3 : string }
        .Book { .Page { n 0 : integer(2) }
            by_id 0 : *Person(id)  pairs 1 : *KV()  pages 2:*Page  price 3 : integer( 3 )  raw 4 : binary  d 5 : double }
        open 5 { request Book response { .In { x 0 : boolean } in 0 : In } }
        close 1 { response nil }";
    let schema = Schema::load(&sproto::parse(text.as_bytes(), "=text").unwrap()).unwrap();
    let names: Vec<_> = schema
        .types()
        .iter()
        .map(|t| String::from_utf8_lossy(&t.name))
        .collect();
    assert_eq!(
        names,
        [
            "Book",
            "Book.Page",
            "KV",
            "Person",
            "open.response",
            "open.response.In"
        ]
    );
    let book = &schema.types()[0];
    let field = |tag| book.field(tag).unwrap();
    assert_eq!(
        (field(0).key, field(0).map, field(0).array),
        (Some(1), false, true)
    );
    assert_eq!((field(1).key, field(1).map), (Some(3), true));
    assert_eq!(
        (field(2).kind, field(3).kind),
        (Kind::Struct(1), Kind::Integer(3))
    );
    assert_eq!(
        (field(4).kind, field(5).kind),
        (Kind::Text { binary: true }, Kind::Double)
    );
    let close = schema.protocol(1).unwrap();
    assert_eq!(
        (close.request, close.response, close.confirm),
        (None, None, true)
    );
    let open = schema.protocol_named(b"open").unwrap();
    assert_eq!((open.request, open.response), (Some(0), Some(4)));

    for (text, want) in [
        (
            ".A { x 0 : *B(k) } .B { v 0 : integer }",
            "Invalid map index :k",
        ),
        (".A { x 0 : *B(b) } .B { b 0 : B }", "Invalid map index :b"),
        (
            ".A { x 0 : *B() } .B { v 0 : integer }",
            "Invalid map definition: x, must only have two fields",
        ),
        (
            ".A { a 0 : integer b 0 : integer }",
            "redefine tag 0 in type A",
        ),
        (".A { } .A { }", "redefined A"),
        (
            "p 1 { request { x 0 : q } }",
            "Undefined type q in type p.request",
        ),
        (
            "p 1 { response q }",
            "Undefined response type q in protocol p",
        ),
        ("p 1 { } p 2 { }", "redefined p"),
        ("p 1 { other A }", "syntax error at [=text] line (1)"),
        (
            ".A { x 99999 : integer }",
            "syntax error at [=text] line (1)",
        ),
        (".A { x 0 : }", "syntax error at [=text] line (1)"),
    ] {
        let e = sproto::parse(text.as_bytes(), "=text").unwrap_err();
        assert_eq!(e.to_string(), want, "{text}");
    }
}

#[test]
fn schemas_that_are_none() {
    let good = sproto::parse(
        b".A { x 0 : B y 3 : integer } .B { } p 1 { request A }",
        "=text",
    )
    .unwrap();
    assert!(Schema::load(&good).is_ok(), "{}", hex(&good));
    for end in 1..good.len() {
        assert!(Schema::load(&good[..end]).is_err(), "{end}");
    }
    assert_eq!(Schema::load(b""), Err(Error::Decode));
}
