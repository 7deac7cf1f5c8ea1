//! A connection that has come in and has yet to prove itself. Nothing of it gets further than here.
//!
//! Its first bytes tell what it is: `16 03` begins TLS, a frame whose content begins with `f5` the handshake. Both may
//! come, TLS first. What else comes is a request of a node that does not prove anything; it is let in as long as
//! `clusterauth` says so.

use std::net::IpAddr;

use skynet_kernel::Node;
use skynet_wire::cluster::handshake::{Frame, LONGEST, MARK, Refused};

use super::handshake::{Failure, Proved, Server, Step};
use super::{Security, TlsMode};

/// Bytes that are kept before the first step of TLS: more than any first message of it has.
const FIRST: usize = 256 << 10;
/// Bytes of the handshake that may wait.
const WAITING: usize = 2 + LONGEST;

enum Stage {
    /// Nothing is known yet.
    First,
    /// TLS has begun.
    Securing,
    /// Frames come.
    Frames,
    /// This HELLO is to be answered later.
    Late(Vec<u8>),
    /// It may be answered now.
    Now(Vec<u8>),
}

/// What is known by TLS.
struct Shown {
    names: Vec<String>,
    binding: [u8; 32],
}

pub(crate) struct Proving {
    stage: Stage,
    buffer: Vec<u8>,
    shown: Option<Shown>,
    server: Option<Server>,
    /// It has begun to prove something, or has sent anything at all.
    pub(crate) begun: bool,
    /// Sessions of the timers: until it must have proved itself, and until it is answered.
    pub(crate) deadline: i32,
    pub(crate) delay: Option<i32>,
}

/// A peer that is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) name: String,
    /// The name is proved.
    pub(crate) certain: bool,
    /// `tls` or `secret`; `None`: it has proved nothing.
    pub(crate) by: Option<&'static str>,
}

/// What is to be done.
pub(crate) enum Action {
    /// Wait for more.
    Wait,
    /// Begin TLS with what has come.
    Secure,
    /// Send this content of a frame.
    Send(Vec<u8>),
    /// Go on after a second.
    Delay,
    /// Let it in, after this content of a frame; the rest of what has come is for the usual reader.
    Admit(Option<Vec<u8>>, Admitted, Vec<u8>),
    /// Turn it away.
    Refuse(Failure),
}

impl Proving {
    pub(crate) fn new(deadline: i32) -> Proving {
        Proving {
            stage: Stage::First,
            buffer: Vec::new(),
            shown: None,
            server: None,
            begun: false,
            deadline,
            delay: None,
        }
    }

