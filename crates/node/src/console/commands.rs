//! Commands that look at the node from outside. None of them needs a worker.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use skynet_kernel::{Doing, Handle, Node, ServiceInfo, TaskReport, text};
use skynet_wire::console::{Address, Command, words};

/// How long one busy service may take to tell about itself.
const PATIENCE: Duration = Duration::from_millis(500);
/// The same when all services are asked.
const HASTE: Duration = Duration::from_millis(100);
/// Calls that are shown.
const MOST_CALLS: usize = 100;
/// Calls that are younger do not count as waiting in a ring: services that talk to each other do nothing else.
const RING_AGE_MS: u64 = 1000;

/// What a command gives: text, or why not.
type Outcome = Result<String, String>;

/// Runs a command. It ends early when `stop` says so.
pub(super) fn run(node: &Node, command: Command<'_>, stop: impl FnMut() -> bool) -> Outcome {
    match command {
        Command::Top { seconds, lines } => top(node, seconds, lines, stop),
        Command::Calls(seconds) => Ok(calls(node, seconds)),
        Command::Stack(address) => stack(node, resolve(node, address)?),
        Command::Profile {
            address,
            seconds,
            hertz,
        } => profile(node, resolve(node, address)?, seconds, hertz, stop),
        Command::Signal(address, number) => {
            let handle = resolve(node, address)?;
            match node.signal(handle, number) {
                true => Ok(String::new()),
                false => Err(format!("{handle} is not there, or does not listen")),
            }
        }
        _ => Err("Invalid command, type help for command list".to_owned()),
    }
}

fn resolve(node: &Node, address: Address<'_>) -> Result<Handle, String> {
    match address {
        Address::Name(name) => node
            .find_name(&text::from_bytes(name))
            .ok_or_else(|| "Not a valid name".to_owned()),
        Address::Handle(handle) => Ok(Handle(handle)),
        Address::Local(id) => Ok(Handle(id | u32::from(node.harbor()) << 24)),
    }
}

// ---- top

fn top(node: &Node, seconds: f64, lines: usize, mut stop: impl FnMut() -> bool) -> Outcome {
    let (before, began) = (snapshot(node), Instant::now());
    let end = began + Duration::from_secs_f64(seconds);
    while Instant::now() < end && !stop() {
        let left = end.saturating_duration_since(Instant::now());
        thread::sleep(left.min(Duration::from_millis(100)));
    }
    let after = node.services();
    let span = began.elapsed().as_secs_f64();
    let workers = node.workers();
    let busy: FxHashMap<Handle, Duration> = workers
        .iter()
        .filter(|worker| !worker.current.is_none())
        .map(|worker| (worker.current, worker.busy))
        .collect();

    let mut rows: Vec<(f64, f64, ServiceInfo)> = after
        .into_iter()
        .map(|info| {
            let (messages, cpu) = before.get(&info.handle).copied().unwrap_or_default();
            let share = (info.cpu_seconds - cpu).max(0.0) / span * 100.0;
            let rate = info.messages.saturating_sub(messages) as f64 / span;
            (share, rate, info)
        })
        .collect();
    let total = |f: fn(&(f64, f64, ServiceInfo)) -> f64| rows.iter().map(f).sum::<f64>();
    let memory: usize = rows.iter().filter_map(|row| row.2.memory).sum();
    let mut text = String::new();
    let parked = workers.iter().filter(|worker| worker.parked).count();
    let _ = writeln!(
        text,
        "{} services, {} of {} workers awake, {:.0} messages/s, cpu {:.1}%, {} waiting, {} of Lua memory",
        rows.len(),
        workers.len() - parked,
        workers.len(),
        total(|row| row.1),
        total(|row| row.0),
        total(|row| row.2.mqlen as f64),
        bytes(memory),
    );
    rows.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then(b.1.total_cmp(&a.1))
            .then(b.2.mqlen.cmp(&a.2.mqlen))
            .then(a.2.handle.cmp(&b.2.handle))
    });
    text.push_str("address      cpu%       msg/s    mqlen   memory   message  service\n");
    for (share, rate, info) in rows.into_iter().take(lines) {
        let share = match node.profile() {
            true => format!("{share:.1}"),
            false => "-".to_owned(),
        };
        let memory = info.memory.map_or_else(|| "-".to_owned(), bytes);
        let message = match busy.get(&info.handle) {
            Some(time) if *time >= Duration::from_millis(10) => age(time.as_millis() as u64),
            _ => "-".to_owned(),
        };
        let _ = writeln!(
            text,
            "{}  {share:>6}  {rate:>10.1}  {:>7}  {memory:>7}  {message:>8}  {}{}",
            info.handle,
            info.mqlen,
            info.description,
            if info.leaving { " (ended)" } else { "" }
        );
    }
    Ok(text)
}

