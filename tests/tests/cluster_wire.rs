//! The recorded conversations of cluster nodes, played on real connections: with a node of ours as the one that is
//! called, and as the one that calls.

use std::collections::HashSet;

use serde_json::Value as Json;
use skynet_tests::Node;
use skynet_tests::cluster::Server;
use skynet_tests::peer::{Peer, listen};
use skynet_tests::vectors::{bytes, cases, cases_as_lua, count};

fn recorded(op: &str) -> Vec<Json> {
    let mut all = cases("cluster_wire.json");
    count(all.len(), 61);
    let bad = |case: &&Json| name(case).starts_with("listen-bad-");
    assert_eq!(all.iter().filter(bad).count(), 3);
    all.retain(|case| case["op"] == op);
    all
}

fn list<'a>(case: &'a Json, key: &str) -> &'a [Json] {
    case[key].as_array().expect("a list")
}

fn name(case: &Json) -> &str {
    case["name"].as_str().expect("a name")
}

/// `@echo ECHO <text>` and what comes back.
fn echo(session: u32, text: &str) -> (Vec<u8>, Vec<u8>) {
    let mut request = b"\x80\x05@echo".to_vec();
    request.extend(session.to_le_bytes());
    request.extend(b"\x24ECHO");
    let mut response = [&session.to_le_bytes()[..], &[1]].concat();
    for content in [&mut request, &mut response] {
        content.push(u8::try_from(text.len() << 3 | 4).expect("a short text"));
        content.extend(text.as_bytes());
    }
    (request, response)
}

// A node of ours is called.

#[derive(Clone, Copy, Debug, PartialEq)]
enum Writes {
    AsRecorded,
    Together,
    Frames,
    Bytes,
    Pieces,
}

/// Plays the recorded requests.
struct Player(Server);

impl Player {
    fn start() -> Player {
        Player(Server::start())
    }

    /// The bytes of a frame, with the handle of the echo service where that is left open.
    fn sent(&self, value: &Json) -> Vec<u8> {
        match value.get("hex_with_echo") {
            Some(text) => {
                let handle: String = self
                    .0
                    .handle()
                    .to_le_bytes()
                    .map(|byte| format!("{byte:02x}"))
                    .concat();
                bytes(
                    &text
                        .as_str()
                        .expect("hex")
                        .replace("{echo}", &handle)
                        .into(),
                )
            }
            None => bytes(value),
        }
    }

    fn play(&self, case: &Json, writes: Writes) {
        let frames: Vec<Vec<u8>> = list(case, "send").iter().map(|v| self.sent(v)).collect();
        let mut peer = Peer::connect(self.0.port());
        let writes = match (writes, case["write_mode"].as_str().expect("a mode")) {
            (Writes::AsRecorded, "one write") => Writes::Together,
            (Writes::AsRecorded, "frames") => Writes::Frames,
            (Writes::AsRecorded, "bytes") => Writes::Bytes,
            (Writes::AsRecorded, mode) => panic!("unknown mode {mode}"),
            (writes, _) => writes,
        };
        match writes {
            // The connection may end at the first of these.
            _ if name(case).starts_with("listen-bad-") => {
                let _ = peer.try_write(&frames[0]);
                let _ = peer.try_write(&frames[1..].concat());
            }
            Writes::Frames => frames.iter().for_each(|frame| peer.write(frame)),
            Writes::Bytes => peer.dribble(&frames.concat()),
            // Of sizes that fall on no border of frames.
            Writes::Pieces => frames
                .concat()
                .chunks(7919)
                .for_each(|piece| peer.write(piece)),
            _ => peer.write(&frames.concat()),
        }

        // A malformed frame ends its connection here, on purpose: see docs/differences.md.
        assert_eq!(case["closed_by_server"], false);
        if name(case).starts_with("listen-bad-") {
            assert_eq!(peer.end(), b"", "{}", name(case));
            return;
        }
        let want = list(case, "replies");
        let mut got: Vec<Vec<u8>> = want
            .iter()
            .map(|_| peer.receive().expect("the connection stays open"))
            .collect();
        if case.get("order_free_replies").is_some() {
            got.sort();
        }
        for (got, want) in got.iter().zip(want) {
            self.compare(got, want);
        }
        // Nothing else came, and the connection is alive.
        let (request, response) = echo(0x7fff_fff0, "end");
        peer.send(&request);
        assert_eq!(peer.receive(), Some(response));
        peer.finish();
        assert_eq!(peer.receive(), None);
    }

