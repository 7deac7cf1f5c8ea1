//! What must hold for any text commands given to a node, one a line.

use std::sync::Arc;

use skynet_kernel::command::Command;
use skynet_kernel::*;

/// A service, and a log, that let everything pass.
struct Quiet;

impl Service for Quiet {
    fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {}
}

/// Commands of one input that are looked at.
const MOST: usize = 64;

/// Runs the lines of the input on a node of their own.
///
/// # Panics
/// If something does not hold.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let node = Node::builder()
        .threads(1)
        .module("quiet", factory(|| Quiet))
        .log_service("quiet", None)
        // Nothing is written: LOGON finds no such folder, and nobody can name another one.
        .env("logpath", "/dev/null/")
        .start()
        .expect("a node starts");
    let service = node
        .launch(Handle::NONE, "quiet", "")
        .expect("a service starts");
    let cx = node.context(service).expect("it is there");
    for line in text.lines().take(MOST) {
        let (command, param) = line.split_once(' ').unwrap_or((line, ""));
        // That one makes a file of any name.
        if command == "LAUNCH" && param.starts_with("logger") {
            continue;
        }
        run(&node, &cx, command, param);
    }
    node.shutdown();
    node.wait();
}

fn run(node: &Arc<Node>, cx: &Arc<Context>, command: &str, param: &str) {
    let parsed = Command::parse(command, param);
    assert_eq!(parsed, Command::parse(command, param));
    let known = match parsed {
        Some(Command::SetEnv(key, _)) => node.getenv(key),
        _ => None,
    };
    let result = node.command(cx, command, param);
    let text = result.as_deref();
    match parsed {
        None | Some(Command::Nothing) => assert_eq!(text, None),
        Some(Command::Timeout(_)) => {
            let session: i32 = text.and_then(|s| s.parse().ok()).expect("a session");
            assert!(session > 0);
        }
        Some(Command::Own) => assert_eq!(text, Some(format!(":{:x}", cx.handle().0).as_str())),
        Some(Command::Register(name)) if text.is_some() => {
            assert_eq!(name.strip_prefix('.'), text);
            assert_eq!(node.find_name(&name[1..]), Some(cx.handle()));
        }
        Some(Command::Name(name, handle)) if text.is_some() => {
            assert_eq!(name.strip_prefix('.'), text);
            assert_eq!(node.find_name(&name[1..]), Some(handle));
        }
        Some(Command::Query(name)) => {
            let found = name.strip_prefix('.').and_then(|name| node.find_name(name));
            assert_eq!(text.and_then(Handle::parse), found);
        }
        // What is set stays as it was set.
        Some(Command::SetEnv(key, value)) => {
            assert_eq!(node.getenv(key), known.or_else(|| Some(value.to_owned())));
        }
        Some(Command::Stat(_)) => {
            let text = text.expect("text");
            assert!(text.is_empty() || text.parse::<f64>().is_ok(), "{text:?}");
        }
        Some(Command::Launch(..)) => {
            if let Some(text) = text {
                assert_eq!(text.len(), 9, "{text:?}");
                assert!(Handle::parse(text).is_some_and(|handle| !handle.is_none()));
            }
        }
        Some(Command::Exit | Command::Abort | Command::Kill(_)) => assert_eq!(text, None),
        _ => {}
    }
    let names = node.names();
    assert!(
        names.is_sorted_by(|(a, _), (b, _)| a < b),
        "each name once, in order"
    );
}
