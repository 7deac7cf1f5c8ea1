//! Clients of a node: connections in one thread of this process, which ask and measure.
//!
//! [`Run::measure`] asks whatever answers frames. It finds out how many messages a second there can be with one
//! outstanding on each busy connection (the rate of the workload), and then how long a message takes in an open loop
//! ([`crate::pace`]) at each of [`LOADS`], parts of that rate: percentiles (`at50_p99_us`), how late messages were sent
//! (`at50_late99_us`, likewise), how much of what was offered was answered in time (`at50_kept_pct`: less than 100
//! means that a queue grew), and how busy the whole machine was, with its other processes (`at50_busy_pct`).
//!
//! [`Run::measure_gate`] has more idle clients than busy ones, and adds, in this order,
//! 1. memory of the node for each connection, before,
//! 2. how long it takes until everybody in a room of all busy clients has heard what one of them said,
//! 3. processor time and context switches of the node with all clients connected and silent.
//!
//! A frame is two bytes of length and [`SIZE`] bytes: a letter (`bench_gate.lua` says which), eight bytes that come
//! back as they are, and padding.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::pace::{Alarm, Schedule};
use crate::proc;

/// Bytes of a message.
const SIZE: usize = 64;
/// Loads at which messages are timed, in percent of the rate that there can be.
pub const LOADS: [u32; 3] = [25, 50, 75];
/// A message that is due so soon is not slept for.
const SOON: Duration = Duration::from_micros(3);
/// Messages that are sent before the answers are looked at, however many are due.
const BURST: u64 = 16;
/// The alarm among the tokens, which are the clients' numbers.
const ALARM: Token = Token(usize::MAX);
/// Connections that are opened before their first answers are waited for.
const BATCH: usize = 64;
/// Broadcasts that are timed.
const SAYINGS: usize = 20;

/// How many clients there are.
#[derive(Clone, Copy)]
pub struct Crowd {
    /// Clients that say nothing.
    pub idle: usize,
    /// Clients that do.
    pub busy: usize,
}

impl Crowd {
    /// All of them.
    pub fn len(self) -> usize {
        self.idle + self.busy
    }
}

/// What goes in, and into which memory a node's process is to be looked at.
pub struct Run {
    /// How many clients.
    pub crowd: Crowd,
    /// Messages of the second step.
    pub messages: u64,
    /// How long the last step lasts.
    pub idle: Duration,
    /// The node's process.
    pub pid: u32,
    /// Its port.
    pub port: u16,
    /// When to give up.
    pub deadline: Instant,
}

/// Raises the limit of descriptors of this process, and so of those that it starts, as far as it may.
pub fn raise_limit() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of descriptors")
}

impl Run {
    /// Times messages, and returns the figures.
    pub fn measure(&self) -> anyhow::Result<Vec<(String, f64)>> {
        Clients::connect(self)?.time(self.messages)
    }

    /// The same for a gate, with what else there is to know about one.
    pub fn measure_gate(&self) -> anyhow::Result<Vec<(String, f64)>> {
        let before = proc::rss_kb(self.pid)?;
        let mut clients = Clients::connect(self)?;
        let bytes = (proc::rss_kb(self.pid)?.saturating_sub(before) * 1024) as f64;
        let mut metrics = clients.time(self.messages)?;
        let mut sayings = clients.broadcast()?;
        metrics.insert(1, ("conn_bytes".into(), bytes / self.crowd.len() as f64));
        let median = quantile(&mut sayings, 0.5) as f64;
        metrics.push(("broadcast_us".into(), median / 1e3));
        std::thread::sleep(Duration::from_secs(1).min(self.idle));
        let before = proc::usage(self.pid)?;
        std::thread::sleep(self.idle);
        let after = proc::usage(self.pid)?;
        let cpu = after.cpu.saturating_sub(before.cpu);
        metrics.push(("idle_ms".into(), cpu.as_secs_f64() * 1e3));
        let switches = after.switches.saturating_sub(before.switches);
        metrics.push(("idle_switches".into(), switches as f64));
        Ok(metrics)
    }
}