    fn compare(&self, got: &[u8], want: &Json) {
        let session = |number: &Json| {
            let number: u32 = number
                .as_str()
                .expect("a number")
                .parse()
                .expect("a number");
            number.to_le_bytes()
        };
        if let Some(text) = want.get("error_ends_with") {
            assert_eq!(got[..4], session(&want["session"]));
            assert_eq!(Json::from(got[4]), want["type"]);
            let text = text.as_str().expect("a text");
            assert!(got.ends_with(text.as_bytes()), "{}", got.escape_ascii());
        } else if want.get("payload_is").is_some() {
            assert_eq!(got[..4], session(&want["session"]));
            assert_eq!(Json::from(got[4]), want["type"]);
            // The handle as a packed integer of one, two or four bytes.
            let handle = self.0.handle().to_le_bytes();
            assert!(
                match got[5] {
                    0x0a => got[6..] == handle[..1] && self.0.handle() < 0x100,
                    0x12 => got[6..] == handle[..2] && self.0.handle() < 0x1_0000,
                    0x22 => got[6..] == handle,
                    _ => false,
                },
                "{got:02x?}"
            );
        } else {
            let want = bytes(want);
            assert!(
                got == &want[2..],
                "{} bytes, want {}: {}",
                got.len(),
                want.len() - 2,
                got[..got.len().min(200)].escape_ascii()
            );
        }
    }
}

fn called(writes: Writes) {
    let server = Player::start();
    for case in recorded("server_wire") {
        println!("{}", name(&case));
        if writes == Writes::Bytes && list(&case, "send").len() > 2 {
            continue; // a hundred thousand writes show nothing more
        }
        server.play(&case, writes);
    }
    server.0.stop();
}

#[test]
fn called_as_recorded() {
    called(Writes::AsRecorded);
}

#[test]
fn called_frame_by_frame() {
    called(Writes::Frames);
}

#[test]
fn called_by_one_write() {
    called(Writes::Together);
}

#[test]
fn called_byte_by_byte() {
    called(Writes::Bytes);
}

#[test]
fn called_in_pieces() {
    called(Writes::Pieces);
}

