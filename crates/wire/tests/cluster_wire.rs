//! The traffic that was recorded on connections of skynet (C): what a node writes when it calls, and what it
//! answers to what others write.
//!
//! Services are played here by a few lines; the sockets are left out.

mod recorded;

use std::collections::HashMap;

use recorded::{cases, hex, int, recorded, run_all};
use serde_json::Value as Json;
use skynet_wire::{
    cluster::{
        Address, Complete, Event, Outcome, Part, Parts, Refusal, Reply, Requests, Response,
        Sessions, pack_error, pack_ok, query_name, query_payload,
    },
    netpack::{Framing, Partial},
    seri::{self, Value},
};

#[test]
fn every_recorded_case() {
    run_all(
        &cases("cluster_wire", 61),
        |_| false,
        |case| {
            match case["op"].as_str().unwrap() {
                "client_wire" => client(case),
                "server_wire" => server(case),
                op => panic!("unknown op {op}"),
            }
            true
        },
    );
}

/// What the calls make, and what their answers become.
fn client(case: &Json) {
    let mut sessions = Sessions::default();
    let mut made = Vec::new();
    let mut answers = replies(case);
    for call in case["calls"].as_array().unwrap() {
        let args: Vec<_> = array(&call["args"]).iter().map(value).collect();
        let payload = seri::pack(&args).unwrap();
        let address = address(&call["address"]);
        let mut first = Vec::new();
        if call["op"] == "send" {
            let parts = sessions.push(&mut first, &address, &payload).unwrap();
            made.push(first);
            made.extend(parts.map(frame));
            continue;
        }
        let (session, parts) = match call["op"].as_str().unwrap() {
            "call" => sessions.call(&mut first, &address, &payload).unwrap(),
            "query" => {
                let Value::Bytes(name) = &args[0] else {
                    panic!("a query has a name")
                };
                assert_eq!(query_payload(name).unwrap(), payload);
                sessions
                    .call(&mut first, &Address::QUERY, &payload)
                    .unwrap()
            }
            op => panic!("unknown op {op}"),
        };
        made.push(first);
        made.extend(parts.map(frame));
        assert_outcome(call, answers.remove(&session));
    }

    let written: Vec<_> = array(&case["connections"])
        .iter()
        .flat_map(|connection| array(&connection["frames"]))
        // Of a trace tag only the form is recorded.
        .filter(|frame| frame.get("tag_form").is_none())
        .map(|frame| recorded(&frame).unwrap())
        .collect();
    // Frames of large messages have less priority, so others may come before.
    let sorted = |frames: &[Vec<u8>]| {
        let mut frames: Vec<_> = frames.iter().map(|frame| hex(frame)).collect();
        frames.sort();
        frames
    };
    assert_eq!(sorted(&made), sorted(&written));
    for frame in &written {
        Requests::default().accept(&frame[2..]).unwrap();
    }
}

/// The answers that come in on all connections, by session.
fn replies(case: &Json) -> HashMap<u32, Result<Vec<u8>, Vec<u8>>> {
    let mut waiting: HashMap<u32, Reply> = HashMap::new();
    let mut answers = HashMap::new();
    for connection in array(&case["connections"]) {
        for frame in array(&connection["reply"]) {
            let frame = recorded(&frame).unwrap();
            // One that is not understood ends the connection.
            let Ok(response) = Response::unpack(&frame[2..]) else {
                break;
            };
            let reply = waiting.entry(response.session).or_default();
            let answer = match reply.accept(response.body) {
                Some(Outcome::Ok(payload)) => Ok(payload.to_vec()),
                Some(Outcome::Error(text)) => Err(text.to_vec()),
                Some(Outcome::Mismatch) => Ok(Vec::new()),
                None => continue,
            };
            answers.insert(response.session, answer);
        }
    }
    answers
}

fn assert_outcome(call: &Json, answer: Option<Result<Vec<u8>, Vec<u8>>>) {
    let unpacked = answer.map(|answer| answer.map(|payload| seri::unpack(&payload)));
    match (unpacked, call["error"].as_str()) {
        (Some(Ok(Ok(results))), None) => {
            let want: Vec<_> = array(&call["results"]).iter().map(value).collect();
            assert_eq!(results, want);
        }
        (Some(Ok(Err(e))), Some(text)) => {
            let (text, _) = text.split_once("(line:").unwrap();
            assert!(e.to_string().starts_with(text));
        }
        // The text of a failure does not reach the caller.
        (Some(Err(_)) | None, Some(text)) => assert_eq!(text, "call failed"),
        (answer, error) => panic!("{answer:?}, not {error:?}"),
    }
}

