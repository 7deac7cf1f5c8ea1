//! The debug console, as people and programs use it: by lines over TCP, and by HTTP.
//!
//! The sessions in `sessions/` are typed as they stand: a line that begins with `> ` is a command, the lines after it
//! are its answer, in which numbers that change are masked (`mask`).
//! `SKYNET_BLESS=1 cargo test -p skynet-tests --test console` writes them anew.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use skynet_tests::Node;
use skynet_tests::console::{Console, WELCOME, http, node, started, until};

// ---- recorded sessions

/// Takes out what differs from run to run: numbers with a fraction, counts of messages, ports, pointers, bytes.
fn mask(text: &str) -> String {
    text.split_inclusive('\n').map(mask_line).collect()
}

fn mask_line(text: &str) -> String {
    if text.trim().parse::<u32>().is_ok() {
        return "N\n".to_owned(); // an answer of ping
    }
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        masked.push_str(before);
        let digits = number.len()
            - number
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        let fraction = number[digits..].strip_prefix('.').map_or(0, |f| {
            f.len() - f.trim_start_matches(|c: char| c.is_ascii_digit()).len()
        });
        let point = if fraction > 0 { 1 + fraction } else { 0 };
        // Lua writes less than a ten-thousandth like this.
        let exponent = number[digits + point..].strip_prefix("e-").map_or(0, |e| {
            2 + e.len() - e.trim_start_matches(|c: char| c.is_ascii_digit()).len()
        });
        let pointer = number.strip_prefix("0x").map_or(0, |hex| {
            2 + hex.len()
                - hex
                    .trim_start_matches(|c: char| c.is_ascii_hexdigit())
                    .len()
        });
        let after = |word: &str| masked.ends_with(word);
        if pointer > 2 {
            masked.push_str("0xP");
            rest = &number[pointer..];
        } else if (fraction > 0 || exponent > 2) && !after("127.") {
            masked.push_str("N.N");
            rest = &number[digits + point + exponent..];
        } else if digits > 3 && !after(":")
            || after("message:")
            || after("127.0.0.1:")
            || after(".lua:") && !before.contains("node")
        {
            masked.push('N');
            rest = &number[digits..];
        } else {
            masked.push_str(&number[..digits]);
            rest = &number[digits..];
        }
    }
    // Numbers in columns of their own width. Those of the allocator may be as wide as the column, or none at all.
    let masked = (masked + rest).replace("  ", "");
    let lines = masked.split_inclusive('\n').map(|line| {
        match line.split_once('\t').filter(|_| line.starts_with("stats.")) {
            Some((name, _)) => format!("{name}\tN Mb\n"),
            None => line.to_owned(),
        }
    });
    lines.collect()
}

/// Types a recorded session, and compares.
fn session(name: &str, change: impl FnOnce(Node) -> Node) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sessions")
        .join(name);
    let recorded = std::fs::read_to_string(&path).expect("the recorded session");
    let (node, port) = node(change);
    let mut console = Console::enter(port);
    let mut now = String::new();
    let mut prompt = false;
    for line in recorded.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            let command = command.replace("$DIR", &node.path("").display().to_string());
            console.write(&format!("{command}\n"));
            // In a debugger there are prompts and no last line.
            prompt |= command.starts_with("debug ");
            let answer = match prompt {
                true => console.until(&[":0000000a>", "OK>", "Error>"]),
                false => console.until(&["<CMD OK>\n", "<CMD Error>\n"]),
            };
            let over = answer.ends_with("<CMD OK>") || answer.ends_with("<CMD Error>");
            let rest = match over {
                true => console.until(&["\n"]),
                false if prompt => "\n".to_owned(),
                false => String::new(),
            };
            prompt &= !over;
            now += &format!("{line}\n{}", mask(&(answer + &rest)));
            // The answer comes before the service has gone.
            if let Some(address) = command.strip_prefix("exit ") {
                until(&mut console, "list", |list| !list.contains(address));
            }
        } else if line.starts_with('#') {
            now += &format!("{line}\n");
        }
    }
    let now = now.replace(&node.path("").display().to_string(), "$DIR");
    if std::env::var("SKYNET_BLESS").is_ok() {
        std::fs::write(&path, now).expect("the session is written");
        return;
    }
    assert!(now == recorded, "{} is now:\n{now}", path.display());
}

