//! The conversation on one connection of a console.
//!
//! Two threads: one reads, the other runs commands, one after another, and writes. They and the Lua service meet in
//! `State`, which holds what has been typed and what the service has to say.
//!
//! What a peer can make the console keep is bounded: a line and a request ([`Reader`]), the lines that wait
//! ([`WAITING`], [`WAITING_BYTES`]), the time for one line ([`SLOW`]), and what a service writes to a peer that does
//! not read ([`UNREAD`]).

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use skynet_kernel::{Node, Payload, kind, lock, text};
use skynet_wire::console::{Command, Input, Reader, same_secret, shown, words};
use skynet_wire::seri::Value;

use super::front::{Front, spawn};
use super::{commands, prepare};

/// Lines that may wait while a command runs.
const WAITING: usize = 64;
/// Their bytes.
const WAITING_BYTES: usize = 64 << 10;
/// How long a line, or a request, may be on its way.
const SLOW: Duration = Duration::from_secs(60);
/// Bytes that a service may have written and that the peer has not read yet.
const UNREAD: usize = 1 << 20;
/// Bytes of a command that the log shows.
const LOGGED: usize = 500;
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
pub(super) const PENALTY: Duration = Duration::from_secs(1);

const WELCOME: &[u8] = b"Welcome to skynet console\n";

/// One connection.
pub(super) struct Connection {
    pub(super) id: u64,
    peer: SocketAddr,
    stream: TcpStream,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    inputs: VecDeque<Input>,
    /// The bytes of `inputs`.
    bytes: usize,
    /// Nothing more will be typed; the text says why if that is a fault.
    ended: Option<String>,
    output: VecDeque<Output>,
    /// The bytes of `output`.
    unread: usize,
    seat: Seat,
}

/// What decides who has to leave when there are too many connections.
#[derive(Clone, Copy)]
pub(super) struct Seat {
    /// It has given the password, or a command that there is.
    pub(super) known: bool,
    /// A command runs.
    pub(super) busy: bool,
    /// It has to leave already.
    pub(super) leaving: bool,
    /// When it last began or ended something.
    pub(super) since: Instant,
    /// Where it comes from.
    pub(super) ip: IpAddr,
}

