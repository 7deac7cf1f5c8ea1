//! What a Lua service tells about itself: the state and the stack of each of its coroutines.
//!
//! This runs between the turns of the service, on a thread of the debug console, or inside a hook, in the middle of its
//! Lua code. So it only reads: the dispatcher's tables, and stacks by those functions of the C API that neither
//! allocate nor raise. (That is why C functions are called by what their callers call them: looking for a better name
//! would make strings.)

use std::ffi::{CStr, c_char, c_int};
use std::fmt::Write;

use mlua_sys::lua55 as ffi;
use skynet_kernel::{Doing, Handle, Report, TaskReport};

use super::sessions::{Kind, Pending};
use super::tasks::{State, Task};
use super::{Svc, Tables};
use skynet_vm::lua::Lua;

/// Functions of one stack that are shown: so many innermost ones, and so many outermost ones.
const INNER: c_int = 40;
const OUTER: c_int = 20;

/// A function on a stack.
struct Frame {
    ar: ffi::lua_Debug,
}

impl Frame {
    /// The function at `level`, the innermost being 0.
    fn at(l: Lua, level: c_int) -> Option<Frame> {
        // SAFETY: plain data, filled in by `lua_getstack` before `lua_getinfo` reads it; the texts belong to the
        // functions, which are on the stack.
        unsafe {
            let mut ar: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(l.0, level, &mut ar) == 0
                || ffi::lua_getinfo(l.0, c"Sln".as_ptr(), &mut ar) == 0
            {
                return None;
            }
            Some(Frame { ar })
        }
    }

    fn is(&self, what: &[u8]) -> bool {
        text(self.ar.what).as_bytes() == what
    }

    fn source(&self) -> String {
        text(self.ar.short_src.as_ptr())
    }

    /// What its caller calls it, with the kind of that name: `field 'call'`.
    fn called(&self) -> Option<(String, String)> {
        let kind = text(self.ar.namewhat);
        (!kind.is_empty() && !self.ar.name.is_null()).then(|| (kind, text(self.ar.name)))
    }

    /// As a line of a traceback.
    fn line(&self) -> String {
        let place = match self.ar.currentline {
            line if line > 0 => format!("{}:{line}:", self.source()),
            _ => format!("{}:", self.source()),
        };
        let what = match self.called() {
            _ if self.is(b"main") => "main chunk".to_owned(),
            Some((kind, name)) => format!("{kind} '{name}'"),
            None if self.is(b"C") => "?".to_owned(),
            None => format!("function <{}:{}>", self.source(), self.ar.linedefined),
        };
        format!("{place} in {what}")
    }

    /// Appends it as a name in a folded stack; nothing for a function of the runtime that Lua code knows nothing of.
    /// Without any other allocation, since this is done for every function on the stack at each sample.
    fn fold(&self, stack: &mut String) {
        let native = piece(self.ar.what) == "C";
        let name = match piece(self.ar.namewhat) {
            "" => "",
            _ => piece(self.ar.name),
        };
        if native && name.is_empty() {
            return;
        }
        if !stack.is_empty() {
            stack.push(';');
        }
        let from = stack.len();
        let source = piece(self.ar.short_src.as_ptr());
        // Writing to a string does not fail.
        let _ = match name {
            _ if piece(self.ar.what) == "main" => write!(stack, "main chunk ({source})"),
            name if native => write!(stack, "{name} [C]"),
            // Lua calls it so if the key was a variable.
            "" | "?" => write!(stack, "({source}:{})", self.ar.linedefined),
            name => write!(stack, "{name} ({source}:{})", self.ar.linedefined),
        };
        if stack[from..].contains([';', '\n']) {
            let clean = stack[from..].replace([';', '\n'], ",");
            stack.truncate(from);
            stack.push_str(&clean);
        }
    }
}

/// A text of the C API, as long as the function is on the stack.
fn piece<'a>(at: *const c_char) -> &'a str {
    if at.is_null() {
        return "";
    }
    // SAFETY: as in `text`; the callers drop it before the function can leave the stack.
    unsafe { CStr::from_ptr(at) }.to_str().unwrap_or("?")
}

/// A text of the C API.
fn text(at: *const c_char) -> String {
    if at.is_null() {
        return String::new();
    }
    // SAFETY: the debug interface gives strings that end in a zero byte.
    unsafe { CStr::from_ptr(at) }.to_string_lossy().into_owned()
}

