//! What the debug console shows of the services that connect nodes, which are native.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use skynet_tests::harbor::{Slave, read_packet};
use skynet_tests::{Node, Running};

/// A node that calls itself through the cluster, and never gets an answer.
const PROGRAM: &str = r#"
local skynet = require "skynet"
local cluster = require "skynet.cluster"

local role = ...
if role then
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.wait()
		end)
	end)
	return
end

skynet.start(function()
	local address, port = cluster.open(0)
	cluster.reload { me = "127.0.0.1:" .. port, __nowaiting = true }
	local deaf = skynet.newservice(SERVICE_NAME, "deaf")
	cluster.register("deaf", deaf)
	skynet.newservice("debug_console", "127.0.0.1", 0)
	print("deaf", skynet.address(deaf))
	cluster.call("me", "@deaf", "hello")
end)
"#;

/// The answer of the console to a command.
fn ask(port: u16, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the console listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("timeout");
    stream
        .write_all(format!("GET /{command} HTTP/1.0\r\n\r\n").as_bytes())
        .expect("write");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

/// What follows `before` on the first line that has it, up to a blank.
fn word(text: &str, before: &str) -> Option<String> {
    let rest = text.split(before).nth(1)?;
    let end = rest.find(char::is_whitespace)?;
    Some(rest[..end].to_owned())
}

fn until(node: &mut Running, port: u16, command: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut answer = String::new();
    node.until(command, |_| {
        answer = ask(port, command);
        wanted(&answer)
    });
    answer
}

#[test]
fn cluster_services() {
    let mut node = Node::source(PROGRAM).spawn();
    node.until("the console", |node| {
        let text = node.stdout();
        word(&text, "Start debug console at 127.0.0.1:").is_some()
            && word(&text, "deaf\t").is_some()
    });
    let text = node.stdout();
    let port: u16 = word(&text, "Start debug console at 127.0.0.1:")
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let deaf = word(&text, "deaf\t").expect("a handle");

    // The call is seen on both sides: the caller waits for the sender, the agent for the service.
    let to_deaf = format!("-> {deaf}  session ");
    let calls = until(&mut node, port, "calls", |text| {
        text.contains(&to_deaf) && text.contains(" -> snlua clustersender me ")
    });
    let agent = calls.lines().find(|line| line.contains(&to_deaf));
    let agent = agent.expect("just seen");
    assert!(agent.contains("clusteragent"), "{calls}");
    let caller = calls.lines().find(|line| line.contains("clustersender me"));
    let caller = caller.expect("just seen");
    let handles: Vec<&str> = caller
        .split_whitespace()
        .filter(|word| word.starts_with(':'))
        .collect();
    let [main, sender] = handles[..] else {
        panic!("{caller}")
    };

    let stack = ask(port, &format!("stack/{sender}"));
    assert!(stack.contains("waits for another node for "), "{stack}");
    assert!(
        stack.contains(&format!("of {main}\n    me @deaf\n")),
        "{stack}"
    );
    let agent = agent
        .split_whitespace()
        .find(|word| word.starts_with(':'))
        .expect("the agent's handle");
    let stack = ask(port, &format!("stack/{agent}"));
    assert!(
        stack.contains(&format!("in a call of {deaf} for ")),
        "{stack}"
    );
    assert!(stack.contains("request 1 of the other node"), "{stack}");
    node.kill().no_panic();
}

/// A node of a network, whose other node never answers.
#[test]
fn harbor() {
    const PROGRAM: &str = r#"
        local skynet = require "skynet"
        skynet.start(function()
            skynet.newservice("debug_console", "127.0.0.1", 0)
            skynet.call(0x03000010, "lua", "hello")
        end)
    "#;
    let mut slave = Slave::start(|master, address| {
        let at = |port: u16| format!("'127.0.0.1:{port}'");
        Node::source(PROGRAM)
            .key("harbor", "2")
            .key("master", &at(master))
            .key("address", &at(address))
    });
    let mut peer = slave.let_start();
    read_packet(&mut peer);
    let before = "Start debug console at 127.0.0.1:";
    slave.node.until_output(before);
    let port = word(&slave.node.stdout(), before).and_then(|port| port.parse().ok());
    let answer = ask(port.expect("a port"), "stack/:02000005");
    assert!(
        answer.contains("waits for another node") && answer.contains("call to :03000010"),
        "{answer}"
    );
}

/// A message log needs a folder; without one, the console says why there is no file.
#[test]
fn message_log_without_a_folder() {
    let console = |node: Node| {
        let mut node = node.spawn();
        let before = "Start debug console at 127.0.0.1:";
        node.until_output("ready");
        node.until("its port", |node| word(&node.stdout(), before).is_some());
        let port = word(&node.stdout(), before).and_then(|port| port.parse().ok());
        let answer = ask(port.expect("a port"), "logon/:00000008");
        node.kill().no_panic();
        answer
    };
    let node = || {
        Node::source(
            "local skynet = require 'skynet'
            skynet.start(function()
                skynet.newservice('debug_console', '127.0.0.1', 0)
                skynet.error 'ready'
            end)",
        )
    };
    let without = console(node());
    assert!(
        without.contains("nothing is written: the config has no logpath"),
        "{without}"
    );
    let with = console(node().key("logpath", "'.'"));
    assert!(
        with.contains("<CMD OK>") && !with.contains("nothing is written"),
        "{with}"
    );
}
