//! Text commands: how services ask the runtime for things, `command` plus parameter in, text or
//! nothing out.
//!
//! [`Command::parse`] reads what was typed, without looking at any node; [`Command::run`] does it
//! in the name of a service. An address is `:hex` or `.name`.
//!
//! | command | parameter | result |
//! |---|---|---|
//! | `TIMEOUT` | centiseconds | session of the RESPONSE that will come |
//! | `REG` | nothing, or `.name` | own handle, or the name without dot |
//! | `QUERY` | `.name` | handle |
//! | `NAME` | `.name :hex` | the name without dot |
//! | `EXIT`, `ABORT` | | |
//! | `KILL`, `LOGON`, `LOGOFF` | address | |
//! | `LAUNCH` | `module args` | handle as `:%08X` |
//! | `GETENV`, `SETENV` | `key`, `key value` | value |
//! | `STARTTIME` | | UTC seconds |
//! | `MONITOR` | nothing, or address | handle of the exit monitor |
//! | `STAT` | `mqlen`, `mqage`, `endless`, `cpu`, `time`, `message` | number; empty for anything else |
//! | `SIGNAL` | `:hex n` | |

use crate::context::Context;
use crate::expiry::Delay;
use crate::logon;
use crate::message::Handle;
use crate::node::Node;
use crate::text;

