//! Real members of etcd on free ports of this machine.

use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{peer, running};

/// How long members may take to agree on a leader.
const LIMIT: Duration = Duration::from_secs(60);

/// A cluster of etcd of one or more members. They are killed when this is dropped.
pub struct Etcd {
    dir: TempDir,
    members: Vec<Member>,
    more: Vec<String>,
    scheme: &'static str,
}

struct Member {
    child: Child,
    client: u16,
    peer: u16,
}

impl Etcd {
    /// So many members, each with the arguments `more`.
    pub fn start(members: usize, more: &[&str]) -> Etcd {
        let dir = tempfile::Builder::new()
            .prefix("skynet-etcd-")
            .tempdir()
            .expect("temporary folder");
        let ports: Vec<(u16, u16)> = (0..members).map(|_| (peer::port(), peer::port())).collect();
        let tls = more
            .iter()
            .any(|argument| argument.starts_with("--cert-file"));
        let mut etcd = Etcd {
            dir,
            members: Vec::new(),
            more: more.iter().map(ToString::to_string).collect(),
            scheme: if tls { "https" } else { "http" },
        };
        let all: Vec<String> = ports
            .iter()
            .enumerate()
            .map(|(i, (_, peer))| format!("m{i}=http://127.0.0.1:{peer}"))
            .collect();
        for (i, (client, peer)) in ports.into_iter().enumerate() {
            let child = etcd.spawn(i, client, peer, &all.join(","));
            etcd.members.push(Member {
                child,
                client,
                peer,
            });
        }
        etcd.until_it_serves();
        etcd
    }

    fn spawn(&self, i: usize, client: u16, peer: u16, all: &str) -> Child {
        let scheme = self.scheme;
        Command::new("etcd")
            .arg(format!("--name=m{i}"))
            .arg(format!(
                "--data-dir={}",
                self.dir.path().join(i.to_string()).display()
            ))
            .arg(format!(
                "--listen-client-urls={scheme}://127.0.0.1:{client}"
            ))
            .arg(format!(
                "--advertise-client-urls={scheme}://127.0.0.1:{client}"
            ))
            .arg(format!("--listen-peer-urls=http://127.0.0.1:{peer}"))
            .arg(format!(
                "--initial-advertise-peer-urls=http://127.0.0.1:{peer}"
            ))
            .arg(format!("--initial-cluster={all}"))
            .args([
                "--log-level=error",
                "--heartbeat-interval=50",
                "--election-timeout=500",
            ])
            .args(&self.more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd, which the build has found")
    }

    /// `etcdctl` with these arguments, at the first member.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        let endpoint = format!("127.0.0.1:{}", self.members[0].client);
        Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &endpoint])
            .args(arguments)
            .output()
            .expect("etcdctl")
    }

    fn until_it_serves(&self) {
        let started = Instant::now();
        let serves = || {
            let port = self.members[0].client;
            if self.scheme == "https" {
                return TcpStream::connect(("127.0.0.1", port)).is_ok();
            }
            self.ctl(&["get", "x"]).status.success()
        };
        while !serves() {
            assert!(started.elapsed() < LIMIT, "etcd does not serve");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the config key `discovery` says.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self
            .members
            .iter()
            .map(|member| format!("127.0.0.1:{}", member.client))
            .collect();
        let kind = if self.scheme == "https" {
            "etcds"
        } else {
            "etcd"
        };
        format!("{kind}://{}/game", hosts.join(","))
    }

    /// Which member leads.
    pub fn leader(&self) -> usize {
        let endpoints: Vec<String> = self
            .members
            .iter()
            .map(|member| format!("127.0.0.1:{}", member.client))
            .collect();
        let done = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &endpoints.join(","), "endpoint", "status"])
            .output()
            .expect("etcdctl");
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        text.lines()
            .position(|line| line.split(", ").nth(4) == Some("true"))
            .unwrap_or_else(|| panic!("no leader: {text}"))
    }

    /// Kills a member without a warning.
    pub fn kill(&mut self, i: usize) {
        let _ = self.members[i].child.kill();
        self.members[i].child.wait().expect("it was started here");
    }

    /// Starts it again, on the same ports and with what it had.
    pub fn restart(&mut self, i: usize) {
        let all: Vec<String> = self
            .members
            .iter()
            .enumerate()
            .map(|(i, member)| format!("m{i}=http://127.0.0.1:{}", member.peer))
            .collect();
        let (client, peer) = (self.members[i].client, self.members[i].peer);
        self.members[i].child = self.spawn(i, client, peer, &all.join(","));
        self.until_it_serves();
    }

    /// Sends a signal to all members: `STOP` freezes them, `CONT` lets them go on.
    pub fn signal(&self, name: &str) {
        for member in &self.members {
            running::signal(member.child.id(), name);
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}
