//! How two nodes prove to each other that they know the same secret; the frames are those of
//! [`skynet_wire::cluster::handshake`].
//!
//! K is HKDF-SHA256 of the secret (`keyring.rs`). T is the SHA-256 of the contents of HELLO and CHALLENGE, in this
//! order, and of what binds them to the connection: nothing, or with TLS the 32 bytes of its exporter. The client proves
//! first, with HMAC(K, "client" T), so a scanner of ports gets nothing to guess secrets with; the server then sends
//! HMAC(K, "server" T). Both names and the node that is meant are in T: a proof is of no use anywhere else.
//!
//! Both sides are machines without I/O: a frame goes in, and what is to be done comes out.

use ring::digest::{Context, SHA256};
use ring::hmac;
use skynet_wire::cluster::handshake::{Frame, Refused};
use skynet_wire::foreign::Foreign;

use super::keyring::{Key, Keys};

const CLIENT: &[u8] = b"client";
const SERVER: &[u8] = b"server";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send this content, and wait for the next frame.
    Send(Vec<u8>),
    /// The peer has proved itself; send this, if there is something, before anything else.
    Done(Option<Vec<u8>>, Proved),
    /// There is no connection: tell the peer, unless it was the peer that refused.
    Refuse(Failure),
}

/// A peer that knows the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proved {
    /// Its name, empty if it has none.
    pub(crate) name: String,
    /// The name is proved, too, and not only said.
    pub(crate) certain: bool,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: Refused,
    /// For the own log.
    pub(crate) text: String,
    /// The peer has refused, and need not be told.
    pub(crate) told: bool,
}

impl Failure {
    pub(crate) fn new(reason: Refused, text: impl Into<String>) -> Failure {
        Failure {
            reason,
            text: text.into(),
            told: false,
        }
    }

    /// What the peer is told. It names nothing that the peer has not said itself.
    pub(crate) fn content(&self) -> Vec<u8> {
        let text = match self.reason {
            Refused::NoSecret => "no clustersecret here",
            Refused::Key => "no secret of this name here",
            Refused::Proof => "the secrets differ",
            Refused::Name => "this node may not connect here (clusterpeers)",
            Refused::Other => "another node is meant",
            Refused::Required => "TLS is required here (clustertls)",
            Refused::Late => "the handshake took too long",
            _ => "no frame of this handshake",
        };
        Frame::Refused(self.reason, text.as_bytes()).content()
    }
}

fn step_refused(reason: Refused, text: impl Into<String>) -> Step {
    Step::Refuse(Failure::new(reason, text))
}

fn refused_by_peer(reason: Refused, text: &[u8]) -> Step {
    Step::Refuse(Failure {
        reason,
        text: format!("the peer refuses: {}", Foreign::new(text)),
        told: true,
    })
}

