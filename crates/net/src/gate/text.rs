//! The texts that a gate understands: its launch parameter and its commands.
//!
//! Both are read as C programs read them, because that is what their writers have tried: numbers end
//! where their digits end, and a command may be shortened to any prefix of its name.

use std::fmt;

use skynet_kernel::Handle;
use skynet_wire::netpack::Framing;

use crate::SocketId;

/// The launch parameter of a gate: `<S|L> <watchdog> <binding> <type> <most>`, and for TLS `cert=FILE`, `key=FILE` and
/// `ca=FILE` behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Parameter<'a> {
    /// `S`: two bytes of length before each frame. `L`: four.
    pub framing: Framing,
    /// Who is told of connections: `:hex` or `.name`. `!`, for nobody, is `None`.
    pub watchdog: Option<&'a str>,
    /// Where to listen; an empty host is all addresses.
    pub host: &'a str,
    /// Its port, not 0.
    pub port: u16,
    /// The message type of frames that are passed on. 0 in the text is CLIENT.
    pub kind: u8,
    /// How many connections may be open, at least 1.
    pub most: usize,
    /// The file of the certificate: connections have TLS. File names have no blanks in them.
    pub cert: Option<&'a str>,
    /// The file of its key, if it is another one.
    pub key: Option<&'a str>,
    /// The file of the authorities that the certificates of clients have to come from, which clients need then.
    pub ca: Option<&'a str>,
}

/// Why a launch parameter is refused. `Display` is what the log says.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// Fewer than four of its fields could be read.
    #[error("Invalid gate parm {0}")]
    Fields(String),
    /// No number of connections, or none above 0.
    #[error("Need max connection")]
    Most,
    /// Neither `S` nor `L`.
    #[error("Invalid data header style")]
    Header,
    /// The binding has no port.
    #[error("Invalid gate address {0}")]
    Address(String),
}

impl<'a> Parameter<'a> {
    /// Reads a parameter.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &'a str) -> Result<Parameter<'a>, ParameterError> {
        let fields = || ParameterError::Fields(text.to_owned());
        let mut rest = text;
        let header = rest.chars().next().ok_or_else(fields)?;
        rest = &rest[header.len_utf8()..];
        let watchdog = word(&mut rest).ok_or_else(fields)?;
        let binding = word(&mut rest).ok_or_else(fields)?;
        let kind = number(&mut rest).ok_or_else(fields)?;
        let most = number(&mut rest)
            .and_then(|most| usize::try_from(most).ok())
            .filter(|&most| most > 0)
            .ok_or(ParameterError::Most)?;
        let mut files = [("cert=", None), ("key=", None), ("ca=", None)];
        while let Some(word) = word(&mut rest) {
            for (key, file) in &mut files {
                *file = word.strip_prefix(*key).or(*file);
            }
        }
        let [(_, cert), (_, key), (_, ca)] = files;
        let framing = match header {
            'S' => Framing::SHORT,
            'L' => Framing::LONG,
            _ => return Err(ParameterError::Header),
        };
        let (host, port) = binding.rsplit_once(':').unwrap_or(("", binding));
        let port = number(&mut &*port)
            .and_then(|port| u16::try_from(port).ok())
            .filter(|&port| port != 0)
            .ok_or_else(|| ParameterError::Address(binding.to_owned()))?;
        Ok(Parameter {
            framing,
            watchdog: Some(watchdog).filter(|name| !name.starts_with('!')),
            // An IPv6 address may stand in brackets.
            host: host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .unwrap_or(host),
            port,
            kind: match kind as u8 {
                0 => skynet_kernel::kind::CLIENT,
                kind => kind,
            },
            most,
            cert,
            key,
            ca,
        })
    }
}

/// A text command to a gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// `start <id>`: read from this connection.
    Start(SocketId),
    /// `kick <id>`: close it.
    Kick(SocketId),
    /// `forward <id> :<agent> :<client>`: its frames go to the agent, in the name of the client.
    Forward {
        /// The connection.
        id: SocketId,
        /// Who gets its frames.
        agent: Handle,
        /// Who they seem to come from.
        client: Handle,
    },
    /// `broker <name>`: all frames go to that service.
    Broker(&'a str),
    /// `close`: stop listening.
    Close,
    /// A `forward` without both addresses: nothing happens.
    Incomplete,
}

