//! Recorded cases that are scripts: steps of a Lua service, of raw clients and of servers that a test plays. The format
//! is told in the README of the recordings.
//!
//! All of it is recorded with fixed ports. Here others take their place, of as many digits, and what a node says is
//! compared after they were put back.

mod client;
mod log;
mod ports;
mod server;
mod stage;
mod stream;
mod text;
mod value;

use serde_json::Value;

use client::Clients;
use ports::Ports;
use server::Servers;
use stage::Stage;

use crate::Node;

/// What is wrong, as text.
type Check<T = ()> = Result<T, String>;

/// Plays the cases of one file that `wanted` lets pass, and complains about all that do not go as recorded; how many
/// were played. `node` is the stage: `Node::program("script/stage")` with the keys that the cases need.
pub fn play(file: &str, node: Node, wanted: impl Fn(&Value) -> bool) -> usize {
    let cases = crate::vectors::cases(file);
    let cases: Vec<&Value> = cases.iter().filter(|case| wanted(case)).collect();
    let mut stage = Stage::start(node);
    let mut wrong = Vec::new();
    for case in &cases {
        if let Err(why) = play_case(case, &mut stage) {
            wrong.push(format!("{}: {why}", name(case)));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}\n--- the node wrote:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n"),
        stage.output(),
    );
    cases.len()
}

fn name(case: &Value) -> &str {
    case["name"].as_str().expect("a name")
}

fn play_case(case: &Value, stage: &mut Stage) -> Check {
    let ports = Ports::of(case);
    stage.fresh()?;
    let servers = Servers::start(case, &ports)?;
    let mut clients = Clients::new(&ports);
    let mut done = Ok(());
    for (i, step) in case["steps"].as_array().expect("steps").iter().enumerate() {
        done = play_step(step, stage, &mut clients, &ports)
            .map_err(|why| format!("step {}: {why}", i + 1));
        if done.is_err() {
            break;
        }
    }
    let servers = servers.finish();
    stage.fresh()?;
    match (done, servers) {
        (Err(why), Err(server)) => Err(format!("{why}\n  (servers: {server})")),
        (Err(why), _) | (_, Err(why)) => Err(why),
        _ => Ok(()),
    }
}

fn play_step(step: &Value, stage: &mut Stage, clients: &mut Clients, ports: &Ports) -> Check {
    if let Some(lua) = step["lua"].as_str() {
        let answer = stage.run(&ports.node_text(lua))?;
        return value::check_outcome(step, &answer, ports);
    }
    if let Some(events) = step.get("events") {
        return value::wait_for_events(events, ports, || stage.events());
    }
    if let Some(lines) = step["log"].as_array() {
        let lines: Vec<&str> = lines
            .iter()
            .map(|line| line.as_str().expect("a line"))
            .collect();
        return log::wait_for(&lines, || stage.log(), ports);
    }
    if let Some(ms) = step["sleep"].as_u64() {
        std::thread::sleep(std::time::Duration::from_millis(ms));
        return Ok(());
    }
    clients.step(step)
}
