//! Websockets with a browser: Chromium, without a window, opens a page of a node.
//!
//! The page (`tests/lua/http/browser.html`) does the talking and posts what it saw to the node, which writes it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use skynet_tests::{Node, certificates, lua_dir, peer};
use tempfile::TempDir;

/// A browser, which is a group of processes. All of them are killed when this is dropped.
struct Browser {
    child: Child,
    dir: TempDir,
}

impl Browser {
    /// Opens a page; none if there is no browser.
    fn open(url: &str) -> Option<Browser> {
        let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
        let dir = tempfile::tempdir().expect("temporary folder");
        let log = File::create(dir.path().join("log")).expect("log");
        let child = Command::new(&program)
            .args(["--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-dev-shm-usage", "--disable-breakpad"])
            .args(["--disable-quic", "--no-proxy-server", "--disable-sync"])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-extensions"])
            // It does not know the authority of the test.
            .arg("--ignore-certificate-errors")
            // Without it, this would end when the page is loaded.
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", dir.path().display()))
            .arg(url)
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn();
        match child {
            Ok(child) => Some(Browser { child, dir }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                skynet_tests::skipped("there is no Chromium", "apt-get install chromium");
                None
            }
            Err(error) => panic!("{program}: {error}"),
        }
    }

    fn alive(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read(self.dir.path().join("log")).unwrap_or_default();
            eprintln!("--- browser\n{}", String::from_utf8_lossy(&log));
        }
        // The group may have ended already; then there is nothing to kill.
        let _ = Command::new("kill")
            .args(["-s", "KILL", "--", &format!("-{}", self.child.id())])
            .stderr(Stdio::null())
            .status();
        let _ = self.child.wait();
    }
}

/// Lets a browser open the page, and looks at what page and node saw.
fn visit(node: Node, scheme: &str) {
    let page = lua_dir().join("http/browser.html");
    let page = format!("{:?}", page.display().to_string());
    let mut node = node.key("page", &page).spawn();
    let port = peer::port_of(&mut node);
    let Some(mut browser) = Browser::open(&format!("{scheme}://127.0.0.1:{port}/")) else {
        return;
    };
    node.until("what the page saw", |node| {
        node.stdout().contains("\nEND\n") || !browser.alive()
    });
    let output = node.stdout();
    assert!(output.contains("\nEND\n"), "no answer: {output}");
    let seen = |name: &str| -> Vec<String> {
        let lines = output.lines();
        let of_name = lines.filter_map(|line| line.strip_prefix(&format!("{name}: ")));
        of_name
            .filter(|line| !line.starts_with("closed with "))
            .map(str::to_owned)
            .collect()
    };
    // As skynet (C) does it, `accept` answers a close frame with an empty one, which is 1005 for the browser.
    assert_eq!(
        seen("server"),
        expected("permessage-deflate", "4001"),
        "{output}"
    );
    assert_eq!(seen("accept"), expected("", "1005"), "{output}");
    for name in ["server", "accept"] {
        node.until_output(&format!("\n{name}: closed with 4001 done für heute\n"));
    }
}

/// What the page says of one of the two servers.
fn expected(extension: &str, code: &str) -> Vec<String> {
    let mut lines = vec![format!("open [{extension}]")];
    let messages = [
        "empty text",
        "text",
        "UTF-8",
        "large text",
        "empty bytes",
        "all bytes",
        "large bytes",
        "125 bytes",
        "126 bytes",
        "65535 bytes",
        "65536 bytes",
    ];
    lines.extend(messages.map(|what| format!("{what} came back")));
    lines.push("200 in order".to_owned());
    lines.push("there was a pong".to_owned());
    lines.push(format!("our close clean {code}"));
    lines.push("their close clean 4002 bye für dich".to_owned());
    lines
}

#[test]
fn ws() {
    visit(Node::program("http/browser"), "http");
}

#[test]
fn wss() {
    let node = Node::program("http/browser")
        .key("tls", "\"true\"")
        .key("certfile", "\"server.pem\"")
        .key("keyfile", "\"server.key\"");
    visit(certificates::node(node).0, "https");
}
