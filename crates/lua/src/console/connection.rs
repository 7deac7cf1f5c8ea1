//! The conversation on one connection of a console.
//!
//! Two threads: one reads, the other runs commands, one after another, and writes. They and the Lua service meet in `State`, which
//! holds what has been typed and what the service has to say.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use skynet_kernel::{Node, Payload, kind};
use skynet_wire::console::{Command, Input, Reader, same_secret, words};
use skynet_wire::seri::Value;

use super::commands;
use super::front::{Front, spawn};

/// Lines that may wait while a command runs.
const WAITING: usize = 64;
/// How often a command that waits for a worker looks whether there is one.
const LOOK: Duration = Duration::from_millis(100);
/// When all workers have been busy with the same messages for so long, none is waited for.
const STUCK: Duration = Duration::from_secs(1);
/// For commands that can be answered without the service.
const SHORT: Duration = Duration::from_secs(2);
/// For the others.
const LONG: Duration = Duration::from_secs(60);
/// For the password.
const LOGIN: Duration = Duration::from_secs(30);
/// What a wrong password costs.
const PENALTY: Duration = Duration::from_secs(1);

const WELCOME: &[u8] = b"Welcome to skynet console\n";

/// One connection.
pub(super) struct Connection {
    pub(super) id: u64,
    peer: String,
    stream: TcpStream,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    inputs: VecDeque<Input>,
    /// Nothing more will be typed; the text says why if that is a fault.
    ended: Option<String>,
    output: VecDeque<Output>,
}

/// What the Lua service has said.
enum Output {
    /// Something to write.
    Text(Vec<u8>),
    /// The answer to a command.
    Done(u64, Answer),
}

/// The answer to a command.
pub(super) struct Answer {
    pub(super) ok: bool,
    /// Lines, each with its end.
    pub(super) text: Vec<u8>,
}

impl From<Result<String, String>> for Answer {
    fn from(result: Result<String, String>) -> Answer {
        let ok = result.is_ok();
        let mut text = result.unwrap_or_else(|error| error + "\n");
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Answer {
            ok,
            text: text.into_bytes(),
        }
    }
}

/// Why the Lua service has not answered.
enum Silence {
    /// No worker is free.
    Stuck(Duration),
    /// It took too long.
    Late(Duration),
    /// Nobody wants the answer any more.
    Closed,
}

impl Connection {
    pub(super) fn new(id: u64, stream: TcpStream, peer: String) -> Connection {
        Connection {
            id,
            peer,
            stream,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes whoever waits for it.
    fn change(&self, f: impl FnOnce(&mut State)) {
        f(&mut self.state());
        self.changed.notify_all();
    }

    /// Ends the connection; its threads leave.
    pub(super) fn shut(&self) {
        // The peer may have ended it before.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.change(|state| {
            state.ended.get_or_insert_default();
        });
    }

    /// The service writes something while a command of its runs.
    pub(super) fn text(&self, text: Vec<u8>) {
        self.change(|state| state.output.push_back(Output::Text(text)));
    }

    /// The service answers the command `run`.
    pub(super) fn done(&self, run: u64, answer: Answer) {
        self.change(|state| state.output.push_back(Output::Done(run, answer)));
    }

    // ---- reading