/// What a node with the recorded echo service answers.
fn server(case: &Json) {
    let mut reads: Vec<Vec<u8>> = array(&case["send"]).iter().map(sent).collect();
    match case["write_mode"].as_str().unwrap() {
        "frames" => {}
        "one write" => reads = vec![reads.concat()],
        "bytes" => reads = reads.concat().iter().map(|b| vec![*b]).collect(),
        mode => panic!("unknown mode {mode}"),
    }

    let mut node = Node::default();
    let mut requests = Requests::default();
    let mut partial = Partial::default();
    for mut read in reads.iter().map(Vec::as_slice) {
        while let Some(frame) = Framing::SHORT.take(&mut partial, &mut read).unwrap() {
            match requests.accept(&frame) {
                Ok(Some(Event::Request(request))) => node.serve(&request),
                Ok(Some(Event::Refused { session, why })) => node.refuse(session, why),
                // An error is logged, no more: the frames after it are served.
                Ok(_) | Err(_) => {}
            }
        }
    }
    assert_eq!(case["closed_by_server"], false);

    // Answers come in the order in which the service ends its calls.
    node.answers.sort_by_key(|(time, _)| *time);
    let answers: Vec<_> = node.answers.into_iter().map(|(_, frame)| frame).collect();
    let want = array(&case["replies"]);
    assert_eq!(answers.len(), want.len());
    for (answer, want) in answers.iter().zip(&want) {
        if let Some(text) = want["error_ends_with"].as_str() {
            assert_eq!(answer[2..6], (int(&want["session"]) as u32).to_le_bytes());
            assert_eq!((answer[6], want["type"].as_u64()), (0, Some(0)));
            assert!(answer.ends_with(text.as_bytes()));
        } else {
            let bytes = want.get("recorded").unwrap_or(want);
            assert_eq!(hex(answer), hex(&recorded(bytes).unwrap()));
        }
    }
}

/// Handle of the echo service.
const ECHO: u32 = 10;

/// A node with one service, registered as `@echo` and known as `.echo`.
#[derive(Default)]
struct Node {
    /// Frames with the time at which they are written.
    answers: Vec<(i64, Vec<u8>)>,
    pushes: i64,
    last: Value,
}

impl Node {
    fn serve(&mut self, request: &Complete<'_>) {
        match &request.address {
            &Address::QUERY => match query_name(&request.payload) {
                Ok(Some(b"echo")) => self.answer(0, request.session, &[i64::from(ECHO).into()]),
                Ok(_) => self.refuse(request.session, Refusal::NameNotFound),
                Err(_) => {}
            },
            &Address::Number(ECHO) => self.call(request),
            Address::Number(_) => self.fail(request.session, "call to invalid address"),
            Address::Name(name) => match &**name {
                b"@echo" | b".echo" => self.call(request),
                [b'@', ..] => self.refuse(request.session, Refusal::InvalidName),
                [b'.', ..] => self.fail(request.session, "call to invalid address"),
                // Taken for a name of the whole network, which is never resolved.
                _ => {}
            },
        }
    }

    fn call(&mut self, request: &Complete<'_>) {
        let args = seri::unpack(&request.payload).unwrap();
        let session = request.session;
        let Some((Value::Bytes(command), args)) = args.split_first() else {
            return self.fail(session, "call failed");
        };
        match (&command[..], args) {
            (b"ECHO", args) => self.answer(0, session, args),
            (b"SLEEP", [Value::Int(time), args @ ..]) => self.answer(*time, session, args),
            (b"NIL", []) => self.answer(0, session, &[]),
            (b"BIG", [Value::Int(n)]) => {
                self.answer(0, session, &[vec![b'B'; *n as usize].into()]);
            }
            (b"LEN", [Value::Bytes(s)]) => self.answer(0, session, &[(s.len() as i64).into()]),
            (b"PUSH", [v]) => {
                assert!(request.push);
                self.pushes += 1;
                self.last = v.clone();
            }
            (b"COUNT", []) => {
                let last = self.last.clone();
                self.answer(0, session, &[self.pushes.into(), last]);
            }
            (b"RESET", []) => {
                (self.pushes, self.last) = (0, Value::Nil);
                self.answer(0, session, &["reset".into()]);
            }
            _ => self.fail(session, "call failed"),
        }
    }

    fn answer(&mut self, time: i64, session: u32, results: &[Value]) {
        let payload = seri::pack(results).unwrap();
        let mut first = Vec::new();
        let parts: Parts<'_> = pack_ok(&mut first, session, &payload).unwrap();
        self.answers.push((time, first));
        self.answers.extend(parts.map(|part| (time, frame(part))));
    }

    fn refuse(&mut self, session: u32, why: Refusal) {
        self.fail(session, &why.to_string());
    }

    fn fail(&mut self, session: u32, text: &str) {
        let mut frame = Vec::new();
        pack_error(&mut frame, session, text.as_bytes());
        self.answers.push((0, frame));
    }
}

/// A frame to the node, with the handle of the echo service where that is left open.
fn sent(v: &Json) -> Vec<u8> {
    match v.get("hex_with_echo") {
        Some(text) => {
            let handle = hex(&ECHO.to_le_bytes());
            recorded(&text.as_str().unwrap().replace("{echo}", &handle).into()).unwrap()
        }
        None => recorded(v).unwrap(),
    }
}

fn frame(part: Part<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    part.write(&mut frame);
    frame
}

fn array(v: &Json) -> Vec<Json> {
    v.as_array().unwrap().clone()
}

fn address(v: &Json) -> Address<'static> {
    match value(v) {
        Value::Int(n) => n.into(),
        Value::Bytes(name) => Address::from(&name[..]).into_owned(),
        v => panic!("no address: {v:?}"),
    }
}

fn value(v: &Json) -> Value {
    match v["t"].as_str().unwrap() {
        "nil" => Value::Nil,
        "bool" => v["v"].as_bool().unwrap().into(),
        "int" => int(v).into(),
        "num" => {
            f64::from_bits(u64::from_str_radix(v["bits"].as_str().unwrap(), 16).unwrap()).into()
        }
        "str" => recorded(v).unwrap().into(),
        "table" => {
            assert_eq!(v["hash"], serde_json::json!([]));
            let values: Vec<_> = array(&v["array"]).iter().map(value).collect();
            seri::Table::from_values(values).into()
        }
        t => panic!("unknown type {t}"),
    }
}