/// Number of functions on the stack.
fn depth(l: Lua) -> c_int {
    let exists = |level| {
        // SAFETY: `ar` is an out-parameter, plain data.
        unsafe {
            let mut ar: ffi::lua_Debug = std::mem::zeroed();
            ffi::lua_getstack(l.0, level, &mut ar) != 0
        }
    };
    let (mut low, mut high) = (0, 1);
    while exists(high - 1) {
        (low, high) = (high, high * 2);
    }
    // Levels below `low` exist, `high - 1` does not.
    while low + 1 < high {
        let middle = (low + high) / 2;
        if exists(middle - 1) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The stack of a thread, innermost function first.
fn stack(l: Lua) -> Vec<String> {
    let depth = depth(l);
    let mut lines = Vec::new();
    let mut level = 0;
    while level < depth {
        if level == INNER && depth > INNER + OUTER {
            lines.push(format!("... ({} levels)", depth - INNER - OUTER));
            level = depth - OUTER;
        }
        lines.extend(Frame::at(l, level).map(|frame| frame.line()));
        level += 1;
    }
    lines
}

/// The stack of a thread, outermost function first, in one line. Of a very deep one the innermost part.
pub(super) fn folded(l: Lua) -> String {
    let mut stack = String::with_capacity(256);
    for level in (0..depth(l).min(INNER + OUTER)).rev() {
        if let Some(frame) = Frame::at(l, level) {
            frame.fold(&mut stack);
        }
    }
    stack
}

impl Svc {
    /// All coroutines in use. `running` is the Lua thread that runs now, if one does.
    pub(super) fn inspect(&self, running: Option<Lua>, stacks: bool) -> Report {
        let now = self.cx.stamp();
        let stack = |l: Lua| if stacks { stack(l) } else { Vec::new() };
        self.with(|t| {
            let mut tasks: Vec<TaskReport> = Vec::new();
            for (_, task) in t.tasks.busy() {
                let waiting = t.sessions.get(task.waiting).copied();
                let mut lines = stack(task.lua);
                let mut doing = match task.state {
                    State::Running => Doing::Running,
                    State::Ready | State::Idle => Doing::Ready,
                    State::Waiting => waiting.map_or(Doing::Wait, |p| self.doing(t, &p)),
                };
                if task.state == State::Running {
                    match running {
                        Some(inner) if inner != task.lua && stacks => {
                            let mut whole = stack(inner);
                            whole.push("resumed by".to_owned());
                            whole.append(&mut lines);
                            lines = whole;
                        }
                        Some(_) => {}
                        None => doing = Doing::Ready,
                    }
                }
                tasks.push(TaskReport {
                    doing,
                    session: task.waiting,
                    age_ms: waiting.map(|p| p.since().age_ms(now)),
                    request: request(task),
                    stack: lines,
                });
            }
            let outside = tasks.iter().all(|task| task.doing != Doing::Running);
            if let Some(l) = running.filter(|_| outside) {
                // The main chunk, a callback, or a function for an answer.
                tasks.push(TaskReport {
                    doing: Doing::Running,
                    session: 0,
                    age_ms: None,
                    request: None,
                    stack: stack(l),
                });
            }
            // Requests of `skynet.request`, whose answers no coroutine waits for.
            let handlers = t.sessions.iter().filter(|p| p.kind() == Kind::Handler);
            tasks.extend(handlers.map(|p| TaskReport {
                doing: self.doing(t, p),
                session: p.session,
                age_ms: Some(p.since().age_ms(now)),
                request: None,
                stack: Vec::new(),
            }));
            Report { tasks }
        })
    }

    fn doing(&self, t: &Tables, p: &Pending) -> Doing {
        match p.kind() {
            Kind::Call | Kind::Handler => Doing::Call(match p.callee {
                0 => {
                    let name = t.callee_names.get(&p.session);
                    let name = name.and_then(|n| std::str::from_utf8(n).ok());
                    name.and_then(|n| self.cx.node().resolve(n))
                        .unwrap_or(Handle::NONE)
                }
                callee => Handle(callee),
            }),
            Kind::Sleep | Kind::WokenEarly => Doing::Sleep,
            Kind::Timer | Kind::Function => Doing::Timer,
            Kind::Wait | Kind::DroppedCall | Kind::DroppedTimer | Kind::Notices => Doing::Wait,
        }
    }
}

/// The request that a task works on.
fn request(task: &Task) -> Option<(Handle, i32)> {
    Some((task.source?, task.request?))
}