#[test]
fn session_services() {
    session("services", |node| node);
}

#[test]
fn session_one_service() {
    session("one_service", |node| {
        node.file(
            "patch.lua",
            "print('total', _P.lua.total, ...)\n_P.lua.command.extra = function() return 'patched' end",
        )
        .file("broken.lua", "print 'begun'\nerror 'boom'")
        .file("syntax.lua", "x =")
    });
}

#[test]
fn session_arguments() {
    session("arguments", |node| node);
}

#[test]
fn session_debugger() {
    session("debugger", |node| node);
}

// ---- HTTP, passwords, odd peers

#[test]
fn http_requests() {
    let (_node, port) = node(|node| node);
    let pong = format!("{WELCOME}1\tx\nn\t1\n<CMD OK>\n");
    for request in [
        "GET /call/.w1/'echo','x' HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /call/.w1/'echo','x'\n",
        "POST / HTTP/1.1\r\nContent-Length: 21\r\n\r\ncall .w1 'echo', 'x'\n",
    ] {
        assert_eq!(http(port, request), pong, "{request}");
    }
    let stack = http(port, "GET /stack/.w1 HTTP/1.1\r\n\r\n");
    assert!(
        stack.contains("no coroutine waits or runs\n<CMD OK>\n"),
        "{stack}"
    );
    let wrong = http(port, "GET /nonsense HTTP/1.1\r\n\r\n");
    assert!(
        wrong.ends_with("help for command list\n\n<CMD Error>\n"),
        "{wrong}"
    );
    assert_eq!(http(port, "GET / HTTP/1.1\r\n\r\n"), WELCOME);
    let long = http(port, "POST / HTTP/1.1\r\nContent-Length: 8193\r\n\r\n");
    assert!(long.ends_with("too long: at most 8192 bytes\n"), "{long}");
}

#[test]
fn password() {
    let (node, port) = node(|node| node.key("consolepassword", "'owl at night'"));
    let mut console = Console::enter(port);
    assert_eq!(console.until(&[": "]), "Password: ");
    console.write("owl at night\r\n");
    assert!(console.ok("list").contains("snlua console/node"));

    let mut wrong = Console::enter(port);
    wrong.write("owl\nlist\n");
    let said = wrong.end();
    assert!(
        said.ends_with("Wrong password\n") && !said.contains("snlua"),
        "{said}"
    );

    let get = |header: &str| http(port, &format!("GET /list HTTP/1.1\r\n{header}\r\n"));
    assert!(get("Authorization: Bearer owl at night\r\n").ends_with("<CMD OK>\n"));
    assert!(get("Authorization: Bearer owl\r\n").ends_with("Wrong password\n"));
    assert!(get("").ends_with("Wrong password\n"));
    assert_eq!(node.stdout().matches("gave a wrong password").count(), 3);
}

/// A program that writes everything, and then reads.
#[test]
fn many_lines_at_once() {
    let (_node, port) = node(|node| node);
    let mut console = Console::open(port);
    let lines: String = (0..300)
        .map(|n| format!("call .w1 'echo', {n}\r\n"))
        .collect();
    console.write(&lines);
    for n in 0..300 {
        let answer = console.until(&["<CMD OK>\n"]);
        assert!(answer.contains(&format!("1\t{n}\n")), "{answer}");
    }
    console.write("ping .w1"); // the last line may lack its end
    console
        .stream
        .shutdown(std::net::Shutdown::Write)
        .expect("shutdown");
    assert!(console.end().ends_with("<CMD OK>\n"));
}

#[test]
fn odd_peers() {
    let (mut node, port) = node(|node| node);
    let mut long = Console::open(port);
    // The console may hang up before everything is written.
    let _ = long.stream.write_all(&vec![b'x'; 100_000]);
    drop(long);
    let mut binary = Console::enter(port);
    binary
        .stream
        .write_all(b"\xff\xfe \x1b[A\nlist\n")
        .expect("write");
    assert!(binary.until(&["<CMD Error>\n"]).contains("Invalid command"));
    assert!(binary.until(&["<CMD OK>\n"]).contains("snlua console/node"));
    // Gone in the middle of a command.
    let mut gone = Console::enter(port);
    gone.write("call .w1 'wait'\n");
    drop(gone);
    let mut console = Console::enter(port);
    // It stops like any other service, and so does the node.
    let address = node.stdout();
    let address = address
        .split("CONSOLE\t")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    console.write(&format!("kill {}\n", address.expect("its address")));
    node.until("the port is closed", |_| {
        TcpStream::connect(("127.0.0.1", port)).is_err()
    });
    node.signal("TERM");
    node.wait().exit(0).no_panic();
}