fn size(input: &Input) -> usize {
    let (Input::Line(text) | Input::Http { command: text, .. }) = input;
    text.len()
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
            text: text::to_bytes(&text).into_owned(),
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

impl State {
    fn next(&mut self) -> Option<Input> {
        let input = self.inputs.pop_front()?;
        self.bytes -= size(&input);
        Some(input)
    }
}

impl Connection {
    pub(super) fn new(id: u64, stream: TcpStream, peer: SocketAddr) -> Connection {
        let seat = Seat {
            known: false,
            busy: false,
            leaving: false,
            since: Instant::now(),
            ip: peer.ip(),
        };
        Connection {
            id,
            peer,
            stream,
            state: Mutex::new(State {
                inputs: VecDeque::new(),
                bytes: 0,
                ended: None,
                output: VecDeque::new(),
                unread: 0,
                seat,
            }),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
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

    pub(super) fn seat(&self) -> Seat {
        self.state().seat
    }

    /// Makes room for others. The connection's own thread tells the peer why, and leaves.
    pub(super) fn make_room(&self, why: &str) {
        self.change(|state| {
            state.seat.leaving = true;
            if state.ended.as_ref().is_none_or(String::is_empty) {
                state.ended = Some(why.to_owned());
            }
        });
        // Ends the thread that reads. It fails if the peer has closed the connection, which does no harm.
        let _ = self.stream.shutdown(Shutdown::Read);
    }

    /// The service writes something while a command of its runs. What a peer does not read is not kept without limit.
    pub(super) fn text(&self, text: Vec<u8>) {
        self.change(|state| {
            let before = state.unread;
            state.unread = before.saturating_add(text.len());
            if state.unread <= UNREAD {
                state.output.push_back(Output::Text(text));
            } else if before <= UNREAD {
                let note = b"\n... (output was dropped, since it was not read)\n";
                state.output.push_back(Output::Text(note.to_vec()));
            }
        });
    }

    /// The service answers the command `run`.
    pub(super) fn done(&self, run: u64, answer: Answer) {
        self.change(|state| state.output.push_back(Output::Done(run, answer)));
    }

    // ---- reading

    fn read(&self) {
        let mut reader = Reader::default();
        let mut chunk = [0; 4096];
        // When the line that is on its way has begun.
        let mut began = None;
        let fault = loop {
            let left = began.map(|at: Instant| SLOW.saturating_sub(at.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                let limit = SLOW.as_secs();
                break format!("too slow: a line, or a request, has to come within {limit} s");
            }
            // It fails for a time of zero only.
            let _ = self.stream.set_read_timeout(left);
            match (&self.stream).read(&mut chunk) {
                Ok(0) => {
                    reader.finish();
                    break self.take(&mut reader).err().unwrap_or_default();
                }
                Ok(length) => reader.push(&chunk[..length]),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        continue;
                    }
                    _ => break error.to_string(),
                },
            }
            match self.take(&mut reader) {
                Err(fault) => break fault,
                Ok(0) if reader.incomplete() => began = began.or_else(|| Some(Instant::now())),
                Ok(_) => began = reader.incomplete().then(Instant::now),
            }
        };
        self.change(|state| {
            state.ended.get_or_insert(fault);
        });
    }

    /// Hands over what has been typed, as soon as there is room for it. How many inputs that were.
    fn take(&self, reader: &mut Reader) -> Result<usize, String> {
        let mut count = 0;
        while let Some(input) = reader.read().map_err(|error| error.to_string())? {
            let mut state = self.state();
            let full = |state: &State| {
                let bytes = state.bytes + size(&input);
                state.inputs.len() >= WAITING || state.bytes > 0 && bytes > WAITING_BYTES
            };
            while full(&state) && state.ended.is_none() {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            state.bytes += size(&input);
            state.inputs.push_back(input);
            drop(state);
            self.changed.notify_all();
            count += 1;
        }
        Ok(count)
    }

    /// The next input; none at the end, or after `limit`.
    fn input(&self, front: &Front, limit: Option<Duration>) -> Option<Input> {
        let end = limit.map(|limit| Instant::now() + limit);
        let mut state = self.state();
        loop {
            if !state.seat.leaving
                && let Some(input) = state.next()
            {
                drop(state);
                self.changed.notify_all();
                return Some(input);
            }
            if let Some(fault) = &mut state.ended {
                let fault = std::mem::take(fault);
                drop(state);
                if !fault.is_empty() {
                    front.note(&format!("console {}: {fault}", self.peer));
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
        front.note(&format!("{} connected", self.peer));
        let reading = Arc::clone(self);
        if spawn("console", move || reading.read()).is_ok() {
            self.write(WELCOME);
            self.converse(front);
        }
        front.note(&format!("{} disconnect", self.peer));
    }

    fn converse(&self, front: &Arc<Front>) {
        let mut trusted = front.password.is_none();
        if !trusted {
            self.write(b"Password: ");
        }
        while !front.stopped() {
            let limit = (!trusted).then_some(LOGIN);
            match self.input(front, limit) {
                Some(Input::Http { command, token }) => {
                    if trusted || self.login(front, token.as_deref().unwrap_or_default()) {
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

    /// Compares a password. A wrong one costs a second; so does any that comes within a second after a wrong one,
    /// before it is compared. Who has to leave meanwhile learns nothing.
    fn login(&self, front: &Front, given: &[u8]) -> bool {
        let Some(password) = &front.password else {
            return true;
        };
        if front.wrong_lately() && !self.pause() {
            return false;
        }
        if same_secret(given, password) {
            self.known(front);
            return true;
        }
        front.wrong();
        front.note(&format!("error: {} gave a wrong password", self.peer));
        if self.pause() {
            self.write(b"Wrong password\n");
        }
        false
    }

    /// Waits for [`PENALTY`]; false if the connection has to leave before.
    fn pause(&self) -> bool {
        let end = Instant::now() + PENALTY;
        let mut state = self.state();
        while !state.seat.leaving {
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                return true;
            };
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        false
    }

    /// From now on it is somebody who may be here.
    fn known(&self, front: &Front) {
        let known = std::mem::replace(&mut self.state().seat.known, true);
        if !known {
            front.limit_known(self.id);
        }
    }

    fn busy(&self, busy: bool) {
        let seat = &mut self.state().seat;
        (seat.busy, seat.since) = (busy, Instant::now());
    }

    fn execute(&self, front: &Arc<Front>, line: &[u8]) {
        let Some(name) = words(line).next() else {
            return;
        };
        let what = format!("console {}: {}", self.peer, shown(line, LOGGED));
        if !front.is_command(name) {
            front.note(&what);
            let text = "Invalid command, type help for command list\n\n<CMD Error>\n";
            return self.write(text.as_bytes());
        }
        front.log(&what);
        self.known(front);
        // A debugger mostly waits for what is typed.
        self.busy(name != b"debug");
        self.run(front, name, line);
        self.busy(false);
    }

    fn run(&self, front: &Arc<Front>, name: &[u8], line: &[u8]) {
        let Some(node) = front.node.upgrade() else {
            return self.shut();
        };
        let stop = || front.stopped() || self.broken();
        let answer = match Command::parse(line) {
            Err(error) => Err(error.to_string()).into(),
            Ok(Some(command)) => commands::run(&node, command, stop).into(),
            Ok(None) => match self.ask(front, &node, name, line) {
                Ok(answer) => answer,
                Err(Silence::Closed) => return,
                Err(silence) => self.without_service(&node, front, line, silence),
            },
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
        line: &[u8],
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

    /// Has the Lua service run a command. What it writes meanwhile is written, and what is typed meanwhile goes to it
    /// if the command is a conversation.
    fn ask(
        &self,
        front: &Front,
        node: &Arc<Node>,
        name: &[u8],
        line: &[u8],
    ) -> Result<Answer, Silence> {
        let interactive = name == b"debug";
        let (run, limit) = (front.number(), limit(line));
        {
            let mut state = self.state();
            state.output.clear();
            state.unread = 0;
        }
        let asked = self.converse_with_service(front, node, run, limit, interactive, line);
        match &asked {
            Ok(_) | Err(Silence::Stuck(_)) => {}
            Err(_) if interactive => self.tell(front, node, &["close".into(), run_id(run)]),
            // Nothing waits for the answer any more, so nothing is to be kept for it.
            Err(_) => self.tell(front, node, &["forget".into(), run_id(run)]),
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
        line: &[u8],
    ) -> Result<Answer, Silence> {
        let mut values = vec!["run".into(), run_id(run), Value::Bytes(line.to_vec())];
        values.extend(prepare::of_command(line));
        self.tell(front, node, &values);
        let began = Instant::now();
        let mut closed = false;
        loop {
            let mut state = self.state();
            while let Some(output) = state.output.pop_front() {
                if let Output::Text(text) = &output {
                    state.unread = state.unread.saturating_sub(text.len());
                }
                if state.output.is_empty() {
                    state.unread = 0;
                }
                drop(state);
                match output {
                    Output::Text(text) => self.write(&text),
                    Output::Done(which, answer) if which == run => return Ok(answer),
                    // An answer to a command that was given up.
                    Output::Done(..) => {}
                }
                state = self.state();
            }
            if interactive && let Some(input) = state.next() {
                state.seat.since = Instant::now();
                drop(state);
                self.changed.notify_all();
                let (Input::Line(text) | Input::Http { command: text, .. }) = input;
                let logged = shown(&text, LOGGED);
                front.log(&format!("console {}: (debug) {logged}", self.peer));
                self.tell(
                    front,
                    node,
                    &["input".into(), run_id(run), Value::Bytes(text)],
                );
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
            // If the owner has ended, this connection ends soon.
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
fn limit(line: &[u8]) -> Option<Duration> {
    let mut words = words(line);
    match words.next()? {
        b"debug" => None,
        b"list" | b"kill" | b"help" => Some(SHORT),
        b"stat" | b"mem" | b"gc" => {
            // Centiseconds that the launcher waits for services; none: for ever.
            let wait = words.next().map_or(300.0, |ti| {
                let ti = std::str::from_utf8(ti).ok();
                ti.and_then(|ti| ti.parse().ok()).unwrap_or(300.0)
            });
            (wait > 0.0).then(|| Duration::from_secs_f64(f64::min(wait / 100.0, 1e6)) + SHORT)
        }
        _ => Some(LONG),
    }
}
