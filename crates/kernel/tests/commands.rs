//! Text commands, the built-in logger, message logs, names and environment.

mod common;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use common::*;
use skynet_kernel::*;

fn setup() -> (Arc<Node>, Log, Arc<Context>) {
    let (node, log) = with(1, |builder| builder.env("known", "value"));
    let (service, _rx) = probe(&node);
    let cx = node.context(service).unwrap();
    (node, log, cx)
}

#[test]
fn names_and_addresses() {
    let (node, log, cx) = setup();
    let command = |command: &str, param: &str| node.command(&cx, command, param);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(command("REG", ""), some(":2"));
    assert_eq!(command("REG", ".me"), some("me"));
    assert_eq!(command("REG", ".me"), None, "taken");
    assert_eq!(command("REG", "global"), None);
    assert_eq!(command("QUERY", ".me"), some(":2"));
    assert_eq!(command("QUERY", ".nobody"), None);
    assert_eq!(command("QUERY", ":2"), None);
    assert_eq!(command("NAME", ".log :0001"), some("log"));
    assert_eq!(command("NAME", ".log :2"), None);
    assert_eq!(command("NAME", "log :2"), None);
    assert_eq!(command("NAME", ".x 2"), None);
    assert_eq!(
        node.names()
            .iter()
            .map(|(name, _)| &**name)
            .collect::<Vec<_>>(),
        ["log", "logger", "me"]
    );
    assert_eq!(
        (node.resolve(".me"), node.resolve(":Ff"), node.resolve("x")),
        (Some(Handle(2)), Some(Handle(255)), None)
    );
    assert_eq!(command("MONITOR", ""), None);
    assert_eq!(command("MONITOR", ".me"), None);
    assert_eq!(command("MONITOR", ""), some(":2"));
    assert_eq!(command("KILL", "me"), None);
    assert_eq!(command("NOSUCH", ""), None);
    stop(&node);
    for line in [
        "[:00000002] error: Can't register global name global in C",
        "[:00000002] error: Can't set global name log in C",
        "[:00000002] error: Can't convert me to handle",
    ] {
        assert_eq!(log.count(line), 1, "{line}");
    }
}

#[test]
fn environment_and_time() {
    let (node, log, cx) = setup();
    let command = |command: &str, param: &str| node.command(&cx, command, param);
    assert_eq!(command("GETENV", "known").as_deref(), Some("value"));
    assert_eq!(command("GETENV", "unknown"), None);
    assert_eq!(command("SETENV", "new some words"), None);
    assert_eq!(command("GETENV", "new").as_deref(), Some("some words"));
    assert_eq!(command("SETENV", "ignored"), None);
    assert_eq!(command("GETENV", "ignored"), None);
    command("SETENV", "known other");
    assert_eq!(node.getenv("known").as_deref(), Some("value"));
    assert_eq!(
        node.setenv("known", "x").unwrap_err().to_string(),
        "Can't setenv exist key : known"
    );
    assert_eq!(command("STARTTIME", ""), Some(node.starttime().to_string()));
    stop(&node);
    assert_eq!(log.count("error: Can't setenv exist key : known"), 1);
}

#[test]
fn services_are_launched_killed_and_measured() {
    let (node, log) = node(1);
    let (tx, rx) = std::sync::mpsc::channel();
    let service = spawn(&node, move |cx, message| {
        let command = String::from_utf8(message.payload().to_vec()).unwrap();
        let (word, param) = command.split_once(' ').unwrap_or((&command, ""));
        tx.send(cx.node().command(cx, word, param)).unwrap();
    });
    node.run();
    let ask = |command: &str| {
        tell(&node, service, command);
        receive(&rx)
    };
    for _ in 0..7 {
        ask("STAT mqlen");
    }
    assert_eq!(
        ask("LAUNCH harbor 0 4\r\nrubbish").as_deref(),
        Some(":00000003")
    );
    log.wait_for("[:00000003] LAUNCH harbor 0 4");
    assert_eq!(ask("LAUNCH harbor"), Some(":00000004".into()));
    log.wait_for("[:00000004] LAUNCH harbor ");
    assert_eq!(ask("LAUNCH nosuch"), None);
    assert_eq!(ask("KILL :3"), None);
    log.wait_for("[:00000002] KILL :3");
    assert_eq!(node.context(Handle(3)).map(|_| ()), None);
    assert_eq!(ask("STAT mqlen").as_deref(), Some("0"));
    assert_eq!(ask("STAT mqage").as_deref(), Some("0"));
    assert_eq!(ask("STAT endless").as_deref(), Some("0"));
    assert_eq!(ask("STAT message").as_deref(), Some("15"));
    assert_eq!(ask("STAT rubbish").as_deref(), Some(""));
    for what in ["STAT cpu", "STAT time"] {
        let text = ask(what).unwrap();
        assert!(
            text.parse::<f64>().unwrap() > 0.0 && text.split('.').nth(1).unwrap().len() == 6,
            "{what} {text}"
        );
    }
    // The answer is the session; the RESPONSE follows by itself.
    assert_eq!(ask("TIMEOUT 1").as_deref(), Some("1"));
    // Its payload is empty, which is no command.
    assert_eq!(receive(&rx), None);
    assert_eq!(ask("EXIT"), None);
    log.wait_for("[:00000002] KILL self");
    stop(&node);
}

