//! HTTP and websockets with peers that are not ours: curl, Python's `websockets`, tungstenite.

use std::process::Command;

use skynet_tests::{Node, Running, certificates, peer};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

fn start() -> (Running, u16, u16, u16) {
    let mut node = Node::program("http/peers").spawn();
    let port = peer::port_of(&mut node);
    let number = |node: &mut Running, word| peer::number_after(node, word) as u16;
    let (plain, sockets) = (number(&mut node, "PLAIN"), number(&mut node, "WEBSOCKET"));
    (node, port, plain, sockets)
}

/// What a program writes; none if there is no such program.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let out = match Command::new(program).args(args).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        out => out.expect("it can be run"),
    };
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {args:?}: {said}");
    Some(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn curl(args: &[&str]) -> Option<String> {
    let all = [&["--silent", "--show-error", "--max-time", "30"], args].concat();
    let out = output("curl", &all);
    if out.is_none() {
        skynet_tests::skipped("there is no curl", "apt-get install curl");
    }
    out
}

#[test]
fn curl_speaks_to_both_servers() {
    let (_node, port, plain, _) = start();
    for port in [port, plain] {
        let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
        let Some(got) = curl(&[&url("/a")]) else {
            return;
        };
        assert_eq!(got, "GET /a 0");
        let data = "x".repeat(100_000);
        assert_eq!(curl(&["-d", &data, &url("/b")]).unwrap(), "POST /b 100000");
        let chunked = ["-H", "Transfer-Encoding: chunked", "-d", &data, &url("/c")];
        assert_eq!(curl(&chunked).unwrap(), "POST /c 100000");
        let pieces = curl(&[&url("/pieces")]).unwrap();
        assert_eq!(pieces, "piece 1\npiece 2\npiece 3\npiece 4\npiece 5\n");
    }
}

#[test]
fn curl_keeps_its_connection() {
    let (_node, port, ..) = start();
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let format = ["-w", " %{num_connects}\n"];
    let (a, b, c) = (url("/1"), url("/2"), url("/pieces"));
    let Some(got) = curl(&[&format[..], &[&a, &b, &c, &a]].concat()) else {
        return;
    };
    let pieces = "piece 1\npiece 2\npiece 3\npiece 4\npiece 5\n";
    assert_eq!(
        got,
        format!("GET /1 0 1\nGET /2 0 0\n{pieces} 0\nGET /1 0 0\n")
    );
    assert_eq!(curl(&["-L", &url("/moved")]).unwrap(), "GET /there 0");
    let head = curl(&["-I", &url("/h")]).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 9\r\n"),
        "{head}"
    );
    // It asks for leave to send a body.
    let expect = ["-H", "Expect: 100-continue", "-d", "text", &url("/e")];
    assert_eq!(curl(&expect).unwrap(), "POST /e 4");
}

/// Debian's curl speaks no websockets (`curl --version` names no protocol ws), so it makes the handshake of one, and
/// says what came behind it.
#[test]
fn curl_upgrades() {
    let (_node, port, _, sockets) = start();
    for port in [port, sockets] {
        let url = format!("http://127.0.0.1:{port}/chat");
        let mut args = vec![
            "--silent",
            "--include",
            "--http1.1",
            "--max-time",
            "2",
            &url,
        ];
        for field in [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ] {
            args.extend(["-H", field]);
        }
        // It waits for a body until its time is over, which is an error.
        let Ok(out) = Command::new("curl").args(&args).output() else {
            skynet_tests::skipped("there is no curl", "apt-get install curl");
            return;
        };
        let got = String::from_utf8_lossy(&out.stdout);
        let (first, rest) = got.split_once("\r\n").unwrap_or_default();
        assert_eq!(first, "HTTP/1.1 101 Switching Protocols");
        // The key and its answer are those of the standard's example.
        assert!(
            rest.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            "{got}"
        );
        let refused = curl(&["--http1.1", "-H", "Upgrade: websocket", &url]);
        assert_eq!(refused.as_deref(), Some("Connection must Upgrade"));
    }
}

#[test]
fn curl_over_tls() {
    let (node, _) = certificates::node(Node::program("http/peers").key("tls", "\"true\""));
    let ca = node.path("ca.pem").display().to_string();
    let mut node = node.spawn();
    let port = peer::port_of(&mut node);
    let url = format!("https://localhost:{port}/secret");
    let resolve = format!("localhost:{port}:127.0.0.1");
    let args = ["--cacert", &ca, "--resolve", &resolve, "--http1.1", &url];
    if let Some(got) = curl(&args) {
        assert_eq!(got, "GET /secret 0");
    }
}

