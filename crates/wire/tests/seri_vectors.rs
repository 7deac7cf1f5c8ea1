//! The pack format against bytes recorded from skynet (C).
//!
//! Each case is packed twice: value by value through the `Writer`, as a binding does it, and as a `Value`
//! tree. What only a Lua state can do is left to the Lua tests, and counted here so that no case is lost.

mod recorded;

use recorded::{assert_bytes, cases, recorded, run_all};
use serde_json::Value as Json;
use skynet_wire::seri::{self, Error, Key, MAX_DEPTH, Reader, Table, Value, Writer};

/// Cases about Lua itself: its border of tables with holes, its errors in metamethods, its argument checks.
fn needs_lua(case: &Json) -> bool {
    case["op"] == "pack_lua"
        || case["op"] == "unpack_arg"
        || mentions(&case["args"], "table_pairs_error")
}

#[test]
fn every_recorded_case() {
    run_all(&cases("seri", 264), needs_lua, |case| {
        match case["op"].as_str().unwrap() {
            "pack" if mentions(&case["args"], "table_pairs_error") => false,
            "pack" => pack(case),
            "unpack" => unpack(case),
            "pack_lua" => unpack_bytes(case),
            "unpack_arg" => false,
            op => panic!("unknown op {op}"),
        }
    });
}

fn pack(case: &Json) -> bool {
    let args = case["args"].as_array().unwrap();
    let streamed = write_all(args);
    // A function has no `Value`, so such a list can only be streamed.
    let values: Option<Vec<Value>> = args.iter().map(value).collect();
    let packed = values.as_ref().map(|v| seri::pack(v));

    if let Some(text) = case["error"].as_str() {
        assert_eq!(streamed.unwrap_err().to_string(), text);
        if let Some(packed) = packed {
            assert_eq!(packed.unwrap_err().to_string(), text);
        }
        return true;
    }

    let values = values.expect("a case that packs has only values");
    for (how, bytes) in [
        ("writer", streamed.unwrap()),
        ("value", packed.unwrap().unwrap()),
    ] {
        if mentions(&case["args"], "table_pairs") && how == "value" {
            // A tree has lost what `__pairs` may do: yield nils, and 1.0 as a key.
        } else if case["order_free"] == true {
            assert_eq!(
                bytes.len(),
                recorded(&case["bytes"]).expect("short enough").len()
            );
        } else {
            assert_bytes(&bytes, &case["bytes"]);
        }
        assert_same(&seri::unpack(&bytes).unwrap(), &values);
        assert_skips(&bytes, values.len());
    }
    if let Some(bytes) = recorded(&case["bytes"]) {
        assert_same(&seri::unpack(&bytes).unwrap(), &values);
    }
    true
}

fn unpack(case: &Json) -> bool {
    let input = recorded(&case["input"]).unwrap();
    match (seri::unpack(&input), &case["results"]) {
        (Ok(got), Json::Array(results)) => {
            assert_same(
                &got,
                &results
                    .iter()
                    .map(|r| value(r).unwrap())
                    .collect::<Vec<_>>(),
            );
            assert_skips(&input, got.len());
        }
        (Err(e), Json::Null) => {
            assert_eq!(
                normal(&e),
                case["error_norm"]
                    .as_str()
                    .or(case["error"].as_str())
                    .unwrap()
            );
            if matches!(e, Error::Invalid { .. }) {
                let mut r = Reader::new(&input);
                let skipped = (0..).find_map(|_| r.skip().err()).unwrap();
                assert_eq!(normal(&skipped), normal(&e));
            }
        }
        (got, _) => panic!("{got:?}"),
    }
    true
}

/// The recorded bytes of a Lua expression can be read here, though not made.
fn unpack_bytes(case: &Json) -> bool {
    let decoded = case["decoded"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| value(v).unwrap());
    assert_same(
        &seri::unpack(&recorded(&case["bytes"]).unwrap()).unwrap(),
        &decoded.collect::<Vec<_>>(),
    );
    false
}

/// Packs typed arguments as a binding does.
fn write_all(args: &[Json]) -> Result<Vec<u8>, Error> {
    let mut buf = Vec::new();
    let mut w = Writer::new(&mut buf);
    for arg in args {
        write(&mut w, arg, 0)?;
    }
    Ok(buf)
}

