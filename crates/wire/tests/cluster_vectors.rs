//! The cluster's frames against bytes recorded from skynet (C).

mod recorded;

use recorded::{assert_bytes, cases, hex, int, recorded, run_all};
use serde_json::Value as Json;
use skynet_wire::cluster::{
    Address, Body, Error, Event, Large, Outcome, Parts, Reply, Request, Requests, Response,
    Sessions, next_session, pack_call, pack_error, pack_ok, pack_push, pack_trace,
};

#[test]
fn every_recorded_case() {
    run_all(
        &cases("cluster", 225),
        |_| false,
        |case| {
            match case["op"].as_str().unwrap() {
                "packrequest" => pack_request(case, false),
                "packpush" => pack_request(case, true),
                "packtrace" => pack_tag(case),
                "packresponse" => pack_response(case),
                "unpackrequest" => unpack_request(case),
                "unpackresponse" => unpack_response(case),
                "concat" => concat(case),
                "isname" => is_name(case),
                op => panic!("unknown op {op}"),
            }
            true
        },
    );
}

fn pack_request(case: &Json, push: bool) {
    // As a binding for Lua does it: the address may be of any type, and a session has its low 32 bits.
    let session = int(&case["session"]) as i32;
    let payload = recorded(&case["payload"]);
    let mut out = b"before".to_vec();
    let result = match (&payload, lua_address(&case["address"])) {
        (None, _) => Err(Error::NoMessage),
        (Some(_), Err(e)) => Err(e),
        (Some(payload), Ok(to)) if push => pack_push(&mut out, &to, session, payload),
        (Some(payload), Ok(to)) => pack_call(&mut out, &to, session, payload),
    };
    let parts = match result {
        Ok(parts) => parts,
        Err(e) => {
            assert_eq!(e.to_string(), case["error"].as_str().unwrap());
            assert_eq!(out, b"before");
            return;
        }
    };
    assert_bytes(&out[6..], &case["request"]);
    assert_eq!(i64::from(next_session(session)), int(&case["next_session"]));
    assert_parts(parts.clone(), case["parts"].as_array());

    // Read again.
    let address = lua_address(&case["address"]).unwrap();
    let payload = payload.as_deref().unwrap();
    let mut requests = Requests::default();
    let mut event = requests.accept(&out[8..]).unwrap();
    let frames: Vec<_> = parts.map(frame).collect();
    for frame in &frames {
        assert_eq!(event, None);
        event = requests.accept(&frame[2..]).unwrap();
    }
    let Some(Event::Request(request)) = event else {
        panic!("{event:?}")
    };
    assert_eq!(request.address, address);
    assert_eq!(request.push, push);
    assert_eq!(*request.payload, *payload);
    let on_the_wire = if push && frames.is_empty() {
        0
    } else {
        session as u32
    };
    assert_eq!(request.session, on_the_wire);
    assert_eq!((requests.buffered(), requests.incomplete()), (0, 0));

    // A client's sessions make the same frames.
    let mut sessions = Sessions::default();
    sessions.set(session);
    let mut again = Vec::new();
    if push {
        let parts = sessions.push(&mut again, &address, payload).unwrap();
        let taken = parts.len() > 0;
        assert_eq!(sessions.peek() != session, taken);
    } else {
        let (taken, _) = sessions.call(&mut again, &address, payload).unwrap();
        assert_eq!(taken, session as u32);
        assert_eq!(i64::from(sessions.peek()), int(&case["next_session"]));
    }
    assert_eq!(again, out[6..]);
}

fn lua_address(v: &Json) -> Result<Address<'static>, Error> {
    match v["t"].as_str().unwrap() {
        "int" => Ok(int(v).into()),
        "num" => {
            let bits = u64::from_str_radix(v["bits"].as_str().unwrap(), 16).unwrap();
            Ok(f64::from_bits(bits).into())
        }
        "str" => Ok(Address::from(&recorded(v).unwrap()[..]).into_owned()),
        "nil" => Err(Error::NameType("nil")),
        "bool" => Err(Error::NameType("boolean")),
        "table" => Err(Error::NameType("table")),
        t => panic!("unknown type {t}"),
    }
}

fn frame(part: skynet_wire::cluster::Part<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    part.write(&mut frame);
    frame
}

fn assert_parts(parts: Parts<'_>, want: Option<&Vec<Json>>) {
    let want = want.map_or(&[][..], Vec::as_slice);
    assert_eq!(parts.len(), want.len());
    for (part, want) in parts.zip(want) {
        assert_bytes(&frame(part), want);
    }
}

fn pack_tag(case: &Json) {
    let tag = recorded(&case["tag"]).unwrap();
    let mut out = Vec::new();
    match pack_trace(&mut out, &tag) {
        Ok(()) => {
            assert_bytes(&out, &case["bytes"]);
            assert_eq!(Request::unpack(&out[2..]), Ok(Request::Trace(&tag)));
        }
        Err(e) => assert_eq!(e.to_string(), case["error"].as_str().unwrap()),
    }
}