/// The log tells who comes and goes.
#[test]
fn comings_and_goings() {
    let (mut node, port) = node(|node| node);
    let console = Console::enter(port);
    let peer = console.stream.local_addr().expect("address");
    node.until_output(&format!("{peer} connected\n"));
    drop(console);
    node.until_output(&format!("{peer} disconnect\n"));
}

// ---- a busy node

/// Both workers are in endless loops: what an operator needs works all the same.
#[test]
fn all_workers_stuck() {
    let (node, port) = node(|node| {
        node.key("thread", "2").key(
            "begin",
            "\".w1 'loop'; .w2 'loop'; .w3 'call', '.w1', 'echo'\"",
        )
    });
    let mut console = Console::enter(port);
    let top = until(&mut console, "top 0.2 3", |top| {
        top.lines()
            .nth(2)
            .is_some_and(|line| line.contains(" s  snlua console/node worker"))
    });
    assert_eq!(top.lines().count(), 6, "{top}");

    let list = until(&mut console, "list", |list| {
        list.contains("from the kernel")
    });
    assert!(list.contains("\tsnlua console/node worker\n"), "{list}");
    let stat = console.ok("stat");
    assert!(
        stat.contains("from the kernel") && stat.contains("mqlen:"),
        "{stat}"
    );
    assert!(console.error("ping .w1").starts_with("No worker is free"));

    let stack = console.ok("stack .w1");
    assert!(stack.contains("coroutine 1: running for "), "{stack}");
    assert!(stack.contains("_work'\n"), "{stack}");
    let profile = console.ok("profile .w2 0.5");
    assert!(
        profile.contains("busy_work (") && profile.starts_with("# "),
        "{profile}"
    );
    // Its message waits, or it has begun before everything was stuck.
    let waiting = console.ok("stack .w3");
    assert!(
        waiting.contains("no coroutine") || waiting.contains("in a call of"),
        "{waiting}"
    );

    assert!(console.ok("signal .w2").is_empty());
    // One worker is free now, and the call of .w3 goes on to the one that loops.
    until(&mut console, "calls", |calls| {
        calls.contains("snlua console/node worker -> snlua console/node worker")
    });
    let killed = console.ok("kill .w1");
    assert!(killed.contains("\tsnlua console/node worker\n"), "{killed}");
    until(&mut console, "top 0.1", |top| {
        !top.contains(" s  snlua console/node worker")
    });
    assert!(console.ok("ping .w2").ends_with('\n'));
    let out = node.kill();
    assert!(out.stdout.contains("signal 0"), "{out}");
}

/// Functions of a known program, in the order of what they cost.
#[test]
fn profile_of_a_known_program() {
    let (_node, port) = node(|node| node.key("begin", "\".w1 'loop'; .w2 'texts'\""));
    let mut console = Console::enter(port);
    let samples = |text: &str, leaf: &str| -> u64 {
        let stacks = text.lines().filter(|line| !line.starts_with(['#', '<']));
        let stacks = stacks.filter_map(|line| line.rsplit_once(' '));
        stacks
            .filter(|(stack, _)| {
                stack
                    .rsplit(';')
                    .next()
                    .is_some_and(|f| f.starts_with(leaf))
            })
            .map(|(_, count)| count.parse::<u64>().expect("a count"))
            .sum()
    };
    // As many as it takes for a sure verdict, on a machine that may be busy with other things.
    let text = until(&mut console, "profile .w1 1", |text| {
        samples(text, "busy_work ") + samples(text, "little_work ") > 200
    });
    let (busy, little) = (samples(&text, "busy_work "), samples(&text, "little_work "));
    let all: u64 = samples(&text, "");
    assert!(busy > little && little > 0, "{text}");
    assert!(busy + little > all * 8 / 10, "{text}");
    // The command was called as `command[name]`, which gives it no name.
    assert!(!text.contains("? ("), "{text}");

    // Time in a native function is that function's.
    let text = until(&mut console, "profile .w2 1", |text| {
        samples(text, "rep [C]") > 50
    });
    assert!(samples(&text, "rep [C]") > samples(&text, "") / 2, "{text}");
    // A service without work, and one that is not there.
    let idle = console.ok("profile .w3 0.1 100");
    assert!(idle.starts_with("# 0 samples at 100 Hz"), "{idle}");
    assert_eq!(idle.lines().count(), 1, "{idle}");
}