/// A command with its parameters taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `TIMEOUT`, in centiseconds.
    Timeout(i32),
    /// `REG` without a name: tell the own handle.
    Own,
    /// `REG`.
    Register(&'a str),
    /// `QUERY`.
    Query(&'a str),
    /// `NAME`: name with dot, handle.
    Name(&'a str, Handle),
    /// `EXIT`.
    Exit,
    /// `KILL`.
    Kill(Address<'a>),
    /// `LAUNCH`: module and arguments.
    Launch(&'a str, &'a str),
    /// `GETENV`.
    GetEnv(&'a str),
    /// `SETENV`: key and value.
    SetEnv(&'a str, &'a str),
    /// `STARTTIME`.
    StartTime,
    /// `ABORT`.
    Abort,
    /// `MONITOR`: set it, or tell it.
    Monitor(Option<Address<'a>>),
    /// `STAT`.
    Stat(&'a str),
    /// `LOGON`.
    LogOn(Address<'a>),
    /// `LOGOFF`.
    LogOff(Address<'a>),
    /// `SIGNAL`: whom, and the number.
    Signal(Address<'a>, i32),
    /// A command with parameters that make no sense: no effect, no result.
    Nothing,
}

/// Who is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Address<'a> {
    /// `:hex`.
    Handle(Handle),
    /// `.name`, here without the dot.
    Name(&'a str),
    /// Neither.
    Bad(&'a str),
}

impl<'a> Address<'a> {
    fn parse(text: &'a str) -> Address<'a> {
        if let Some(name) = text.strip_prefix('.') {
            return Address::Name(name);
        }
        match text.strip_prefix(':') {
            Some(hex) => Address::Handle(Handle(hex_prefix(hex))),
            None => Address::Bad(text),
        }
    }
}

impl<'a> Command<'a> {
    /// Reads a command. `None` if there is no such command.
    pub fn parse(command: &str, param: &'a str) -> Option<Command<'a>> {
        Some(match command {
            "TIMEOUT" => Command::Timeout(integer(param, 10) as i32),
            "REG" if param.is_empty() => Command::Own,
            "REG" => Command::Register(param),
            "QUERY" => Command::Query(param),
            "NAME" => {
                let mut words = param.split_ascii_whitespace();
                let (name, handle) = (
                    words.next(),
                    words.next().and_then(|word| word.strip_prefix(':')),
                );
                match (name, handle.map(hex_prefix)) {
                    (Some(name), Some(handle)) if handle != 0 => {
                        Command::Name(name, Handle(handle))
                    }
                    _ => Command::Nothing,
                }
            }
            "EXIT" => Command::Exit,
            "KILL" => Command::Kill(Address::parse(param)),
            "LAUNCH" => {
                let (module, rest) = param
                    .split_once([' ', '\t', '\r', '\n'])
                    .unwrap_or((param, ""));
                Command::Launch(module, rest.split(['\r', '\n']).next().unwrap_or(""))
            }
            "GETENV" => Command::GetEnv(param),
            "SETENV" => match param.split_once(' ') {
                Some((key, value)) => Command::SetEnv(key, value),
                None => Command::Nothing,
            },
            "STARTTIME" => Command::StartTime,
            "ABORT" => Command::Abort,
            "MONITOR" if param.is_empty() => Command::Monitor(None),
            "MONITOR" => Command::Monitor(Some(Address::parse(param))),
            "STAT" => Command::Stat(param),
            "LOGON" => Command::LogOn(Address::parse(param)),
            "LOGOFF" => Command::LogOff(Address::parse(param)),
            "SIGNAL" => {
                let number = param
                    .split_once(' ')
                    .map_or(0, |(_, number)| integer(number, 0) as i32);
                Command::Signal(Address::parse(param), number)
            }
            _ => return None,
        })
    }

    /// Does it in the name of `cx`, a service of `node`.
    pub fn run(self, node: &Node, cx: &Context) -> Option<String> {
        match self {
            Command::Timeout(cs) => {
                let session = cx.new_session();
                cx.timeout(session, Delay::Cs(cs));
                Some(session.to_string())
            }
            Command::Own => Some(short(cx.handle())),
            Command::Register(name) => match name.strip_prefix('.') {
                Some(name) => node
                    .register_name(name, cx.handle())
                    .then(|| name.to_owned()),
                None => fail(cx, format!("error: Can't register global name {name} in C")),
            },
            Command::Query(name) => node.find_name(name.strip_prefix('.')?).map(short),
            Command::Name(name, handle) => match name.strip_prefix('.') {
                Some(name) => node.register_name(name, handle).then(|| name.to_owned()),
                None => fail(cx, format!("error: Can't set global name {name} in C")),
            },
            Command::Exit => {
                cx.exit();
                None
            }
            Command::Kill(address) => {
                node.kill(cx.handle(), resolve(node, cx, address)?);
                None
            }
            Command::Launch(module, args) => {
                let handle = node.launch(cx.handle(), module, args)?;
                Some(format!(":{:08X}", handle.0))
            }
            Command::GetEnv(key) => node.getenv(key),
            Command::SetEnv(key, value) => {
                if let Err(error) = node.setenv(key, value) {
                    cx.log(text::to_bytes(&format!("error: {error}")));
                }
                None
            }
            Command::StartTime => Some(node.starttime().to_string()),
            Command::Abort => {
                node.abort();
                None
            }
            Command::Monitor(None) => node.monitor().map(short),
            Command::Monitor(Some(address)) => {
                node.set_monitor(resolve(node, cx, address)?);
                None
            }
            Command::Stat(what) => Some(stat(cx, what)),
            Command::LogOn(address) => {
                logon::open(cx, &*node.context(resolve(node, cx, address)?)?);
                None
            }
            Command::LogOff(address) => {
                logon::close(cx, &*node.context(resolve(node, cx, address)?)?);
                None
            }
            Command::Signal(address, number) => {
                node.signal(resolve(node, cx, address)?, number);
                None
            }
            Command::Nothing => None,
        }
    }
}

fn stat(cx: &Context, what: &str) -> String {
    match what {
        "mqlen" => cx.mqlen().to_string(),
        "mqage" => cx.oldest_ms().to_string(),
        "endless" => u8::from(cx.take_endless()).to_string(),
        "cpu" => format!("{:.6}", cx.cpu_seconds()),
        "time" if cx.node().profile() => format!("{:.6}", cx.turn_seconds()),
        "time" => "0".to_owned(),
        "message" => cx.messages().to_string(),
        _ => String::new(),
    }
}

fn resolve(node: &Node, cx: &Context, address: Address) -> Option<Handle> {
    match address {
        Address::Handle(handle) => Some(handle).filter(|handle| !handle.is_none()),
        Address::Name(name) => node.find_name(name),
        Address::Bad(text) => fail(cx, format!("error: Can't convert {text} to handle")),
    }
}

fn fail<T>(cx: &Context, line: String) -> Option<T> {
    cx.log(text::to_bytes(&line));
    None
}

/// `:%x`, the form of results.
fn short(handle: Handle) -> String {
    format!(":{:x}", handle.0)
}

/// The number that the text begins with, in hexadecimal; 0 if there is none. Too large ones become
/// the largest.
fn hex_prefix(text: &str) -> u32 {
    let digits = text.bytes().map_while(|byte| char::from(byte).to_digit(16));
    digits.fold(0u64, |n, digit| {
        (n * 16 + u64::from(digit)).min(u64::from(u32::MAX))
    }) as u32
}

/// The number that the text begins with as C reads it: blanks, a sign, digits; with base 0 also
/// `0x…` and octal. 0 if there is none.
fn integer(text: &str, base: u32) -> i64 {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, text) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (base, text) = match (base, hex) {
        (0, Some(hex)) => (16, hex),
        (0, None) if text.starts_with('0') => (8, text),
        (0, None) => (10, text),
        (base, _) => (base, text),
    };
    let digits = text
        .bytes()
        .map_while(|byte| char::from(byte).to_digit(base));
    let value = digits.fold(0i64, |n, digit| {
        n.saturating_mul(i64::from(base))
            .saturating_add(i64::from(digit))
    });
    if negative { -value } else { value }
}

impl Node {
    /// Runs a text command in the name of a service; see the module's description.
    pub fn command(&self, cx: &Context, command: &str, param: &str) -> Option<String> {
        Command::parse(command, param)?.run(self, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_c_reads_them() {
        for (text, base, value) in [
            ("12", 10, 12),
            ("  -7x", 10, -7),
            ("+5", 10, 5),
            ("x", 10, 0),
            ("", 10, 0),
            ("0x10", 10, 0),
            ("0x1F", 0, 31),
            ("010", 0, 8),
            ("08", 0, 0),
            ("99999999999999999999", 10, i64::MAX),
            ("é", 10, 0),
        ] {
            assert_eq!(integer(text, base), value, "{text:?}");
        }
    }

    #[test]
    fn parameters_are_taken_apart() {
        use Command::*;
        let at = |n| Address::Handle(crate::message::Handle(n));
        for (command, param, expected) in [
            ("TIMEOUT", "100", Some(Timeout(100))),
            ("TIMEOUT", "soon", Some(Timeout(0))),
            ("REG", "", Some(Own)),
            ("REG", ".x", Some(Register(".x"))),
            ("NAME", ".x :1a", Some(Name(".x", Handle(0x1a)))),
            ("NAME", ".x 1a", Some(Nothing)),
            ("NAME", ".x :0", Some(Nothing)),
            ("NAME", ".x", Some(Nothing)),
            ("LAUNCH", "snlua a b\r\nrest", Some(Launch("snlua", "a b"))),
            ("LAUNCH", "snlua", Some(Launch("snlua", ""))),
            ("SETENV", "k v w", Some(SetEnv("k", "v w"))),
            ("SETENV", "k ", Some(SetEnv("k", ""))),
            ("SETENV", "k", Some(Nothing)),
            ("KILL", ":0000000A", Some(Kill(at(10)))),
            ("KILL", "10", Some(Kill(Address::Bad("10")))),
            ("SIGNAL", ":a 0x2", Some(Signal(at(10), 2))),
            ("SIGNAL", ":a", Some(Signal(at(10), 0))),
            ("SIGNAL", ".a 1", Some(Signal(Address::Name("a 1"), 1))),
            ("MONITOR", "", Some(Monitor(None))),
            ("exit", "", None),
        ] {
            assert_eq!(
                Command::parse(command, param),
                expected,
                "{command} {param:?}"
            );
        }
    }
}