fn transcript(hello: &[u8], challenge: &[u8], binding: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for bytes in [hello, challenge, binding] {
        context.update(bytes);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn prove(key: &Key, side: &[u8], transcript: &[u8; 32]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&key.mac);
    context.update(side);
    context.update(transcript);
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// Compares in constant time.
fn is_proof(key: &Key, side: &[u8], transcript: &[u8; 32], mac: &[u8; 32]) -> bool {
    hmac::verify(&key.mac, &[side, transcript].concat(), mac).is_ok()
}

/// The side that has made the connection.
pub(crate) struct Client {
    to: String,
    key: Key,
    hello: Vec<u8>,
    binding: Vec<u8>,
    /// T, and the server's name, once the challenge has come.
    challenged: Option<([u8; 32], String)>,
}

impl Client {
    /// And the content of its first frame.
    pub(crate) fn new(
        own: &str,
        to: &str,
        key: &Key,
        nonce: [u8; 32],
        binding: &[u8],
    ) -> (Client, Vec<u8>) {
        let hello = Frame::Hello {
            nonce: &nonce,
            from: own.as_bytes(),
            to: to.as_bytes(),
            key: key.name.as_bytes(),
        }
        .content();
        let client = Client {
            to: to.to_owned(),
            key: key.clone(),
            hello: hello.clone(),
            binding: binding.to_owned(),
            challenged: None,
        };
        (client, hello)
    }

    pub(crate) fn step(&mut self, content: &[u8]) -> Step {
        match (Frame::parse(content), &self.challenged) {
            (Some(Frame::Challenge { from, .. }), None) => {
                if !from.is_empty() && from != self.to.as_bytes() {
                    let text = format!(
                        "the node there is {} (its nodename), and not {}",
                        Foreign::new(from),
                        self.to
                    );
                    return step_refused(Refused::Other, text);
                }
                let transcript = transcript(&self.hello, content, &self.binding);
                let proof = prove(&self.key, CLIENT, &transcript);
                let name = String::from_utf8_lossy(from).into_owned();
                self.challenged = Some((transcript, name));
                Step::Send(Frame::Proof(&proof).content())
            }
            (Some(Frame::Welcome(mac)), Some((transcript, name))) => {
                match is_proof(&self.key, SERVER, transcript, mac) {
                    true => Step::Done(
                        None,
                        Proved {
                            name: name.clone(),
                            certain: false,
                        },
                    ),
                    false => step_refused(
                        Refused::Proof,
                        "the node there does not know the secret (clustersecret)",
                    ),
                }
            }
            (Some(Frame::Refused(reason, text)), _) => refused_by_peer(reason, text),
            _ => step_refused(
                Refused::Malformed,
                "the node there does not speak this handshake (has it clustersecret?)",
            ),
        }
    }
}

/// The side that was connected to.
pub(crate) struct Server {
    own: String,
    nonce: [u8; 32],
    binding: Vec<u8>,
    /// T, the secret, and what the client says of itself, once it has begun.
    begun: Option<([u8; 32], Key, String)>,
}

impl Server {
    pub(crate) fn new(own: &str, nonce: [u8; 32], binding: &[u8]) -> Server {
        Server {
            own: own.to_owned(),
            nonce,
            binding: binding.to_owned(),
            begun: None,
        }
    }

    /// `admits`: may this node connect? If not, why.
    pub(crate) fn step(
        &mut self,
        content: &[u8],
        keys: &Keys,
        admits: impl FnOnce(&Proved) -> Result<(), String>,
    ) -> Step {
        match (Frame::parse(content), &self.begun) {
            (Some(Frame::Hello { from, to, key, .. }), None) => {
                self.begin(content, (from, to, key), keys)
            }
            (Some(Frame::Proof(mac)), Some((transcript, key, said))) => {
                if !is_proof(key, CLIENT, transcript, mac) {
                    let text = "wrong proof: its secret is another one (clustersecret)";
                    return step_refused(Refused::Proof, text);
                }
                let proved = Proved {
                    name: key.node().unwrap_or(said).to_owned(),
                    certain: key.node().is_some(),
                };
                if let Err(why) = admits(&proved) {
                    return step_refused(Refused::Name, why);
                }
                let welcome = prove(key, SERVER, transcript);
                Step::Done(Some(Frame::Welcome(&welcome).content()), proved)
            }
            (Some(Frame::Refused(reason, text)), _) => refused_by_peer(reason, text),
            _ => step_refused(Refused::Malformed, "no frame of the handshake"),
        }
    }

    fn begin(&mut self, hello: &[u8], names: (&[u8], &[u8], &[u8]), keys: &Keys) -> Step {
        let (from, to, key_name) = names;
        if !self.own.is_empty() && to != self.own.as_bytes() {
            let text = format!(
                "it means the node {}, and this is {} (nodename)",
                Foreign::new(to),
                self.own
            );
            return step_refused(Refused::Other, text);
        }
        let Some(key) = keys.find(key_name) else {
            let text = format!("there is no secret named {}", Foreign::new(key_name));
            return step_refused(Refused::Key, text);
        };
        let good = |name: &str| !name.chars().any(|c| c.is_control() || c.is_whitespace());
        let Some(said) = std::str::from_utf8(from).ok().filter(|name| good(name)) else {
            let text = format!("its name is none: {}", Foreign::new(from));
            return step_refused(Refused::Malformed, text);
        };
        if let Some(node) = key.node()
            && !said.is_empty()
            && said != node
        {
            let text = format!("it calls itself {said}, with the secret of {node}");
            return step_refused(Refused::Name, text);
        }
        let challenge = Frame::Challenge {
            nonce: &self.nonce,
            from: self.own.as_bytes(),
        }
        .content();
        let transcript = transcript(hello, &challenge, &self.binding);
        self.begun = Some((transcript, key.clone(), said.to_owned()));
        Step::Send(challenge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::keyring::Keyring;
    use std::sync::Arc;

    const SECRET: &str = "sixteen bytes or more";

    fn keys() -> Arc<Keys> {
        let keyring = Keyring::new(Some(SECRET), None).unwrap();
        keyring.unwrap().now().0
    }

    fn pair(own: &str, to: &str, key: &Key, binding: [&[u8]; 2]) -> (Client, Vec<u8>, Server) {
        let (client, hello) = Client::new("web", to, key, [1; 32], binding[0]);
        (client, hello, Server::new(own, [2; 32], binding[1]))
    }

    fn sent(step: Step) -> Vec<u8> {
        match step {
            Step::Send(content) => content,
            other => panic!("{other:?}"),
        }
    }

    fn reason(step: Step) -> Refused {
        match step {
            Step::Refuse(failure) => failure.reason,
            other => panic!("{other:?}"),
        }
    }

    fn yes(_: &Proved) -> Result<(), String> {
        Ok(())
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Bytes that were worked out with Python's hmac and hashlib.
    #[test]
    fn recorded() {
        let keys = keys();
        let (mut client, hello, mut server) = pair("db", "db", keys.first(), [b"", b""]);
        let challenge = sent(server.step(&hello, &keys, yes));
        let proof = sent(client.step(&challenge));
        let Step::Done(Some(welcome), proved) = server.step(&proof, &keys, yes) else {
            panic!("not welcome");
        };
        assert_eq!((proved.name.as_str(), proved.certain), ("web", false));
        assert_eq!(
            hex(&proof[2..]),
            "87cbf4b4ae5f11bb8af0eef5e6ca36dea5f7a7cb78cd8922cb41bf38c4db629d"
        );
        assert_eq!(
            hex(&welcome[2..]),
            "e7b65ef61cec46d5a3e2575091e2c4015250c5cb3e955439b976aa126c0f30f2"
        );
        assert!(matches!(client.step(&welcome), Step::Done(None, _)));
    }

    #[test]
    fn another_secret() {
        let keys = keys();
        let other = Key::new("", "another secret of some length");
        let (mut client, hello, mut server) = pair("db", "db", &other, [b"", b""]);
        let challenge = sent(server.step(&hello, &keys, yes));
        let proof = sent(client.step(&challenge));
        assert_eq!(reason(server.step(&proof, &keys, yes)), Refused::Proof);
        // A server that does not know it is found out, too.
        let welcome = Frame::Welcome(&[0; 32]).content();
        assert_eq!(reason(client.step(&welcome)), Refused::Proof);
    }

    /// Who stands between two connections with TLS has two bindings.
    #[test]
    fn another_connection() {
        let keys = keys();
        let (mut client, hello, mut server) = pair("db", "db", keys.first(), [&[1; 32], &[2; 32]]);
        let challenge = sent(server.step(&hello, &keys, yes));
        let proof = sent(client.step(&challenge));
        assert_eq!(reason(server.step(&proof, &keys, yes)), Refused::Proof);
    }

    #[test]
    fn a_proof_is_of_no_use_later_or_elsewhere() {
        let keys = keys();
        let (mut client, hello, mut server) = pair("db", "db", keys.first(), [b"", b""]);
        let challenge = sent(server.step(&hello, &keys, yes));
        let proof = sent(client.step(&challenge));
        // The same frames again, on another connection.
        let mut again = Server::new("db", [3; 32], b"");
        sent(again.step(&hello, &keys, yes));
        assert_eq!(reason(again.step(&proof, &keys, yes)), Refused::Proof);
        // To another node.
        let mut other = Server::new("bank", [2; 32], b"");
        assert_eq!(reason(other.step(&hello, &keys, yes)), Refused::Other);
        // Back to the client: its own proof is no welcome.
        let mut back = proof.clone();
        back[1] = 4;
        assert_eq!(reason(client.step(&back)), Refused::Proof);
    }

    #[test]
    fn names() {
        let path = std::env::temp_dir().join(format!("skynet-secrets-{}", std::process::id()));
        std::fs::write(&path, "node:web 0123456789abcdef\nall 0123456789abcdef\n").unwrap();
        let keys = Keyring::new(None, Some(&path)).unwrap().unwrap().now().0;
        std::fs::remove_file(&path).unwrap();
        let (mut client, hello, mut server) = pair("", "db", keys.first(), [b"", b""]);
        let challenge = sent(server.step(&hello, &keys, yes));
        let proof = sent(client.step(&challenge));
        let step = server.step(&proof, &keys, |proved| {
            assert_eq!((proved.name.as_str(), proved.certain), ("web", true));
            Err("not here".into())
        });
        assert_eq!(reason(step), Refused::Name);
        // The secret of web, and another name.
        let (_, hello) = Client::new("gm", "db", keys.first(), [1; 32], b"");
        let mut server = Server::new("", [2; 32], b"");
        assert_eq!(reason(server.step(&hello, &keys, yes)), Refused::Name);
        // A secret that is not there.
        let (_, hello) = Client::new("gm", "db", &Key::new("x", SECRET), [1; 32], b"");
        assert_eq!(reason(server.step(&hello, &keys, yes)), Refused::Key);
        // A name that would forge lines of the log.
        let (_, hello) = Client::new("g\nm", "db", keys.find(b"all").unwrap(), [1; 32], b"");
        assert_eq!(reason(server.step(&hello, &keys, yes)), Refused::Malformed);
        // Another name at the address than the one that is meant.
        let (mut client, _) = Client::new("gm", "db", keys.first(), [1; 32], b"");
        let challenge = Frame::Challenge {
            nonce: &[2; 32],
            from: b"bank",
        }
        .content();
        assert_eq!(reason(client.step(&challenge)), Refused::Other);
    }

    #[test]
    fn frames_out_of_order() {
        let keys = keys();
        let (mut client, hello, mut server) = pair("db", "db", keys.first(), [b"", b""]);
        let early = Frame::Proof(&[0; 32]).content();
        assert_eq!(reason(server.step(&early, &keys, yes)), Refused::Malformed);
        assert_eq!(reason(client.step(&hello)), Refused::Malformed);
        let welcome = Frame::Welcome(&[0; 32]).content();
        assert_eq!(reason(client.step(&welcome)), Refused::Malformed);
        sent(server.step(&hello, &keys, yes));
        assert_eq!(reason(server.step(&hello, &keys, yes)), Refused::Malformed);
        for bad in [&b""[..], b"\xf5", b"\xf5\x09", b"GET / HTTP/1.1"] {
            assert_eq!(reason(server.step(bad, &keys, yes)), Refused::Malformed);
        }
        let Step::Refuse(failure) = client.step(b"\xf5\x0f\x02no\nway") else {
            panic!();
        };
        assert!(failure.told && failure.text == "the peer refuses: no\\nway");
    }
}