/// A native function that does not come back cannot be looked into; the rest of the node can.
#[test]
fn a_blocked_worker() {
    let (_node, port) = node(|node| node.key("begin", "\".w1 'block'\""));
    let mut console = Console::enter(port);
    let stack = until(&mut console, "stack .w1", |stack| stack.contains("busy"));
    assert!(stack.starts_with("busy in native code, which"), "{stack}");
    let calls = console.ok("calls");
    assert_eq!(
        calls,
        "no answer from :0000000a (snlua console/node worker)\n"
    );
    let top = console.ok("top 0.1 1");
    assert!(
        top.contains(":0000000a ") && top.contains(" s  snlua console/node worker"),
        "{top}"
    );
    assert!(console.ok("list").starts_with(":00000004\tsnlua cdummy\n"));
}

/// Services that exist once: there, failed, and waited for.
#[test]
fn unique_services() {
    let (_node, port) = node(|node| {
        let lua = skynet_tests::lua_dir().join("console/node.lua");
        let source = std::fs::read_to_string(lua).expect("the program");
        node.file(
            "single.lua",
            source.replace("local chosen = role[...]", "local chosen = role.worker"),
        )
        .file("broken.lua", "error 'broken from the start'")
        .key("begin", "\".w2 'query', 'awaited'\"")
    });
    let mut console = Console::enter(port);
    assert!(
        console
            .ok("call .w1 'unique', 'single'")
            .starts_with("1\t:0000000")
    );
    assert_eq!(
        console.error("call .w1 'unique', 'broken'"),
        "call failed\n"
    );
    let text = console.ok("service");
    assert!(text.contains("single\t:0000000"), "{text}");
    assert!(text.contains("broken\tError: "), "{text}");
    assert!(text.contains("awaited\tQuerying:\n:0000000b "), "{text}");
    assert!(text.contains("\t[C]: in field 'call'\n"), "{text}");
}

/// One at a time, from several consoles.
#[test]
fn profiles_do_not_mix() {
    let (_node, port) = node(|node| node.key("begin", "\".w1 'loop'\""));
    let (mut first, mut second) = (Console::enter(port), Console::enter(port));
    // Who comes first is not sure.
    for _ in 0..50 {
        first.write("profile .w1 2\n");
        std::thread::sleep(Duration::from_millis(500));
        let other = second.command("profile .w1 0.1");
        let own = first.until(&["<CMD OK>\n", "<CMD Error>\n"]);
        if other.ends_with("being profiled\n<CMD Error>\n") && own.contains("busy_work (") {
            assert!(second.ok("profile .w1 0.5").contains("_work ("));
            return;
        }
    }
    panic!("never refused");
}

#[test]
fn calls_and_rings() {
    let (_node, port) = node(|node| {
        node.key(
            "begin",
            "\".w1 'call', '.w2', 'call', '.w3', 'call', '.w1', 'wait'; .w4 'call', '.w1', 'sleep', 6000\"",
        )
    });
    let mut console = Console::enter(port);
    let handles: Vec<String> = (0xa..=0xd).map(|n| format!(":{n:08x}")).collect();
    let [a, b, c, d] = &handles[..] else {
        panic!("four")
    };
    let text = until(&mut console, "calls", |text| text.contains("ring: "));
    for (from, to) in [(a, b), (b, c), (c, a), (d, a)] {
        let line = text
            .lines()
            .find(|line| line.contains(&format!(" s  {from} -> {to}  session ")));
        let line = line.unwrap_or_else(|| panic!("{from} -> {to}: {text}"));
        assert!(line.ends_with("snlua console/node worker -> snlua console/node worker"));
    }
    assert!(
        text.contains(&format!("ring: {a} -> {b} -> {c} -> {a}\n")),
        "{text}"
    );
    assert!(!text.contains(&format!("{d} -> {a} ->")), "{text}");
    assert_eq!(
        console.ok("calls 1000"),
        format!("ring: {a} -> {b} -> {c} -> {a}\n")
    );

    let stack = console.ok("stack .w1");
    assert!(stack.contains(&format!("in a call of {b} for ")), "{stack}");
    assert!(stack.contains("waits to be woken for "), "{stack}");
    assert!(stack.contains(&format!("of {c}")), "{stack}");
    assert!(
        stack.contains("asleep for ") && stack.contains("field 'sleep'"),
        "{stack}"
    );
    // Breaking the ring at one place ends all of it.
    let title = console.ok("task .w1");
    let thread = title
        .lines()
        .find(|line| line.contains("session"))
        .expect("a task");
    assert!(thread.starts_with("thread: 0x"), "{title}");
}

