//! Recorded scripts: the steps of one service, and the servers that it talks to.
//!
//! A case is played by a fresh service of a node (`tests/lua/db/player.lua`), which runs the Lua texts of the steps,
//! and by threads of the test, which are the servers: they compare what the service writes, byte for byte, and write
//! the recorded answers. The recorded ports are replaced by free ones of as many digits, everywhere in the case.

mod bytes;
mod compare;
mod mongo;
mod ports;
mod server;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::peer::port_of;
use crate::vectors;
use crate::{Node, Running};

pub use bytes::Expected;
pub use mongo::Mongo;
pub use server::{Dialect, Exchange, Plain};

/// How long a step may take before the test fails.
const LIMIT: Duration = Duration::from_secs(40);

/// Plays scripts, one after another, in one node.
pub struct Player {
    node: Running,
    control: TcpStream,
}

impl Player {
    /// Starts a node.
    pub fn start() -> Player {
        let mut node = Node::program("db/player")
            .limit(Duration::from_secs(600))
            .spawn();
        let port = port_of(&mut node);
        let control = TcpStream::connect(("127.0.0.1", port)).expect("the player");
        control.set_read_timeout(Some(LIMIT)).expect("timeout");
        control.set_nodelay(true).expect("nodelay");
        Player { node, control }
    }

    fn ask(&mut self, request: &str) -> Result<Json, String> {
        // Each character of a recorded Lua text is a byte.
        let byte = |c: char| u8::try_from(u32::from(c)).expect("a byte");
        let request: Vec<u8> = request.chars().map(byte).collect();
        let size = u32::try_from(request.len()).expect("a small text");
        let frame = [&size.to_le_bytes()[..], &request].concat();
        self.control
            .write_all(&frame)
            .map_err(|error| error.to_string())?;
        let mut size = [0; 4];
        self.control
            .read_exact(&mut size)
            .map_err(|error| format!("no answer: {error}"))?;
        let mut answer = vec![0; u32::from_le_bytes(size) as usize];
        self.control
            .read_exact(&mut answer)
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&answer).map_err(|error| format!("{error} in the player's answer"))
    }

    /// Plays a case; `Err` says what was different.
    pub fn play<D: Dialect>(&mut self, case: &Json, dialect: &D) -> Result<(), String> {
        let case = ports::replace(case);
        let servers = list(&case, "servers")
            .iter()
            .map(|server| server::Server::start(server, dialect))
            .collect::<Vec<_>>();
        let log_start = self.node.stdout().len();
        let handle = self.ask("new")?;
        let handle = handle.as_str().expect("a handle").to_string();
        let mut outcome = Ok(());
        for (number, step) in list(&case, "steps").iter().enumerate() {
            outcome = self.step(step, &handle, log_start);
            if let Err(why) = outcome {
                outcome = Err(format!("step {}: {why}", number + 1));
                break;
            }
        }
        self.ask("end")?;
        let served = servers.into_iter().map(server::Server::finish);
        served.fold(outcome, |so_far, served| match (so_far, served) {
            (Err(a), Err(b)) => Err(format!("{a}; {b}")),
            (a, b) => a.and(b),
        })
    }

    fn step(&mut self, step: &Json, handle: &str, log_start: usize) -> Result<(), String> {
        if let Some(text) = step["lua"].as_str() {
            let got = self.ask(&format!("lua {text}"))?;
            return compare::outcome(&got, step).map_err(|why| format!("{why}, of {text}"));
        }
        if let Some(ms) = step["sleep"].as_u64() {
            std::thread::sleep(Duration::from_millis(ms));
            return Ok(());
        }
        if let Some(want) = step["events"].as_array() {
            return self.events(want);
        }
        if let Some(want) = step["log"].as_array() {
            return self.log(want, handle, log_start);
        }
        Err(format!("an unknown step: {step}"))
    }

    /// Events are made by other coroutines, so they may take a moment.
    fn events(&mut self, want: &[Json]) -> Result<(), String> {
        let started = Instant::now();
        let mut got = Vec::new();
        loop {
            match self.ask("events ")? {
                Json::Array(more) => got.extend(more),
                other => return Err(format!("events: {other}")),
            }
            if got.len() >= want.len() || started.elapsed() > LIMIT {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let values = |event: &Json| event.as_array().cloned().unwrap_or_default();
        if got.len() != want.len() {
            return Err(format!("{} events, want {}", got.len(), want.len()));
        }
        for (got, want) in got.iter().zip(want) {
            compare::values(&values(got), &values(want)).map_err(|why| format!("event: {why}"))?;
        }
        Ok(())
    }

    /// The lines must have been logged in this order; others may lie between.
    fn log(&self, want: &[Json], handle: &str, start: usize) -> Result<(), String> {
        let started = Instant::now();
        loop {
            let text = self.node.stdout();
            let mark = format!("[:{handle}] ");
            let mut lines = text[start..]
                .lines()
                .filter_map(|line| line.split_once(&mark).map(|(_, text)| text));
            let missing = want.iter().find(|line| {
                let line = line.as_str().expect("a line");
                !lines.any(|got| compare::log_line(got, line))
            });
            match missing {
                None => return Ok(()),
                Some(line) if started.elapsed() > Duration::from_secs(5) => {
                    return Err(format!("not logged: {line}, but {}", &text[start..]));
                }
                Some(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

fn list<'a>(value: &'a Json, key: &str) -> &'a [Json] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Plays all cases of a file, and fails with the names of those that went otherwise than recorded. `expected` is how
/// many our own file has. `skip` gives a reason for a case that is not played.
pub fn play_all<D: Dialect>(
    file: &str,
    expected: usize,
    dialect: &D,
    skip: impl Fn(&Json) -> Option<&'static str>,
) {
    let only = std::env::var("SKYNET_CASE").ok();
    let cases = vectors::cases(file);
    vectors::count(cases.len(), expected);
    let mut player = Player::start();
    let mut failures = Vec::new();
    for case in &cases {
        let name = case["name"].as_str().expect("a name");
        if only
            .as_ref()
            .is_some_and(|only| !name.contains(only.as_str()))
        {
            continue;
        }
        if let Some(why) = skip(case) {
            println!("{name}: not played: {why}");
            continue;
        }
        if let Err(why) = player.play(case, dialect) {
            println!("{name}: {why}");
            failures.push(name.to_string());
            // What one case has broken shall not break the next.
            player = Player::start();
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} cases: {failures:?}",
        failures.len(),
        cases.len()
    );
}