impl<'a> Command<'a> {
    /// Reads a command. Any prefix of a name is as good as the name. `None` if there is none that
    /// begins so.
    pub fn parse(text: &'a str) -> Option<Command<'a>> {
        let (name, argument) = text.split_once(' ').unwrap_or((text, ""));
        let mut rest = argument;
        let mut id = || number(&mut rest).unwrap_or(0);
        let known = ["kick", "forward", "broker", "start", "close"];
        Some(match *known.iter().find(|known| known.starts_with(name))? {
            "kick" => Command::Kick(id()),
            "start" => Command::Start(id()),
            "forward" => {
                let id = id();
                let mut address = || Handle::parse(word(&mut rest)?);
                match (address(), address()) {
                    (Some(agent), Some(client)) => Command::Forward { id, agent, client },
                    _ => Command::Incomplete,
                }
            }
            "broker" => Command::Broker(argument),
            _ => Command::Close,
        })
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Start(id) => write!(f, "start {id}"),
            Command::Kick(id) => write!(f, "kick {id}"),
            Command::Forward { id, agent, client } => write!(f, "forward {id} {agent} {client}"),
            Command::Broker(name) => write!(f, "broker {name}"),
            Command::Close => f.write_str("close"),
            Command::Incomplete => f.write_str("forward"),
        }
    }
}

fn skip_space<'a>(rest: &mut &'a str) -> &'a str {
    *rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    rest
}

/// The next characters up to white space.
fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let text = skip_space(rest);
    let end = text
        .find(|c: char| c.is_ascii_whitespace() || c == '\x0b')
        .unwrap_or(text.len());
    let word;
    (word, *rest) = text.split_at(end);
    (!word.is_empty()).then_some(word)
}

/// The number that the rest begins with; one that is too large is the largest.
fn number(rest: &mut &str) -> Option<i32> {
    let text = skip_space(rest);
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let (digits, after) = digits.split_at(end);
    if digits.is_empty() {
        return None;
    }
    *rest = after;
    let value = digits.bytes().fold(0i32, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(i32::from(digit - b'0'))
    });
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Parameter::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn parameters() {
        let whole = Parameter::parse("L .watch 127.0.0.1:8888 11 64").unwrap();
        assert_eq!(
            whole,
            Parameter {
                framing: Framing::LONG,
                watchdog: Some(".watch"),
                host: "127.0.0.1",
                port: 8888,
                kind: 11,
                most: 64,
                cert: None,
                key: None,
                ca: None,
            }
        );
        let least = Parameter::parse("S ! 8888 0 1").unwrap();
        assert_eq!((least.framing, least.watchdog), (Framing::SHORT, None));
        assert_eq!((least.host, least.port), ("", 8888));
        assert_eq!((least.kind, least.most), (3, 1));
        // White space is not counted, and numbers end where they end.
        assert_eq!(Parameter::parse("S\t!  8888x 0\n1 more"), Ok(least));
        assert_eq!(Parameter::parse("S ! [::1]:80 0 1").unwrap().host, "::1");
        let secure = Parameter::parse("S ! 80 0 1 cert=/a/b.pem nothing key=k ca=x=y").unwrap();
        assert_eq!(
            (secure.cert, secure.key, secure.ca),
            (Some("/a/b.pem"), Some("k"), Some("x=y"))
        );
    }

    #[test]
    fn parameters_that_are_refused() {
        for text in ["", "S", "S !", "S ! 8888", "S ! 8888 x 10", "X"] {
            assert_eq!(error(text), format!("Invalid gate parm {text}"));
        }
        for text in ["S ! 8888 0", "S ! 8888 0 0", "S ! 8888 0 -5", "X ! 1 0 y"] {
            assert_eq!(error(text), "Need max connection");
        }
        for text in ["X ! 8888 0 10", "s ! 8888 0 10", "é ! 8888 0 10"] {
            assert_eq!(error(text), "Invalid data header style");
        }
        for binding in ["x", "0", "host:", "host:x", "127.0.0.1:0", "-1", "65536"] {
            let text = format!("S ! {binding} 0 10");
            assert_eq!(error(&text), format!("Invalid gate address {binding}"));
        }
    }

    #[test]
    fn commands() {
        let forward = Command::Forward {
            id: 7,
            agent: Handle(0x0a),
            client: Handle(0xff),
        };
        for (text, command) in [
            ("start 7", Command::Start(7)),
            ("s 7", Command::Start(7)),
            ("kick 7 and more", Command::Kick(7)),
            ("kick", Command::Kick(0)),
            ("kick x", Command::Kick(0)),
            ("k 99999999999", Command::Kick(i32::MAX)),
            ("forward 7 :a :ff", forward),
            ("for 7  :0000000a :ff ", forward),
            ("forward 7 :a", Command::Incomplete),
            ("forward", Command::Incomplete),
            ("broker .name", Command::Broker(".name")),
            ("b", Command::Broker("")),
            ("close", Command::Close),
            ("c 7", Command::Close),
        ] {
            assert_eq!(Command::parse(text), Some(command), "{text}");
        }
        for text in ["kicks 7", "Kick 7", "x", "start7", "closed", "kick\t7"] {
            assert_eq!(Command::parse(text), None, "{text}");
        }
    }
}