/// All conversations at once, each on a connection of its own.
#[test]
fn called_by_many() {
    let server = Player::start();
    let mut cases = recorded("server_wire");
    // The service has one counter for all.
    let counts = |case: &Json| {
        let mut frames = list(case, "send").iter();
        frames.any(|frame| contains(&server.sent(frame), b"COUNT"))
    };
    cases.retain(|case| !counts(case));
    std::thread::scope(|scope| {
        for chunk in cases.chunks(cases.len().div_ceil(8)) {
            let server = &server;
            scope.spawn(move || {
                for _ in 0..5 {
                    for case in chunk {
                        server.play(case, Writes::AsRecorded);
                    }
                }
            });
        }
    });
    server.0.stop();
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

// A node of ours calls.

/// The session of the request that is complete with this frame, if one is.
fn completed(frame: &[u8]) -> Option<u32> {
    let at = match frame[0] {
        0x00 => 5,
        0x80 => 2 + usize::from(frame[1]),
        0x03 => 1,
        _ => return None,
    };
    Some(u32::from_le_bytes(
        frame[at..at + 4].try_into().expect("four bytes"),
    ))
}

fn is_trace_tag(frame: &[u8], node: &str) -> bool {
    let Some(tag) = frame
        .strip_prefix(b"\x04(")
        .and_then(|tag| std::str::from_utf8(tag).ok())
    else {
        return false;
    };
    let Some((own, rest)) = tag.split_once(&format!("-{node}-2):")) else {
        return false;
    };
    let Some((handle, number)) = rest.split_once('-') else {
        return false;
    };
    !own.is_empty()
        && handle.len() == 8
        && handle
            .bytes()
            .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// The session that an answer is for; the last one of the connection, if the answer is too short to say.
fn answered(answer: &[u8], connection: &Json) -> u32 {
    if let Some(session) = answer.get(2..6) {
        return u32::from_le_bytes(session.try_into().expect("four bytes"));
    }
    let frames = list(connection, "frames").iter();
    let asked = frames.filter(|frame| frame.get("tag_form").is_none());
    let sessions = asked.filter_map(|frame| completed(&bytes(frame)[2..]));
    sessions.max().expect("a request")
}

/// Plays the node that is called. Returns the connection if the recorded node did not close it.
fn answer(peer: &mut Peer, case: &Json, connection: &Json, bytewise: bool) -> bool {
    let mut want: Vec<&Json> = list(connection, "frames").iter().collect();
    let any_order = case.get("interleaving_free").is_some();
    let mut replies = list(connection, "reply")
        .iter()
        .map(|reply| {
            let frame = bytes(reply);
            (answered(&frame, connection), frame)
        })
        .peekable();
    let together = name(case) == "wire-reply-two-in-one-write";
    let bytewise = bytewise || name(case) == "wire-reply-byte-by-byte";
    let asked: HashSet<u32> = (1..=list(case, "calls").len() as u32).collect();

    let mut done = HashSet::new();
    let mut ready = Vec::new();
    while !want.is_empty() {
        let got = peer.receive().expect("a frame");
        let matches = |want: &Json| match want.get("tag_form") {
            Some(_) => is_trace_tag(&got, case["node"].as_str().expect("a node")),
            None => got == bytes(want)[2..],
        };
        let at = match any_order {
            true => want.iter().position(|want| matches(want)),
            false => Some(0).filter(|_| matches(want[0])),
        };
        let Some(at) = at else {
            let shown = got[..got.len().min(100)].escape_ascii();
            panic!("{} bytes: {shown}, want {}", got.len(), want[0])
        };
        want.remove(at);
        done.extend(completed(&got));
        let next =
            |(session, _): &(u32, Vec<u8>)| done.contains(session) || !asked.contains(session);
        while let Some((_, frame)) = replies.next_if(next) {
            ready.push(frame);
        }
        if !together || want.is_empty() {
            let all = std::mem::take(&mut ready).concat();
            match bytewise && all.len() < 1000 {
                true => peer.dribble(&all),
                false if bytewise => all.chunks(4999).for_each(|piece| peer.write(piece)),
                false => peer.write(&all),
            }
        }
    }
    assert_eq!(replies.next(), None);
    let calls = list(case, "calls").iter();
    let answered: HashSet<_> = list(connection, "reply")
        .iter()
        .map(|reply| answered(&bytes(reply), connection))
        .collect();
    // A request that the recorded node left open means that it closed the connection.
    let open = done.iter().any(|session| !answered.contains(session));
    !(open && calls.clone().any(|call| call.get("error").is_some()))
}

fn calls(bytewise: bool) {
    let mut node = Node::case("cluster/wire", "client")
        .file(
            "vectors_cluster_wire.lua",
            cases_as_lua("cluster_wire.json"),
        )
        .stdin()
        .spawn();
    for case in recorded("client_wire") {
        let name = name(&case);
        println!("{name}");
        let (listener, port) = listen();
        node.write(&format!("run {name} {port}\n"));
        let mut last = None;
        for connection in list(&case, "connections") {
            let mut peer = Peer::accept(&listener);
            last = answer(&mut peer, &case, connection, bytewise).then_some(peer);
        }
        node.until_output(&format!("DID {name}\n"));
        node.write(&format!("drop {name}\n"));
        node.until_output(&format!("DROPPED {name}\n"));
        if let Some(mut peer) = last {
            assert_eq!(peer.end(), b"", "{name}: nothing but what was recorded");
        }
    }
    node.write("stop\n");
    node.wait().passed();
}

#[test]
fn calls_as_recorded() {
    calls(false);
}

#[test]
fn calls_with_answers_in_pieces() {
    calls(true);
}

/// The frames by themselves, as `skynet.cluster.core` makes and reads them.
#[test]
fn recorded_frames() {
    let lua = cases_as_lua("cluster.json");
    count(lua.lines().count() - 2, 225);
    Node::case("cluster/core", "all")
        .file("vectors_cluster.lua", lua)
        .run()
        .passed();
}

#[test]
fn node_name() {
    Node::case("cluster/core", "nodename").run().passed();
}