    /// Bytes have come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// What has come before TLS.
    pub(crate) fn take_first(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Has it begun a handshake, so that it understands a REFUSED?
    pub(crate) fn speaks(&self) -> bool {
        self.server.is_some() || self.buffer.get(2) == Some(&MARK)
    }

    /// TLS stands; names of the certificate, and what binds proofs to it.
    pub(crate) fn secured(&mut self, names: Vec<String>, binding: [u8; 32]) {
        self.shown = Some(Shown { names, binding });
        self.stage = Stage::Frames;
    }

    /// The second is over.
    pub(crate) fn go_on(&mut self) {
        self.delay = None;
        if let Stage::Late(hello) = std::mem::replace(&mut self.stage, Stage::Frames) {
            self.stage = Stage::Now(hello);
        }
    }

    /// What is to be done now, for a peer with this address. To be asked again until there is nothing.
    pub(crate) fn next(&mut self, security: &Security, node: &Node, ip: Option<IpAddr>) -> Action {
        match std::mem::replace(&mut self.stage, Stage::Frames) {
            Stage::First => match self.first(security) {
                Some(action) => action,
                None => self.frames(security, node, ip),
            },
            Stage::Securing => {
                self.stage = Stage::Securing;
                match self.buffer.len() > FIRST {
                    true => refuse(Refused::Malformed, "too much before TLS has begun"),
                    false => Action::Wait,
                }
            }
            Stage::Late(hello) => {
                self.stage = Stage::Late(hello);
                match self.buffer.len() > WAITING {
                    true => refuse(Refused::Malformed, "more than a handshake has"),
                    false => Action::Wait,
                }
            }
            Stage::Now(hello) => self.step(security, node, &hello),
            Stage::Frames => self.frames(security, node, ip),
        }
    }

    /// `None`: frames come.
    fn first(&mut self, security: &Security) -> Option<Action> {
        let Some(first) = self.buffer.first_chunk::<3>() else {
            self.begun |= !self.buffer.is_empty();
            self.stage = Stage::First;
            return Some(Action::Wait);
        };
        self.begun = true;
        let has_tls = security.server_tls().is_some();
        if has_tls && matches!(first, [0x16, 3, 1 | 3]) {
            self.stage = Stage::Securing;
            return Some(Action::Secure);
        }
        if has_tls && security.requires() {
            let why = "it does not begin TLS (clustertls)";
            return Some(refuse(Refused::Required, why));
        }
        None
    }

    fn frames(&mut self, security: &Security, node: &Node, ip: Option<IpAddr>) -> Action {
        if let Some(shown) = &self.shown
            && !security.has_secret()
        {
            return match by_certificate(security, shown, None) {
                Ok(admitted) => Action::Admit(None, admitted, std::mem::take(&mut self.buffer)),
                Err(why) => refuse(Refused::Name, why),
            };
        }
        let Some([high, low, kind]) = self.buffer.first_chunk::<3>().copied() else {
            return Action::Wait;
        };
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len == 0 || kind != MARK {
            return self.without(security);
        }
        if len > LONGEST {
            return refuse(Refused::Malformed, "a frame that no handshake has");
        }
        if self.buffer.len() < 2 + len {
            return Action::Wait;
        }
        let rest = self.buffer.split_off(2 + len);
        let frame = std::mem::replace(&mut self.buffer, rest).split_off(2);
        if !security.has_secret() {
            return refuse(
                Refused::NoSecret,
                "it begins a handshake, and there is no clustersecret here",
            );
        }
        let hello =
            self.server.is_none() && matches!(Frame::parse(&frame), Some(Frame::Hello { .. }));
        let now = node.now_cs();
        if hello && ip.is_some_and(|ip| security.strangers().waits(ip, now)) {
            self.stage = Stage::Late(frame);
            return Action::Delay;
        }
        self.step(security, node, &frame)
    }

    /// No handshake comes.
    fn without(&mut self, security: &Security) -> Action {
        let needed = security.requires()
            || self.server.is_some()
            || (self.shown.is_some() && security.tls_mode() == Some(TlsMode::Secret));
        if needed {
            let text = "it does not begin a handshake (clustersecret)";
            return refuse(Refused::Required, text);
        }
        let admitted = match &self.shown {
            None => Ok(Admitted::default()),
            Some(shown) => by_certificate(security, shown, None),
        };
        match admitted {
            Ok(admitted) => Action::Admit(None, admitted, std::mem::take(&mut self.buffer)),
            Err(why) => refuse(Refused::Name, why),
        }
    }

    fn step(&mut self, security: &Security, node: &Node, frame: &[u8]) -> Action {
        let shown = self.shown.as_ref();
        if self.server.is_none() {
            let Some(nonce) = security.nonce() else {
                return refuse(Refused::Malformed, "the system gives no random numbers");
            };
            let binding = shown.map_or(&b""[..], |shown| &shown.binding);
            self.server = Some(Server::new(security.name(), nonce, binding));
        }
        let (Some(server), Some(keys)) = (&mut self.server, security.keys(node)) else {
            return Action::Wait;
        };
        let mut admitted = Admitted::default();
        let admits = |proved: &Proved| {
            let mutual = security.tls_mode() == Some(TlsMode::Mutual);
            admitted = match shown.filter(|_| mutual) {
                Some(shown) => by_certificate(security, shown, Some(&proved.name))?,
                None if !security.admits(&proved.name) => {
                    return Err(format!("the node `{}` is not in clusterpeers", proved.name));
                }
                None => Admitted {
                    name: proved.name.clone(),
                    certain: proved.certain,
                    by: Some("secret"),
                },
            };
            Ok(())
        };
        match server.step(frame, &keys, admits) {
            Step::Send(content) => Action::Send(content),
            Step::Done(content, _) => {
                Action::Admit(content, admitted, std::mem::take(&mut self.buffer))
            }
            Step::Refuse(failure) => Action::Refuse(failure),
        }
    }
}

fn refuse(reason: Refused, text: impl Into<String>) -> Action {
    Action::Refuse(Failure::new(reason, text))
}

/// The node that a certificate belongs to: the one of its names that the peer has given itself, or the first that may
/// connect.
fn by_certificate(
    security: &Security,
    shown: &Shown,
    said: Option<&str>,
) -> Result<Admitted, String> {
    let said = said.filter(|name| !name.is_empty());
    let list = || shown.names.join(", ");
    if let Some(said) = said
        && !shown.names.iter().any(|name| name == said)
    {
        return Err(format!(
            "it calls itself {said}, with a certificate of {}",
            list()
        ));
    }
    let mut names = shown.names.iter();
    let name = names.find(|name| said.is_none_or(|said| said == *name) && security.admits(name));
    match name {
        Some(name) => Ok(Admitted {
            name: name.clone(),
            certain: true,
            by: Some("tls"),
        }),
        None if shown.names.is_empty() => Err("its certificate has no DNS name".to_owned()),
        None => Err(format!(
            "a certificate of {}: none of them is in clusterpeers",
            list()
        )),
    }
}