fn write(w: &mut Writer<'_>, v: &Json, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep);
    }
    match v["t"].as_str().unwrap() {
        "table" => {
            let array = array(v);
            w.begin_table(array.len());
            for v in &array {
                write(w, v, depth + 1)?;
            }
            for v in v["hash"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|pair| pair.as_array().unwrap())
            {
                write(w, v, depth + 1)?;
            }
            w.end_table();
        }
        "table_pairs" => {
            w.begin_pairs_table();
            for v in v["pairs"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|pair| pair.as_array().unwrap())
            {
                write(w, v, depth + 1)?;
            }
            w.end_table();
        }
        "lua_function" | "function" => return Err(Error::Unsupported("function")),
        "lua_thread" => return Err(Error::Unsupported("thread")),
        "userdata" => return Err(Error::Unsupported("userdata")),
        "nest" => write(w, &unnest(v), depth)?,
        _ => value(v).unwrap().write(w)?,
    }
    Ok(())
}

/// The `Value` of a typed value; of a function there is none.
fn value(v: &Json) -> Option<Value> {
    let text = || v["v"].as_str().unwrap();
    Some(match v["t"].as_str().unwrap() {
        "nil" => Value::Nil,
        "bool" => v["v"].as_bool().unwrap().into(),
        "int" => text().parse::<i64>().unwrap().into(),
        "num" => {
            f64::from_bits(u64::from_str_radix(v["bits"].as_str().unwrap(), 16).unwrap()).into()
        }
        "lightuserdata" => Value::Pointer(u64::from_str_radix(text(), 16).unwrap()),
        "str" => recorded(v.get("hex").unwrap_or(v)).unwrap().into(),
        "table" => {
            let mut table =
                Table::from_values(array(v).iter().map(value).collect::<Option<Vec<_>>>()?);
            insert_all(&mut table, &v["hash"])?;
            table.into()
        }
        "table_pairs" => {
            let mut table = Table::new();
            insert_all(&mut table, &v["pairs"])?;
            table.into()
        }
        "nest" => value(&unnest(v))?,
        "lua_function" | "function" | "lua_thread" | "userdata" => return None,
        t => panic!("unknown type {t}"),
    })
}

fn insert_all(table: &mut Table, pairs: &Json) -> Option<()> {
    for pair in pairs.as_array().unwrap() {
        table.insert(value(&pair[0])?, value(&pair[1])?);
    }
    Some(())
}

/// The values of a table's array part, which may be given as a range.
fn array(table: &Json) -> Vec<Json> {
    if let Some(array) = table["array"].as_array() {
        return array.clone();
    }
    let bound = |i: usize| {
        table["array_range"][i]
            .as_str()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    (bound(0)..=bound(1))
        .map(|i| serde_json::json!({"t": "int", "v": i.to_string()}))
        .collect()
}

/// One level of a nest written as a table.
fn unnest(nest: &Json) -> Json {
    let mut inner = nest["leaf"].clone();
    for _ in 0..nest["depth"].as_u64().unwrap() {
        inner = match nest["kind"].as_str().unwrap() {
            "array" => serde_json::json!({"t": "table", "array": [inner], "hash": []}),
            "hash" => {
                serde_json::json!({"t": "table", "array": [], "hash": [[nest["key"], inner]]})
            }
            kind => panic!("unknown kind of nest {kind}"),
        };
    }
    inner
}

fn mentions(v: &Json, t: &str) -> bool {
    match v {
        Json::Object(o) => o.get("t").is_some_and(|v| v == t) || o.values().any(|v| mentions(v, t)),
        Json::Array(a) => a.iter().any(|v| mentions(v, t)),
        _ => false,
    }
}

/// Equal to the last bit: a `Key` tells NaNs and zeros apart, where `Value` compares like floats.
fn assert_same(got: &[Value], want: &[Value]) {
    let same = got.iter().map(Key::from).eq(want.iter().map(Key::from));
    assert!(same, "got {got:?}, want {want:?}");
}

/// Skipping goes over as many values as there are.
fn assert_skips(stream: &[u8], values: usize) {
    let mut r = Reader::new(stream);
    for _ in 0..values {
        r.skip().unwrap();
    }
    assert!(r.at_end());
}

/// An error's text with the line number, which is not part of the format, made a star.
fn normal(e: &Error) -> String {
    let text = e.to_string();
    match text.split_once("(line:") {
        Some((head, line)) => {
            assert!(line.strip_suffix(')').unwrap().parse::<u32>().unwrap() > 0);
            format!("{head}(line:*)")
        }
        None => text,
    }
}