/// Messages and seconds of each service.
fn snapshot(node: &Node) -> FxHashMap<Handle, (u64, f64)> {
    let services = node.services();
    services
        .into_iter()
        .map(|info| (info.handle, (info.messages, info.cpu_seconds)))
        .collect()
}

/// `1.2M`
fn bytes(n: usize) -> String {
    match n {
        0..1024 => n.to_string(),
        1024..0x10_0000 => format!("{:.1}K", n as f64 / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.1}M", n as f64 / f64::from(1 << 20)),
        _ => format!("{:.1}G", n as f64 / f64::from(1 << 30)),
    }
}

/// `1.2 s`
fn age(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1000.0)
}

// ---- calls

struct Call {
    age_ms: u64,
    from: Handle,
    to: Handle,
    session: i32,
}

fn calls(node: &Node, seconds: f64) -> String {
    let (mut calls, mut silent) = (Vec::new(), Vec::new());
    let mut names = FxHashMap::default();
    for info in node.services() {
        let handle = info.handle;
        names.insert(handle, info.description);
        match node.inspect(handle, false, HASTE) {
            Ok(report) => calls.extend(report.tasks.iter().filter_map(|task| call(handle, task))),
            Err(skynet_kernel::InspectError::Busy) => silent.push(handle),
            Err(_) => {}
        }
    }
    calls.sort_by_key(|call| (std::cmp::Reverse(call.age_ms), call.from, call.session));
    let mut text = String::new();
    let name = |handle: Handle| names.get(&handle).map_or("gone", String::as_str);
    let old = calls
        .iter()
        .filter(|call| call.age_ms as f64 >= seconds * 1000.0);
    let count = old.clone().count();
    for call in old.take(MOST_CALLS) {
        let _ = writeln!(
            text,
            "{:>10}  {} -> {}  session {}  {} -> {}",
            age(call.age_ms),
            call.from,
            call.to,
            call.session,
            name(call.from),
            name(call.to)
        );
    }
    if count > MOST_CALLS {
        let _ = writeln!(text, "... {} more", count - MOST_CALLS);
    }
    for handle in silent {
        let _ = writeln!(text, "no answer from {handle} ({})", name(handle));
    }
    for ring in rings(&calls) {
        let ring: Vec<String> = ring.iter().map(Handle::to_string).collect();
        let _ = writeln!(text, "ring: {}", ring.join(" -> "));
    }
    text
}

fn call(from: Handle, task: &TaskReport) -> Option<Call> {
    match task.doing {
        Doing::Call(to) => Some(Call {
            age_ms: task.age_ms.unwrap_or(0),
            from,
            to,
            session: task.session,
        }),
        _ => None,
    }
}

/// Services that wait for each other in a ring, by calls that are not quite young. Of rings with a service in common
/// only one is found. The first service stands at the end again.
fn rings(calls: &[Call]) -> Vec<Vec<Handle>> {
    let mut next: BTreeMap<Handle, Vec<Handle>> = BTreeMap::new();
    let mut pairs: Vec<_> = calls
        .iter()
        .filter(|call| call.age_ms >= RING_AGE_MS)
        .map(|call| (call.from, call.to))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    for (from, to) in pairs {
        next.entry(from).or_default().push(to);
    }
    let mut done = std::collections::BTreeSet::new();
    let mut rings = Vec::new();
    for &start in next.keys() {
        // A search in depth that keeps its path: a service that is met again closes a circle.
        let mut way: Vec<(Handle, usize)> = Vec::new();
        if done.insert(start) {
            way.push((start, 0));
        }
        while let Some((at, tried)) = way.last_mut() {
            let to = next.get(at).and_then(|to| to.get(*tried)).copied();
            *tried += 1;
            match to {
                None => {
                    way.pop();
                }
                Some(to) => {
                    if let Some(first) = way.iter().position(|(on, _)| *on == to) {
                        let mut ring: Vec<Handle> = way[first..].iter().map(|w| w.0).collect();
                        ring.push(to);
                        rings.push(ring);
                    } else if done.insert(to) {
                        way.push((to, 0));
                    }
                }
            }
        }
    }
    rings
}