/// Random messages, masked and in pieces.
fn converse<S: std::io::Read + std::io::Write>(
    socket: &mut WebSocket<S>,
    seed: u64,
    largest: usize,
) {
    let mut state = seed;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..200 {
        let size = match random(4) {
            0 => random(3),
            1 => 120 + random(12),
            2 => 65_530 + random(12),
            _ => random(largest),
        };
        let message = match random(3) {
            0 => Message::text("ä".repeat(size / 2)),
            1 => Message::binary(vec![random(256) as u8; size]),
            _ => {
                socket
                    .send(Message::Ping(vec![7; random(126)].into()))
                    .unwrap();
                assert!(matches!(socket.read().unwrap(), Message::Pong(_)));
                Message::text("after a ping")
            }
        };
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    let reason = CloseFrame {
        code: CloseCode::Normal,
        reason: "done".into(),
    };
    socket.close(Some(reason)).unwrap();
    loop {
        match socket.read() {
            Ok(Message::Close(_)) => {}
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => break,
            Err(error) => panic!("{error}"),
            Ok(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn tungstenite_converses_with_both_servers() {
    let (_node, port, _, sockets) = start();
    for (port, largest) in [(port, 1 << 20), (sockets, 1 << 18)] {
        for seed in 1..4 {
            let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let url = format!("ws://127.0.0.1:{port}/chat");
            let (mut socket, answer) = tungstenite::client(url, stream).unwrap();
            assert_eq!(answer.status(), 101);
            converse(&mut socket, seed * 77_777, largest);
        }
    }
}

/// The client, against a server that keeps to the standard.
#[test]
fn the_client_converses_with_tungstenite() {
    let (listener, port) = peer::listen();
    let echo = std::thread::spawn(move || {
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            let mut socket = tungstenite::accept(stream).unwrap();
            loop {
                match socket.read() {
                    Ok(Message::Close(_)) => {}
                    Ok(message) if message.is_ping() || message.is_pong() => {}
                    Ok(message) => socket.send(message).unwrap(),
                    Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_)) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    let source = format!(
        r#"
        local skynet = require "skynet"
        require "skynet.manager"
        local websocket = require "http.websocket"
        skynet.start(function()
            for _, options in ipairs {{ {{ mask = true, strict = true }}, {{ mask = true, strict = true, deflate = true }} }} do
                local id = websocket.connect("ws://127.0.0.1:{port}/x", nil, 300, options)
                for i = 1, 300 do
                    local text = ("text %d "):format(i):rep(i * i // 10)
                    websocket.write(id, text, i % 2 == 0 and "text" or "binary")
                    assert(websocket.read(id) == text)
                    if i % 50 == 0 then
                        websocket.ping(id)
                    end
                end
                websocket.close(id, 1000, "done")
            end
            print "CONVERSED"
            skynet.abort()
        end)"#
    );
    let output = Node::source(&source).run();
    assert!(output.stdout.contains("CONVERSED"), "{output}");
    echo.join().unwrap();
}

#[test]
fn python_websockets() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python)
        .args(["-c", "import websockets.sync.client"])
        .output();
    if !has.is_ok_and(|out| out.status.success()) {
        skynet_tests::skipped(
            "there is no Python module websockets",
            "pip install websockets, and PYTHON=the interpreter that has it",
        );
        return;
    }
    let (_node, port, _, sockets) = start();
    let program = "
import sys
from websockets.sync.client import connect
for port in sys.argv[1:]:
    with connect('ws://127.0.0.1:%s/chat' % port, max_size=None) as ws:
        for message in ['', 'text', 'x' * 70000, b'', b'\\0\\xff' * 50000, ['pie', 'c', 'es']]:
            ws.send(message)
            want = ''.join(message) if isinstance(message, list) else message
            assert ws.recv() == want, message
        ws.ping().wait(10)
    assert ws.close_code == 1000 or port == sys.argv[2], ws.close_code
print('FINE')
";
    let (port, sockets) = (port.to_string(), sockets.to_string());
    let got = output(&python, &["-c", program, &port, &sockets]).unwrap();
    assert_eq!(got.trim(), "FINE");
}
