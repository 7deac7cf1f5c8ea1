//! Who gets into the debug console, and what those can do who should not be there: web pages, strangers, a crowd of
//! connections, expressions without an end.

use std::io::Write;
use std::time::Duration;

use skynet_tests::Node;
use skynet_tests::console::{Console, http, node, until};

/// What a browser sends if a page asks it to, and what other protocols send. None of it runs a command.
#[test]
fn requests_of_web_pages() {
    let (mut node, port) = node(|node| node);
    let image = "GET /call/.w1/'add',1 HTTP/1.1\r\n";
    let form = "POST / HTTP/1.1\r\nContent-Length: 18\r\nContent-Type: text/plain\r\n";
    let body = "call .w1 'add', 1\n";
    let local = "Host: 127.0.0.1\r\n";
    for header in [
        "Host: 127.0.0.1:8000\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: 127.0.0.1\r\nReferer: http://evil.example/\r\n",
        "Host: localhost\r\nOrigin: http://evil.example\r\n",
        "Host: localhost\r\norigin: null\r\n",
        "Host: evil.example:8000\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "Host: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n",
    ] {
        for request in [
            format!("{image}{header}\r\n"),
            format!("{form}{header}\r\n{body}{body}"),
        ] {
            let answer = http(port, &request);
            let refused = answer.contains("requests of browsers and for other hosts are refused");
            assert!(refused && !answer.contains("<CMD"), "{request}: {answer}");
        }
    }
    for (request, why) in [
        (
            format!("PUT / HTTP/1.1\r\n{local}\r\n{body}"),
            "only GET and POST",
        ),
        (
            format!("OPTIONS / HTTP/1.1\r\n{local}\r\n{body}"),
            "only GET and POST",
        ),
        (format!("\u{16}\u{3}\u{1}\n{body}"), "control characters"),
        (
            format!("{form}Transfer-Encoding: chunked\r\n\r\n{body}"),
            "in pieces",
        ),
    ] {
        let answer = http(port, &request);
        assert!(
            answer.contains(why) && !answer.contains("<CMD"),
            "{request}: {answer}"
        );
    }
    let mut console = Console::enter(port);
    assert_eq!(console.ok("call .w1 'add', 0"), "1\t0\nn\t1\n");
    let request = format!("{image}{local}User-Agent: curl/8.0\r\n\r\n");
    assert!(http(port, &request).ends_with("<CMD OK>\n"));
    assert_eq!(console.ok("call .w1 'add', 0"), "1\t2\nn\t1\n");
    // Not each of them, since whoever comes in can cause only so many lines a second.
    node.until_output(" requests of browsers and for other hosts are refused: ");
}

/// The log has every command, who gave it, and not what the peer wants to do to the terminal.
#[test]
fn commands_are_logged() {
    let (mut node, port) = node(|node| node.key("consolepassword", "'owl at night'"));
    let mut console = Console::enter(port);
    let peer = console.stream.local_addr().expect("address");
    console.write("owl at night\n");
    let _ = console.ok("call .w1 'echo', '\u{1b}[31m\u{9b}'");
    let _ = console.error(&format!("{}\u{7f}", "nonsense".repeat(100)));
    let _ = console.ok("stack .w1");
    console.write("debug .w1\n1 + 1\ncont\n");
    console.until(&["<CMD OK>\n"]);
    let get = "GET /list HTTP/1.1\r\nAuthorization: Bearer owl at night\r\n\r\n";
    assert!(http(port, get).ends_with("<CMD OK>\n"));
    for line in [
        &format!("console {peer}: call .w1 'echo', '\\x1b[31m\\u{{9b}}'\n"),
        &format!("console {peer}: nonsensenonsense"),
        "... (801 bytes)\n",
        &format!("console {peer}: stack .w1\n"),
        &format!("console {peer}: debug .w1\n"),
        &format!("console {peer}: (debug) 1 + 1\n"),
        ": list\n",
    ] {
        node.until_output(line);
    }
    let log = node.stdout();
    assert!(!log.contains("owl") && !log.contains('\u{1b}'), "{log}");
}

/// Without a password there is no console that other machines reach.
#[test]
fn other_machines_need_a_password() {
    let source = "local skynet = require 'skynet'
        skynet.start(function()
            print(pcall(skynet.newservice, 'debug_console', '0.0.0.0', 0))
            print(pcall(skynet.newservice, 'debug_console', '::', 0))
            print('LOCAL', pcall(skynet.newservice, 'debug_console', 'localhost', 0))
            require('skynet.manager').abort()
        end)";
    for password in [None, Some("''")] {
        let node = Node::source(source);
        let out = match password {
            None => node.run(),
            Some(password) => node.key("consolepassword", password).run(),
        };
        out.exit(0)
            .has_times("set consolepassword in the config", 2);
        out.has("Can't listen on 0.0.0.0:0").has("LOCAL\ttrue");
    }
    let out = Node::source(source).key("consolepassword", "'owl'").run();
    out.has("Start debug console at 0.0.0.0:")
        .has_not("set consolepassword");
}

fn descriptors(pid: u32) -> usize {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd"));
    folder.expect("its descriptors").count()
}