// ---- stack

fn stack(node: &Node, handle: Handle) -> Outcome {
    let context = node.context(handle).ok_or("no such service")?;
    let report = node
        .inspect(handle, true, PATIENCE)
        .map_err(|error| error.to_string())?;
    let mut text = format!("{handle} {}\n", context.description());
    for (n, task) in report.tasks.iter().enumerate() {
        let _ = write!(text, "coroutine {}: {}", n + 1, what(node, handle, task));
        if let Some((source, session)) = task.request {
            let _ = match session {
                0 => write!(text, "; message of {source}"),
                _ => write!(text, "; request {session} of {source}"),
            };
        }
        text.push('\n');
        for line in &task.stack {
            let _ = writeln!(text, "    {line}");
        }
    }
    if report.tasks.is_empty() {
        text.push_str("no coroutine waits or runs\n");
    }
    Ok(text)
}

fn what(node: &Node, handle: Handle, task: &TaskReport) -> String {
    let waits = |what: &str| {
        let age = task.age_ms.map_or_else(String::new, age);
        format!("{what} for {age}, session {}", task.session)
    };
    match task.doing {
        Doing::Running => {
            let workers = node.workers();
            let busy = workers.iter().find(|worker| worker.current == handle);
            match busy {
                Some(worker) => format!("running for {}", age(worker.busy.as_millis() as u64)),
                None => "running".to_owned(),
            }
        }
        Doing::Ready => "about to run".to_owned(),
        Doing::Call(to) if to.is_none() => waits("in a call of an unknown name"),
        Doing::Call(to) => waits(&format!("in a call of {to}")),
        Doing::Remote => waits("waits for another node"),
        Doing::Sleep => waits("asleep"),
        Doing::Timer => waits("waits for its timer"),
        _ if task.session == 0 => "suspended".to_owned(),
        _ => waits("waits to be woken"),
    }
}

// ---- profile

fn profile(
    node: &Node,
    handle: Handle,
    seconds: f64,
    hertz: u32,
    stop: impl FnMut() -> bool,
) -> Outcome {
    let time = Duration::from_secs_f64(seconds);
    let profile = node
        .profile_service(handle, time, Duration::from_secs(1) / hertz, stop)
        .map_err(|error| match error {
            skynet_kernel::InspectError::Opaque => {
                "It cannot be profiled, or is being profiled".to_owned()
            }
            error => error.to_string(),
        })?;
    let mut text = String::new();
    let busy = profile.stacks.iter().map(|stack| stack.1).sum::<u64>() + profile.native;
    let _ = writeln!(
        text,
        "# {busy} samples at {hertz} Hz; at {} moments the service did not run",
        profile.idle
    );
    for (stack, count) in merged(profile.stacks) {
        let _ = writeln!(text, "{stack} {count}");
    }
    if profile.native > 0 {
        let _ = writeln!(text, "(runtime) {}", profile.native);
    }
    Ok(text)
}

/// A function is called by what its callers call it, `name (file:line)`, and by nothing but `(file:line)` where they
/// have no name for it. Here it gets its most frequent name everywhere.
fn merged(stacks: Vec<(String, u64)>) -> BTreeMap<String, u64> {
    // `(file:line)` of a frame that has one.
    let place = |frame: &str| frame.ends_with(')').then(|| frame.rfind('(')).flatten();
    let mut names: FxHashMap<String, FxHashMap<String, u64>> = FxHashMap::default();
    for (stack, count) in &stacks {
        for frame in stack.split(';') {
            if let Some(at) = place(frame).filter(|at| *at > 0) {
                let known = names.entry(frame[at..].to_owned()).or_default();
                *known.entry(frame.to_owned()).or_default() += count;
            }
        }
    }
    let mut best: FxHashMap<String, String> = FxHashMap::default();
    for (place, names) in names {
        let name = names
            .into_iter()
            .max_by_key(|(name, count)| (*count, name.clone()));
        best.extend(name.map(|(name, _)| (place, name)));
    }
    let mut merged = BTreeMap::new();
    for (stack, count) in stacks {
        let frames: Vec<&str> = stack
            .split(';')
            .map(|frame| {
                let name = place(frame).and_then(|at| best.get(&frame[at..]));
                name.map_or(frame, String::as_str)
            })
            .collect();
        *merged.entry(frames.join(";")).or_default() += count;
    }
    merged
}