#[test]
fn without_profiling_nothing_is_measured() {
    let (node, _log) = with(1, |builder| builder.profile(false));
    let (tx, rx) = std::sync::mpsc::channel();
    let service = spawn(&node, move |cx, _| {
        let stat = |what| cx.node().command(cx, "STAT", what).unwrap();
        tx.send([stat("cpu"), stat("time"), stat("message")])
            .unwrap();
    });
    node.run();
    tell(&node, service, "go");
    assert_eq!(receive(&rx), ["0.000000", "0", "1"]);
    stop(&node);
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("skynet-kernel-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn messages_are_logged_on_request() {
    let folder = folder("messages");
    let path = folder.to_str().unwrap().to_owned();
    let (node, log) = with(1, |builder| builder.env("logpath", &path));
    let (service, rx) = probe(&node);
    let cx = node.context(service).unwrap();
    node.run();
    let command = |command: &str| node.command(&cx, command, ":2");
    let send = |text: &str| {
        node.send(Handle(0x1f), service, kind::LUA, 3, Payload::from(text))
            .unwrap();
        receive(&rx);
    };
    send("before");
    command("LOGON");
    command("LOGON");
    send("a\0Z");
    command("LOGOFF");
    command("LOGOFF");
    send("after");
    let file = folder.join("00000002.log");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("open time: "));
    // `open time: <cs> Sun Nov 22 02:00:19 2026`
    assert_eq!(lines[0].split_whitespace().count(), 8, "{}", lines[0]);
    let fields: Vec<&str> = lines[1].split(' ').collect();
    assert_eq!(
        (fields[..3].join(" "), fields[4]),
        (":0000001f 10 3".into(), "61005a")
    );
    assert!(lines[2].starts_with("close time: "));
    stop(&node);
    assert_eq!(
        log.count(&format!("[:00000002] Open log file {}", file.display())),
        1
    );
    assert_eq!(log.count("[:00000002] Close log file :00000002"), 1);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_message_log_is_closed_with_its_service() {
    let folder = folder("closed");
    let (node, log) = with(1, |builder| {
        builder.env("logpath", folder.to_str().unwrap())
    });
    let (service, _rx) = probe(&node);
    let cx = node.context(service).unwrap();
    node.run();
    node.command(&cx, "LOGON", ":2");
    node.kill(Handle::NONE, service);
    stop(&node);
    let text = fs::read_to_string(folder.join("00000002.log")).unwrap();
    assert!(
        text.lines().last().unwrap().starts_with("close time: "),
        "{text}"
    );
    assert_eq!(log.count("Close log file"), 0);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_folder_that_does_not_exist_is_reported() {
    let (node, log) = with(1, |builder| builder.env("logpath", "/nonexistent/folder"));
    let (service, _rx) = probe(&node);
    let cx = node.context(service).unwrap();
    node.command(&cx, "LOGON", ":2");
    stop(&node);
    assert_eq!(
        log.count("Open log file /nonexistent/folder/00000002.log fail"),
        1
    );
}

#[test]
fn the_logger_writes_files_and_opens_them_anew() {
    let folder = folder("logger");
    let path = folder.join("node.log");
    let node = Node::builder()
        .threads(1)
        .log_service("logger", path.to_str())
        .start()
        .unwrap();
    node.run();
    node.log(Handle(0x2a), b"one\ntwo");
    eventually("the line is there", || {
        fs::read_to_string(&path).unwrap().ends_with("two\n")
    });
    fs::rename(&path, folder.join("old.log")).unwrap();
    node.reopen_log();
    node.log(Handle::NONE, b"three");
    eventually("the new file is there", || {
        fs::read_to_string(&path).is_ok_and(|text| text.ends_with("three\n"))
    });
    stop(&node);
    let old = fs::read_to_string(folder.join("old.log")).unwrap();
    let (prefix, rest) = old.split_at("dd/mm/yy HH:MM:SS.cc ".len());
    assert_eq!(rest, "[:0000002a] one\ntwo\n");
    let pattern: String = prefix
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(pattern, "00/00/00 00:00:00.00 ");
    let new = fs::read_to_string(&path).unwrap();
    assert_eq!(&new[prefix.len()..], "[:00000000] three\n");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_replaced_log_service_hears_of_a_reopened_file() {
    let (node, log) = node(1);
    node.run();
    node.reopen_log();
    log.wait_for("<system>");
    stop(&node);
}

#[test]
fn global_names_wait_for_their_owner() {
    let (node, _log) = node(1);
    let (owner, rx) = probe(&node);
    let (sender, errors) = probe(&node);
    node.run();
    for session in 1..=3 {
        node.send_global(sender, "STORE", kind::LUA, session, Payload::EMPTY)
            .unwrap();
    }
    let harbor = node.launch(Handle::NONE, "harbor", "0 4").unwrap();
    node.send(owner, harbor, kind::HARBOR, 0, Payload::from("N STORE"))
        .unwrap();
    for session in 1..=3 {
        assert_eq!(receive(&rx), (kind::LUA, sender, session, vec![]));
    }
    node.send_global(sender, "STORE", kind::LUA, 4, Payload::EMPTY)
        .unwrap();
    assert_eq!(receive(&rx).2, 4);
    node.kill(Handle::NONE, owner);
    node.send_global(sender, "STORE", kind::LUA, 5, Payload::EMPTY)
        .unwrap();
    assert_eq!(receive(&errors), (kind::ERROR, owner, 5, vec![]));
    stop(&node);
}

/// The name of a service that has gone is known for a while, so that requests to it fail; but not for ever.
#[test]
fn global_names_go_with_their_owners() {
    let (node, _log) = node(1);
    let (sender, answers) = probe(&node);
    node.run();
    let (heir, inherited) = probe(&node);
    for n in 0..3000 {
        let owner = spawn(&node, |_, _| ());
        node.set_global(&format!("NAME{n}"), owner);
        // One is taken over while its owner lives, one after that.
        if n == 2500 {
            node.set_global("NAME2500", heir);
        }
        node.kill(Handle::NONE, owner);
        if n == 2501 {
            node.set_global("NAME2501", heir);
        }
    }
    let send = |name: &str, session| {
        node.send_global(sender, name, kind::LUA, session, Payload::EMPTY)
            .unwrap();
    };
    send("NAME2999", 1);
    assert_eq!(receive(&answers).2, 1);
    assert_eq!(node.global_backlog("NAME2999"), None);
    for session in 2..4 {
        send(&format!("NAME250{}", session - 2), session);
        assert_eq!(receive(&inherited).2, session);
    }
    // Forgotten: it waits for an owner, as a name that nobody has had.
    send("NAME0", 4);
    assert_eq!(
        node.global_backlog("NAME0").map(|waiting| waiting.messages),
        Some(1)
    );
    node.set_global("NAME0", heir);
    assert_eq!(receive(&inherited).2, 4);
    node.kill(Handle::NONE, heir);
    for (session, name) in [(5, "NAME0"), (6, "NAME2500"), (7, "NAME2501")] {
        send(name, session);
        assert_eq!(receive(&answers), (kind::ERROR, heir, session, vec![]));
    }
    // A name for somebody who has gone already.
    node.set_global("LATE", heir);
    send("LATE", 8);
    assert_eq!(receive(&answers), (kind::ERROR, heir, 8, vec![]));
    stop(&node);
}

#[test]
fn services_are_listed() {
    let (node, _log) = node(1);
    let (service, rx) = probe(&node);
    node.context(service).unwrap().describe("the probe".into());
    tell(&node, service, "x");
    let info = &node.services()[1];
    assert_eq!(
        (info.handle, &*info.description, info.mqlen, info.messages),
        (service, "the probe", 1, 0)
    );
    node.run();
    receive(&rx);
    eventually("it counts", || {
        node.services()[1].messages == 1 && node.services()[1].cpu_seconds > 0.0
    });
    std::thread::sleep(Duration::from_millis(1));
    assert_eq!(node.workers()[0].current, Handle::NONE);
    stop(&node);
}