/// Idle connections, as many as somebody likes: those who have shown that they may be here stay, and others get in
/// beside them.
fn crowd(password: Option<&str>) {
    let login = |console: &mut Console| {
        if let Some(password) = password {
            console.write(&format!("{password}\n"));
        }
    };
    let (mut node, port) = node(|node| match password {
        Some(password) => node.key("consolepassword", &format!("'{password}'")),
        None => node,
    });
    let mut before = Console::enter(port);
    login(&mut before);
    assert!(before.ok("ping .w1").ends_with('\n'));
    let mut idle: Vec<Console> = Vec::new();
    for n in 0..400 {
        let mut console = Console::open(port);
        // Some give half a line, some half a request, some a wrong password.
        let text = [
            "",
            "lis",
            "GET /list HTTP/1.1\r\nHost: ",
            "POST / HTTP/1.1\r\n",
        ][n % 4];
        let _ = console.stream.write_all(text.as_bytes());
        idle.push(console);
    }
    // It may be pushed out by those that have been waiting to be accepted.
    let mut operator = Console::enter(port);
    login(&mut operator);
    assert!(operator.ok("ping .w1").ends_with('\n'));
    assert!(before.ok("ping .w1").ends_with('\n'));
    node.until("those too many have gone", |node| {
        descriptors(node.pid()) < 120
    });
    let mut told = idle.swap_remove(0);
    told.until(&["Too many connections"]);
    assert!(operator.ok("list").contains("snlua console/node"));
    let log = node.stdout();
    assert!(log.matches(" connected\n").count() < 200, "{log}");
    drop(idle);
    let mut after = Console::enter(port);
    login(&mut after);
    assert!(after.ok("ping .w1").ends_with('\n'));
    node.signal("TERM");
    node.wait().exit(0).no_panic();
}

#[test]
fn a_crowd() {
    crowd(None);
}

#[test]
fn a_crowd_without_the_password() {
    crowd(Some("owl"));
}

/// Commands that never end do not keep an operator out, and whoever has gone is not waited for.
#[test]
fn commands_that_nobody_waits_for() {
    let (_node, port) = node(|node| node);
    let mut consoles = Vec::new();
    for n in 0..150 {
        let mut console = Console::enter(port);
        console.write("call .w1 'wait'\n");
        // The peer has finished typing, or hangs up, or waits.
        match n % 3 {
            0 => drop(console),
            _ => consoles.push(console),
        }
    }
    let mut operator = Console::enter(port);
    let list = operator.ok("list");
    let line = list.lines().find(|line| line.contains("debug_console"));
    let address = line
        .and_then(|line| line.split('\t').next())
        .expect("the console");
    // 48 that are known, and some that are about to be given up.
    until(&mut operator, "stat", |stat| {
        let line = stat
            .lines()
            .find(|line| line.starts_with(address))
            .expect("itself");
        let tasks = line.split("task:").nth(1).expect("a number").trim();
        tasks.parse::<usize>().expect("a number") < 60
    });
}

/// What is typed is evaluated where it holds up nobody, and with little memory.
#[test]
fn expressions_have_an_end() {
    let (node, port) = node(|node| node.key("thread", "1").file("pipe", ""));
    let mut console = Console::enter(port);
    let mut other = Console::enter(port);
    console.write("call .w1 (function() while true do end end)()\n");
    assert!(other.ok("ping .w1").ends_with('\n'));
    assert!(console.until(&["<CMD Error>\n"]).contains("too long"));
    for (line, why) in [
        ("call .w1 ('x'):rep(1 << 40)", "memory"),
        (
            "call .w1 (function() local s = 'x' while true do s = s .. s end end)()",
            "memory",
        ),
        (
            "call .w1 (function() local t = {1} for i = 1, 30 do t = {t, t} end return t end)()",
            "too much",
        ),
        (
            "call .w1 ('a'):rep(30):find(('a*'):rep(30) .. 'b')",
            "'find'",
        ),
        ("inject .w1 /dev/zero", "it is no file"),
        ("inject .w1 /", "it is no file"),
        ("inject .w1 nowhere", "Can't open nowhere"),
    ] {
        let error = console.error(line);
        assert!(error.contains(why), "{line}: {error}");
    }
    assert!(other.ok("ping .w1").ends_with('\n'));
    let peak = node.peak_kib();
    assert!(peak < 300 << 10, "{peak} KiB");
}

/// Lines that do not come to an end, and those that are larger than any command.
#[test]
fn lines_without_an_end() {
    let (node, port) = node(|node| node);
    let mut slow = Console::enter(port);
    let began = std::time::Instant::now();
    while slow.stream.write_all(b"x").is_ok() {
        std::thread::sleep(Duration::from_secs(1));
        assert!(
            began.elapsed() < Duration::from_secs(180),
            "it may go on for ever"
        );
    }
    let mut large: Vec<Console> = (0..40).map(|_| Console::enter(port)).collect();
    for console in &mut large {
        // Many long lines behind a command that waits; then the console reads no more.
        console.write("call .w1 'sleep', 6000\n");
        let _ = console
            .stream
            .set_write_timeout(Some(Duration::from_millis(50)));
        let line = [vec![b'x'; 60_000], b"\n".to_vec()].concat();
        for _ in 0..100 {
            if console.stream.write_all(&line).is_err() {
                break;
            }
        }
    }
    let mut operator = Console::enter(port);
    assert!(operator.ok("ping .w2").ends_with('\n'));
    let peak = node.peak_kib();
    assert!(peak < 200 << 10, "{peak} KiB");
}