/// The value that this part of all values does not exceed.
fn quantile(values: &mut [u64], part: f64) -> u64 {
    values.sort_unstable();
    let index = (values.len() as f64 * part).ceil() as usize;
    values.get(index.saturating_sub(1)).copied().unwrap_or(0)
}

/// One connection.
struct Client {
    stream: TcpStream,
    /// The beginning of a frame.
    input: Vec<u8>,
}

struct Clients {
    poll: Poll,
    events: Events,
    alarm: Alarm,
    /// The busy ones first.
    all: Vec<Client>,
    busy: usize,
    began: Instant,
    deadline: Instant,
}

impl Clients {
    fn connect(run: &Run) -> anyhow::Result<Clients> {
        let poll = Poll::new()?;
        let mut clients = Clients {
            alarm: Alarm::new(poll.registry(), ALARM)?,
            poll,
            events: Events::with_capacity(1024),
            all: Vec::with_capacity(run.crowd.len()),
            busy: run.crowd.busy,
            began: Instant::now(),
            deadline: run.deadline,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], run.port));
        while clients.all.len() < run.crowd.len() {
            let first = clients.all.len();
            let last = run.crowd.len().min(first + BATCH);
            for index in first..last {
                let stream = std::net::TcpStream::connect(address)
                    .with_context(|| format!("client {index} cannot connect"))?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let mut stream = TcpStream::from_std(stream);
                let registry = clients.poll.registry();
                registry.register(&mut stream, Token(index), Interest::READABLE)?;
                let input = Vec::new();
                clients.all.push(Client { stream, input });
                // An answer tells that the gate, and an agent, know it.
                clients.send(index, if index < clients.busy { b'j' } else { b'e' }, 0)?;
            }
            let mut left = last - first;
            clients.until(|_, _, _, _| {
                left -= 1;
                Ok(left > 0)
            })?;
        }
        Ok(clients)
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn send(&mut self, index: usize, what: u8, number: u64) -> anyhow::Result<()> {
        let mut frame = [b'.'; 2 + SIZE];
        frame[..2].copy_from_slice(&(SIZE as u16).to_be_bytes());
        frame[2] = what;
        frame[3..11].copy_from_slice(&number.to_le_bytes());
        match self.all[index].stream.write(&frame) {
            Ok(n) if n == frame.len() => Ok(()),
            Ok(n) => bail!("client {index}: {n} bytes of a message were written"),
            Err(error) => Err(error).with_context(|| format!("client {index}")),
        }
    }

    /// Waits, for no longer than `patience`, and hands frames to `each`: client, letter, number. It ends when that
    /// returns false, which is what is returned.
    fn receive(
        &mut self,
        patience: Duration,
        each: &mut impl FnMut(&mut Clients, usize, u8, u64) -> anyhow::Result<bool>,
    ) -> anyhow::Result<bool> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(1));
        self.poll.poll(&mut events, Some(patience))?;
        let mut buffer = [0; 4096];
        let mut more = true;
        for event in events.iter().filter(|event| event.token() != ALARM) {
            let index = event.token().0;
            loop {
                let client = &mut self.all[index];
                let n = match client.stream.read(&mut buffer) {
                    Ok(0) => bail!("the node has closed client {index}"),
                    Ok(n) => n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error).with_context(|| format!("client {index}")),
                };
                client.input.extend_from_slice(&buffer[..n]);
                let mut input = std::mem::take(&mut client.input);
                let whole = input.len() / (2 + SIZE) * (2 + SIZE);
                for frame in input[..whole].chunks_exact(2 + SIZE) {
                    let mut number = [0; 8];
                    number.copy_from_slice(&frame[3..11]);
                    more &= each(self, index, frame[2], u64::from_le_bytes(number))?;
                }
                input.drain(..whole);
                self.all[index].input = input;
                if n < buffer.len() {
                    break;
                }
            }
        }
        self.events = events;
        Ok(more)
    }

    /// Receives until `each` returns false.
    fn until(
        &mut self,
        mut each: impl FnMut(&mut Clients, usize, u8, u64) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        while self.receive(Duration::from_secs(1), &mut each)? {
            if Instant::now() > self.deadline {
                bail!("the node did not answer in time");
            }
        }
        Ok(())
    }

    /// `n` messages, one outstanding on each busy connection; messages a second.
    fn closed_loop(&mut self, n: u64) -> anyhow::Result<f64> {
        let began = Instant::now();
        let (mut sent, mut got) = (0, 0);
        for index in 0..self.busy {
            self.send(index, b'e', 0)?;
            sent += 1;
        }
        let n = n.max(sent);
        self.until(|clients, index, _, _| {
            got += 1;
            if sent < n {
                sent += 1;
                clients.send(index, b'e', 0)?;
            }
            Ok(got < n)
        })?;
        Ok(n as f64 / began.elapsed().as_secs_f64())
    }

    /// The rate that there can be, and what a message takes at each of the loads, with so many messages at full load.
    fn time(&mut self, messages: u64) -> anyhow::Result<Vec<(String, f64)>> {
        let rate = self.closed_loop(messages)?;
        let mut metrics = vec![(String::new(), rate)];
        for load in LOADS {
            let part = f64::from(load) / 100.0;
            let n = (messages as f64 * part).ceil() as u64;
            let before = proc::machine()?;
            let began = Instant::now();
            let (mut times, mut late) = self.open_loop(rate * part, n)?;
            let offered = n as f64 / (rate * part);
            let kept = offered / began.elapsed().as_secs_f64();
            let busy = proc::machine()?.busy_since(&before);
            for (name, part) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
                let time = quantile(&mut times, part) as f64 / 1e3;
                metrics.push((format!("at{load}_{name}_us"), time));
            }
            for (name, part) in [("late50", 0.5), ("late99", 0.99)] {
                let time = quantile(&mut late, part) as f64 / 1e3;
                metrics.push((format!("at{load}_{name}_us"), time));
            }
            // The times are random, so that they may end a little early.
            metrics.push((format!("at{load}_kept_pct"), kept.min(1.0) * 100.0));
            metrics.push((format!("at{load}_busy_pct"), busy * 100.0));
        }
        Ok(metrics)
    }

    /// `n` messages at this rate: the time of each in nanoseconds, and how late each was sent, which is part of that.
    fn open_loop(&mut self, rate: f64, n: u64) -> anyhow::Result<(Vec<u64>, Vec<u64>)> {
        let mut times = Vec::with_capacity(n as usize);
        let mut late = Vec::with_capacity(n as usize);
        let mut schedule = Schedule::new(self.now(), rate);
        let mut sent = 0;
        while times.len() < n as usize {
            if Instant::now() > self.deadline {
                bail!("the node did not answer in time");
            }
            let mut now = self.now();
            let most = n.min(sent + BURST);
            while sent < most && schedule.due() <= now {
                self.send(sent as usize % self.busy, b'e', schedule.due())?;
                sent += 1;
                late.push(now - schedule.due());
                schedule.advance();
                now = self.now();
            }
            let left = match sent < n {
                true => Duration::from_nanos(schedule.due().saturating_sub(now)),
                false => Duration::from_secs(1),
            };
            let patience = if left > SOON {
                self.alarm.set(left)?;
                Duration::from_secs(1)
            } else {
                Duration::ZERO
            };
            self.receive(patience, &mut |clients, _, _, due| {
                times.push(clients.now().saturating_sub(due));
                Ok(true)
            })?;
        }
        Ok((times, late))
    }

    /// Until everybody has heard it: nanoseconds, of each of some broadcasts.
    fn broadcast(&mut self) -> anyhow::Result<Vec<u64>> {
        (0..SAYINGS)
            .map(|index| {
                let began = self.now();
                self.send(index % self.busy, b'b', index as u64)?;
                let mut left = self.busy;
                self.until(|_, client, what, number| {
                    if (what, number) != (b'b', index as u64) {
                        bail!("client {client} got something else");
                    }
                    left -= 1;
                    Ok(left > 0)
                })?;
                Ok(self.now() - began)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles() {
        let mut values: Vec<u64> = (1..=1000).rev().collect();
        for (part, value) in [(0.5, 500), (0.99, 990), (0.999, 999), (1.0, 1000)] {
            assert_eq!(quantile(&mut values, part), value);
        }
        assert_eq!(quantile(&mut [7], 0.999), 7);
        assert_eq!(quantile(&mut [], 0.5), 0);
    }
}