// ---- when the Lua service does not answer

/// What can be told and done without it.
pub(super) fn without_service(node: &Node, by: Handle, line: &[u8]) -> Option<Outcome> {
    let mut words = words(line);
    let name = words.next()?;
    let note = format!("(from the kernel, since {by} does not answer)\n");
    let lua = |info: &ServiceInfo| info.module == "snlua";
    let list = |show: &dyn Fn(&ServiceInfo) -> String| {
        let services = node.services();
        let lines = services
            .iter()
            .filter(|info| lua(info))
            .map(|info| format!("{}\t{}\n", info.handle, show(info)));
        Ok(note.clone() + &lines.collect::<String>())
    };
    Some(match name {
        b"list" => list(&|info| info.description.clone()),
        b"mem" => list(&|info| {
            let kb = info.memory.unwrap_or(0) as f64 / 1024.0;
            format!("{kb:.2} Kb ({})", info.description)
        }),
        b"stat" => list(&|info| {
            format!(
                "cpu:{:.6}\tmessage:{}\tmqlen:{}",
                info.cpu_seconds, info.messages, info.mqlen
            )
        }),
        b"kill" => Address::parse(words.next())
            .map_err(|error| error.to_string())
            .and_then(|address| kill(node, by, resolve(node, address)?))
            .map(|line| note + &line),
        _ => return None,
    })
}

/// The loop that the service is in, if it is in one, ends too.
fn kill(node: &Node, by: Handle, handle: Handle) -> Outcome {
    let context = node.context(handle).ok_or("no such service")?;
    node.kill(by, handle);
    context.signal(0);
    Ok(format!("{handle}\t{}\n", context.description()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_get_one_name() {
        let stacks = [
            ("main chunk (a);(a:1);rep [C]", 2),
            ("main chunk (a);f (a:1);rep [C]", 3),
            ("main chunk (a);g (a:1);rep [C]", 1),
            ("(b:9)", 4),
            ("", 5),
        ];
        let merged = merged(
            stacks
                .map(|(stack, count)| (stack.to_owned(), count))
                .to_vec(),
        );
        let merged: Vec<_> = merged
            .iter()
            .map(|(stack, count)| (stack.as_str(), *count))
            .collect();
        assert_eq!(
            merged,
            [("", 5), ("(b:9)", 4), ("main chunk (a);f (a:1);rep [C]", 6)]
        );
    }

    #[test]
    fn rings_are_found_once() {
        let call = |from, to, age_ms| Call {
            age_ms,
            from: Handle(from),
            to: Handle(to),
            session: 1,
        };
        let found = |calls: &[Call]| -> Vec<Vec<u32>> {
            let rings = rings(calls);
            rings
                .iter()
                .map(|ring| ring.iter().map(|handle| handle.0).collect())
                .collect()
        };
        assert_eq!(found(&[]), Vec::<Vec<u32>>::new());
        assert_eq!(
            found(&[call(1, 2, 5000), call(2, 3, 5000)]),
            Vec::<Vec<u32>>::new()
        );
        let twice = [
            call(1, 2, 5000),
            call(1, 2, 5000),
            call(2, 1, 5000),
            call(2, 1, 5000),
        ];
        assert_eq!(found(&twice), [vec![1, 2, 1]]);
        let ring = [
            call(5, 1, 9000),
            call(1, 2, 5000),
            call(2, 3, 2000),
            call(3, 1, 5000),
        ];
        assert_eq!(found(&ring), [vec![1, 2, 3, 1]]);
        assert_eq!(
            found(&[call(1, 2, 5000), call(2, 1, 500)]),
            Vec::<Vec<u32>>::new()
        );
        assert_eq!(found(&[call(4, 4, 5000)]), [vec![4, 4]]);
        let two = [
            call(1, 2, 5000),
            call(2, 1, 5000),
            call(3, 4, 5000),
            call(4, 3, 5000),
        ];
        assert_eq!(found(&two), [vec![1, 2, 1], vec![3, 4, 3]]);
    }
}