fn pack_response(case: &Json) {
    let session = int(&case["session"]) as u32;
    let payload = recorded(&case["payload"]).unwrap();
    let want = case["frames"].as_array().unwrap();
    let mut out = Vec::new();
    let frames: Vec<_> = if case["ok"] == true {
        let parts = pack_ok(&mut out, session, &payload).unwrap();
        assert_parts(parts.clone(), Some(&want[1..].to_vec()));
        parts.map(frame).collect()
    } else {
        pack_error(&mut out, session, &payload);
        Vec::new()
    };
    assert_bytes(&out, &want[0]);
    assert_eq!(frames.len() + 1, want.len());
    assert_eq!(case["multi"], !frames.is_empty());

    let mut reply = Reply::default();
    let first = Response::unpack(&out[2..]).unwrap();
    assert_eq!(first.session, session);
    let mut outcome = reply.accept(first.body);
    for frame in &frames {
        assert_eq!(outcome, None);
        let response = Response::unpack(&frame[2..]).unwrap();
        assert_eq!(response.session, session);
        outcome = reply.accept(response.body);
    }
    match outcome.unwrap() {
        Outcome::Ok(got) => assert_eq!((true, &*got), (case["ok"] == true, &payload[..])),
        Outcome::Error(text) => {
            assert_eq!(case["ok"], false);
            assert_eq!(*text, payload[..payload.len().min(32768)]);
        }
        Outcome::Mismatch => panic!("mismatch"),
    }
}

fn unpack_request(case: &Json) {
    let input = recorded(&case["input"]).unwrap();
    let request = match Request::unpack(&input) {
        Ok(request) => request,
        Err(e) => {
            assert_eq!(e.to_string(), case["error"].as_str().unwrap());
            let mut requests = Requests::default();
            assert_eq!(requests.accept(&input), Err(e));
            return;
        }
    };
    // The results of the Lua function.
    let got = match request {
        Request::Small {
            address,
            session,
            payload,
        } => {
            let mut got = vec![typed(&address), session.to_string(), hex(payload)];
            got.push(payload.len().to_string());
            if session == 0 {
                got.extend(["nil".to_string(), "true".to_string()]);
            }
            got
        }
        Request::Large {
            address,
            session,
            size,
            push,
        } => vec![
            typed(&address),
            session.to_string(),
            "nil".to_string(),
            size.to_string(),
            "true".to_string(),
            push.to_string(),
        ],
        Request::Part {
            session,
            data,
            last,
        } => vec![
            "false".to_string(),
            session.to_string(),
            hex(data),
            data.len().to_string(),
            (!last).to_string(),
        ],
        Request::Trace(tag) => vec![hex(tag)],
    };
    let want: Vec<_> = case["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    assert_eq!(got, want);
}

fn typed(address: &Address<'_>) -> String {
    match address {
        Address::Number(n) => n.to_string(),
        Address::Name(name) => hex(name),
    }
}

/// A typed value as text; strings and messages in hex.
fn text(v: &Json) -> String {
    match v["t"].as_str().unwrap() {
        "nil" => "nil".into(),
        "bool" => v["v"].to_string(),
        "int" => int(v).to_string(),
        "str" | "msg" => hex(&recorded(v).unwrap()),
        t => panic!("unknown type {t}"),
    }
}

fn unpack_response(case: &Json) {
    let input = recorded(&case["input"]).unwrap();
    let want: Vec<_> = case["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    let Ok(Response { session, body }) = Response::unpack(&input) else {
        assert_eq!(want, [""; 0]);
        return;
    };
    let (ok, data, more) = match body {
        Body::Error(text) => (false, hex(text), false),
        Body::Ok(data) | Body::End(data) => (true, hex(data), false),
        Body::Begin(size) => (true, size.to_string(), true),
        Body::Part(data) => (true, hex(data), true),
    };
    let mut got = vec![session.to_string(), ok.to_string(), data];
    if more {
        got.push("true".to_string());
    }
    assert_eq!(got, want);
}

fn concat(case: &Json) {
    let mut large = Large::default();
    for arg in case["args"].as_array().unwrap() {
        match arg["t"].as_str().unwrap() {
            "int" => large.begin(int(arg) as u32),
            _ => large.add(&recorded(arg).unwrap()),
        }
    }
    match (
        large.finish(),
        case["results"].as_array().unwrap().as_slice(),
    ) {
        (Some(got), [msg, size]) => {
            assert_bytes(&got, msg);
            assert_eq!(got.len() as i64, int(size));
        }
        (None, []) => {}
        (got, want) => panic!("got {got:?}, want {want:?}"),
    }
}

fn is_name(case: &Json) {
    let got = lua_address(&case["arg"]).is_ok_and(|address| address.is_registered_name());
    assert_eq!(got, !case["results"].as_array().unwrap().is_empty());
}