/// A breakpoint, with a second console that sends the message.
#[test]
fn breakpoints() {
    let (mut node, port) = node(|node| node);
    let (mut debug, mut other) = (Console::enter(port), Console::enter(port));
    debug.write("debug .w1\nwatch('lua', function(_, _, cmd) return cmd == 'add' end)\n");
    assert_eq!(debug.until(&[">"]), ":0000000a>");
    assert_eq!(debug.until(&[">"]), ":0000000a>");
    node.until_output("[:0000000a] Enter debug mode");
    // Not the one.
    assert_eq!(other.ok("call .w1 'echo', 1"), "1\t1\nn\t1\n");
    other.write("call .w1 'add', 5\n");
    let place = debug.until(&[">"]);
    assert!(
        place.contains("console/node.lua(") && place.ends_with(")>"),
        "{place}"
    );
    // The service goes on meanwhile.
    let mut third = Console::enter(port);
    assert_eq!(third.ok("call .w1 'echo', 2"), "1\t2\nn\t1\n");
    let mut say = |line: &str| {
        debug.write(&format!("{line}\n"));
        debug.until(&[")>", ":0000000a>"])
    };
    assert!(say("cmd").starts_with("add\t\n"));
    assert!(say("cmd, session ~= 0, total").starts_with("add\ttrue\tnil\t\n"));
    // Into `add`, until its first line is done.
    let mut steps = 0;
    while !say("sum").starts_with("5\t\n") {
        steps += 1;
        assert!(steps < 10, "{}", say("print(debug.traceback(_CO))"));
        assert!(say("s").contains("node.lua("));
    }
    assert!(say("_CO").starts_with("thread: "));
    assert!(say("n").contains("node.lua("));
    assert!(say("twice").starts_with("10\t\n"));
    assert!(say("twice = 99").contains("node.lua("));
    assert_eq!(say("c"), ":0000000a>");
    let answer = other.until(&["<CMD OK>\n"]);
    assert_eq!(answer, "1\t99\nn\t1\n<CMD OK>\n");
    // Only one debugger; it lets everything go when it leaves.
    assert_eq!(third.error("debug .w1"), "Debugger attach failed\n");
    debug.write("watch 'lua'\n");
    debug.until(&[">"]);
    other.write("call .w1 'add', 1\n");
    debug.until(&[")>"]);
    drop(debug);
    assert!(other.until(&["<CMD OK>\n"]).starts_with("1\t"));
    node.until_output("[:0000000a] Leave debug mode");
    assert_eq!(other.ok("call .w1 'echo', 3"), "1\t3\nn\t1\n");
}

/// Consoles that applications have written themselves, on the sockets of the node.
#[test]
fn an_own_console() {
    let (_node, port) = started(Node::program("console/own"), "Start debug console");
    let mut console = Console::open(port);
    console.write("list\n");
    assert!(console.until(&["worker\n"]).contains("snlua console/own\n"));
    console.write("mem .w1\n");
    let answer = console.until(&["mem", "nil", "float\n", "invalid"]);
    assert!(answer.ends_with("float\n"), "{answer}");
    console.write("debug .w1\n");
    assert!(console.until(&[">"]).starts_with(':'));
    console.write("1 + 2, 'x'\n");
    assert!(console.until(&[">"]).starts_with("3\tx\t\n"));
    console.write("cont\n");
    assert!(console.until(&["left\n"]).ends_with("left\n"));
}
