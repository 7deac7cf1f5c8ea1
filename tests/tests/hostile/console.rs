//! Strangers at the port of the debug console: a web page that somebody on this machine looks at, or a program.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use skynet_tests::Node;
use skynet_tests::console::{self, Console};

use crate::watched::{Bounds, Watched};

/// A node with a console, and the console's port.
fn console() -> (Watched, u16) {
    let mut node = Watched::start(Node::program("console/node"), "CONSOLE");
    let port = console::port(&mut node.node);
    (node, port)
}

/// An operator is served.
fn is_served(port: u16) {
    let mut operator = Console::enter(port);
    assert!(operator.ok("ping .w1").ends_with('\n'));
}

/// What the console has written until it hung up, or `None` if it has not. Writing to it may fail at any time.
fn answer(stream: &mut TcpStream) -> Option<String> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        _ => Some(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// A page has the browser send what it likes, as often as it likes, also by a name of its own that leads here.
#[test]
fn forged_web_requests() {
    let (mut node, port) = console();
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    let heads = [
        format!("GET /call/.w1/'add',1 HTTP/1.1\r\n{host}Sec-Fetch-Site: cross-site\r\n"),
        format!("GET /call/.w1/'add',1 HTTP/1.1\r\n{host}Referer: http://evil.example/\r\n"),
        format!("GET /call/.w1/'add',1 HTTP/1.1\r\nHost: rebound.example:{port}\r\n"),
        format!("POST / HTTP/1.1\r\n{host}Origin: null\r\nContent-Length: 200000\r\n"),
        format!("OPTIONS / HTTP/1.1\r\n{host}Access-Control-Request-Method: POST\r\n"),
        format!(
            "POST / HTTP/1.1\r\nHost: \u{1b}[31m{}\r\n",
            "x".repeat(4000)
        ),
    ];
    let body = "call .w1 'add', 1\n".repeat(1000);
    for count in 0..600 {
        let mut stream = Console::open(port).stream;
        let head = &heads[count % heads.len()];
        // The console hangs up without reading the body.
        let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
        let text = answer(&mut stream).expect("it hangs up");
        assert!(!text.contains("<CMD"), "{head}: {text}");
    }
    let mut operator = Console::enter(port);
    assert_eq!(operator.ok("call .w1 'add', 0"), "1\t0\nn\t1\n");
    drop(operator);
    assert!(
        !node.node.stdout().contains('\u{1b}'),
        "a peer writes to the terminal"
    );
    node.has_descriptors_and(2);
    node.within(Bounds {
        peak_kib: 40 << 10,
        log: 100_000,
    });
}

/// Many who say nothing, or the beginning of something; an operator works beside them, and others get in.
#[test]
fn a_crowd() {
    let (mut node, port) = console();
    let mut operator = Console::enter(port);
    assert!(operator.ok("ping .w1").ends_with('\n'));
    let mut most = 0;
    let mut crowd = Vec::new();
    for count in 0..2000 {
        let mut stream = Console::open(port).stream;
        let text = ["", "lis", "GET /list HTTP/1.1\r\nHost: ", "\n"][count % 4];
        let _ = stream.write_all(text.as_bytes());
        crowd.push(stream);
        if count % 100 == 0 {
            assert!(operator.ok("ping .w1").ends_with('\n'));
            is_served(port);
            most = most.max(node.usage().descriptors);
        }
    }
    is_served(port);
    // Those that were sent away take a moment to go. Each connection has a thread, with memory of its own.
    assert!(most < 300, "{most} descriptors");
    drop((operator, crowd));
    node.has_descriptors_and(2);
    is_served(port);
    node.within(Bounds {
        peak_kib: 200 << 10,
        log: 50_000,
    });
}

/// Lines of 16 MB, and commands by the hundred thousand whose answers nobody reads.
#[test]
fn huge_lines_and_many() {
    let (mut node, port) = console();
    let huge = vec![b'x'; 16 << 20];
    let many = "list\nno command\u{1b}[31m\nhelp\n".repeat(500_000);
    let mut streams = Vec::new();
    for text in [&huge[..], many.as_bytes()] {
        for _ in 0..10 {
            let mut stream = Console::open(port).stream;
            let limit = Some(Duration::from_millis(100));
            stream.set_write_timeout(limit).expect("a limit");
            // It hangs up, or does not read on.
            assert!(stream.write_all(text).is_err(), "it has taken all");
            streams.push(stream);
        }
        is_served(port);
    }
    drop(streams);
    node.has_descriptors_and(2);
    is_served(port);
    node.within(Bounds {
        peak_kib: 150 << 10,
        // Each command that was carried out is a line.
        log: 16_000_000,
    });
}

/// A byte now and then, on as many connections as there may be, beside those who work.
#[test]
fn a_byte_at_a_time() {
    let (mut node, port) = console();
    let mut slow: Vec<_> = (0..64).map(|_| Console::open(port).stream).collect();
    for _ in 0..5 {
        for stream in &mut slow {
            let _ = stream.write_all(b"x");
        }
        is_served(port);
        std::thread::sleep(Duration::from_millis(500));
    }
    drop(slow);
    is_served(port);
    node.has_descriptors_and(2);
    node.within(Bounds {
        peak_kib: 150 << 10,
        log: 50_000,
    });
}