    fn read(&self) {
        let mut reader = Reader::default();
        let mut chunk = [0; 4096];
        let fault = loop {
            match (&self.stream).read(&mut chunk) {
                Ok(0) => {
                    reader.finish();
                    break self.take(&mut reader).err().unwrap_or_default();
                }
                Ok(length) => reader.push(&chunk[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => break error.to_string(),
            }
            if let Err(fault) = self.take(&mut reader) {
                break fault;
            }
        };
        self.change(|state| {
            state.ended.get_or_insert(fault);
        });
    }

    /// Hands over what has been typed, as soon as there is room for it.
    fn take(&self, reader: &mut Reader) -> Result<(), String> {
        while let Some(input) = reader.read().map_err(|error| error.to_string())? {
            let mut state = self.state();
            while state.inputs.len() >= WAITING && state.ended.is_none() {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            state.inputs.push_back(input);
            drop(state);
            self.changed.notify_all();
        }
        Ok(())
    }

    /// The next input; none at the end, or after `limit`.
    fn input(&self, limit: Option<Duration>) -> Option<Input> {
        let end = limit.map(|limit| Instant::now() + limit);
        let mut state = self.state();
        loop {
            if let Some(input) = state.inputs.pop_front() {
                drop(state);
                self.changed.notify_all();
                return Some(input);
            }
            if let Some(fault) = &mut state.ended {
                let fault = std::mem::take(fault);
                drop(state);
                if !fault.is_empty() {
                    self.write(format!("{fault}\n").as_bytes());
                }
                return None;
            }
            state = match end {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.checked_duration_since(Instant::now())?;
                    self.changed
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    // ---- writing

    /// A peer that cannot be written to is not worth reading from.
    fn write(&self, bytes: &[u8]) {
        if (&self.stream).write_all(bytes).is_err() {
            self.shut();
        }
    }

    // ---- commands

    /// The whole conversation.
    pub(super) fn serve(self: &Arc<Connection>, front: &Arc<Front>) {
        front.log(&format!("{} connected", self.peer));
        let reading = Arc::clone(self);
        if spawn("console", move || reading.read()).is_ok() {
            self.write(WELCOME);
            self.converse(front);
        }
        front.log(&format!("{} disconnect", self.peer));
    }

    fn converse(&self, front: &Arc<Front>) {
        let mut trusted = front.password.is_none();
        if !trusted {
            self.write(b"Password: ");
        }
        while !front.stopped() {
            let limit = (!trusted).then_some(LOGIN);
            match self.input(limit) {
                Some(Input::Http { command, token }) => {
                    if trusted || self.login(front, token.as_deref().unwrap_or("")) {
                        self.execute(front, &command);
                    }
                    return;
                }
                Some(Input::Line(line)) if trusted => self.execute(front, &line),
                Some(Input::Line(line)) if self.login(front, &line) => trusted = true,
                _ => return,
            }
        }
    }

    fn login(&self, front: &Front, given: &str) -> bool {
        let right = front
            .password
            .as_ref()
            .is_none_or(|password| same_secret(given.as_bytes(), password.as_bytes()));
        if !right {
            front.log(&format!("error: {} gave a wrong password", self.peer));
            thread::sleep(PENALTY);
            self.write(b"Wrong password\n");
        }
        right
    }

    fn execute(&self, front: &Arc<Front>, line: &str) {
        let Some(name) = words(line).next() else {
            return;
        };
        let Some(node) = front.node.upgrade() else {
            return self.shut();
        };
        let stop = || front.stopped() || self.broken();
        let answer = match Command::parse(line) {
            Err(error) => Err(error.to_string()).into(),
            Ok(Some(command)) => commands::run(&node, command, stop).into(),
            Ok(None) => {
                let victim = commands::victim(&node, line);
                match self.ask(front, &node, name, line) {
                    Ok(answer) => {
                        if let Some(victim) = victim {
                            victim.end_loop();
                        }
                        answer
                    }
                    Err(Silence::Closed) => return,
                    Err(silence) => self.without_service(&node, front, line, silence),
                }
            }
        };
        let end: &[u8] = if answer.ok {
            b"<CMD OK>\n"
        } else {
            b"<CMD Error>\n"
        };
        self.write(&[&answer.text, end].concat());
    }

    /// The connection has failed, in contrast to a peer that has only finished typing.
    fn broken(&self) -> bool {
        self.state()
            .ended
            .as_ref()
            .is_some_and(|fault| !fault.is_empty())
    }

    /// The answer to a command that the service was to give.
    fn without_service(
        &self,
        node: &Arc<Node>,
        front: &Front,
        line: &str,
        silence: Silence,
    ) -> Answer {
        if let Some(answer) = commands::without_service(node, front.owner, line) {
            return answer.into();
        }
        let text = match silence {
            Silence::Stuck(time) => format!(
                "No worker is free: all of them have been handling one message each for {:.0} s or longer. \
                 The command waits for one, and is carried out then. Try top, calls, stack, profile, signal, list, kill",
                time.as_secs_f64()
            ),
            Silence::Late(limit) => format!("No answer for {:.0} s", limit.as_secs_f64()),
            Silence::Closed => String::new(),
        };
        Err(text).into()
    }

    /// Has the Lua service run a command. What it writes meanwhile is written, and what is typed meanwhile goes to it if the
    /// command is a conversation.
    fn ask(
        &self,
        front: &Front,
        node: &Arc<Node>,
        name: &str,
        line: &str,
    ) -> Result<Answer, Silence> {
        let interactive = name == "debug";
        let (run, limit) = (front.number(), limit(line));
        self.state().output.clear();
        let asked = self.converse_with_service(front, node, run, limit, interactive, line);
        if interactive && asked.is_err() {
            self.tell(front, node, &["close".into(), run_id(run)]);
        }
        asked
    }

    fn converse_with_service(
        &self,
        front: &Front,
        node: &Arc<Node>,
        run: u64,
        limit: Option<Duration>,
        interactive: bool,
        line: &str,
    ) -> Result<Answer, Silence> {
        self.tell(front, node, &["run".into(), run_id(run), line.into()]);
        let began = Instant::now();
        let mut closed = false;
        loop {
            let mut state = self.state();
            while let Some(output) = state.output.pop_front() {
                drop(state);
                match output {
                    Output::Text(text) => self.write(&text),
                    Output::Done(which, answer) if which == run => return Ok(answer),
                    // Of a command that was given up.
                    Output::Done(..) => {}
                }
                state = self.state();
            }
            if interactive && let Some(input) = state.inputs.pop_front() {
                drop(state);
                self.changed.notify_all();
                let (Input::Line(text) | Input::Http { command: text, .. }) = input;
                self.tell(front, node, &["input".into(), run_id(run), text.into()]);
                continue;
            }
            if state.ended.is_some() && interactive && !closed {
                closed = true;
                drop(state);
                self.tell(front, node, &["close".into(), run_id(run)]);
                continue;
            }
            let broken = state.ended.as_ref().is_some_and(|fault| !fault.is_empty());
            if front.stopped() || broken && !interactive {
                return Err(Silence::Closed);
            }
            drop(
                self.changed
                    .wait_timeout(state, LOOK)
                    .unwrap_or_else(PoisonError::into_inner),
            );
            let stuck = node.stuck();
            if stuck > STUCK {
                return Err(Silence::Stuck(stuck));
            }
            match limit {
                Some(limit) if began.elapsed() > limit => return Err(Silence::Late(limit)),
                _ => {}
            }
        }
    }

    /// A message to the Lua service.
    fn tell(&self, front: &Front, node: &Node, values: &[Value]) {
        let mut all = vec![Value::from(self.id as i64)];
        all.extend_from_slice(values);
        if let Ok(bytes) = skynet_wire::seri::pack(&all) {
            // If it has gone, so will this connection.
            let _ = node.send(
                front.owner,
                front.owner,
                kind::SYSTEM,
                0,
                Payload::from_slice(&bytes),
            );
        }
    }
}

fn run_id(run: u64) -> Value {
    Value::from(run as i64)
}

/// How long the service may take for a command.
fn limit(line: &str) -> Option<Duration> {
    let mut words = words(line);
    match words.next()? {
        "debug" => None,
        "list" | "kill" | "help" => Some(SHORT),
        "stat" | "mem" | "gc" => {
            // Centiseconds that the launcher waits for services; none: for ever.
            let wait = words.next().map_or(300.0, |ti| ti.parse().unwrap_or(300.0));
            (wait > 0.0).then(|| Duration::from_secs_f64(f64::min(wait / 100.0, 1e6)) + SHORT)
        }
        _ => Some(LONG),
    }
}
