//! Who may connect, and what they may call. With nothing set, everybody may do everything, and not a byte is different.
//!
//! * `keyring.rs`: the secrets, from the config or from a file that may change
//! * `handshake.rs`: how two nodes prove to each other that they know one; without I/O, clock or random numbers
//! * `proving.rs`: a connection that has come in and has yet to prove itself
//! * `strangers.rs`: how often the log tells of those who could not, and who has to wait
//! * `policy.rs`: which node may call what; `names.rs`: lists of names

pub(crate) mod handshake;
mod keyring;
mod names;
mod policy;
pub(crate) mod proving;
mod strangers;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use rustc_hash::FxHashSet;
use skynet_kernel::{Node, lock};
use skynet_net::tls::{ClientCert, Configs, Options};
use skynet_net::{SocketId, Tls};

use self::handshake::Client;
use self::keyring::Keyring;
pub use self::keyring::SecretError;
pub(crate) use self::names::Names as PeerNames;
pub(crate) use self::policy::{Door, PolicyHolder, Verdict};
pub use self::policy::{Policy, PolicyError, Rule};
use self::strangers::Strangers;

/// What is done about connections without a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Handshakes are answered, and who does not begin one is let in.
    Accept,
    /// Handshakes are begun, too.
    Offer,
    /// Nobody is let in without.
    #[default]
    Require,
}

/// How connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Both sides show certificates.
    Mutual,
    /// Certificates say nothing: the secret proves who the sides are.
    Secret,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(set)")
    }
}

/// The settings; see docs/config.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityOptions {
    /// The own name; empty: none.
    pub name: String,
    /// A secret.
    pub secret: Option<Hidden>,
    /// A file of secrets.
    pub secret_file: Option<PathBuf>,
    /// Connections without a handshake.
    pub auth: Auth,
    /// TLS; `None`: none.
    pub tls: Option<TlsMode>,
    /// A node's certificate has the host of its address, and not its name.
    pub tls_by_host: bool,
    /// The own certificate (PEM).
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Authorities.
    pub ca: Option<PathBuf>,
    /// Revoked certificates.
    pub crl: Option<PathBuf>,
    /// Nodes that may connect; `None`: all.
    pub peers: Option<Vec<String>>,
    /// Time for a connection to prove itself.
    pub deadline: Duration,
}

impl Default for SecurityOptions {
    /// Nothing is set.
    fn default() -> SecurityOptions {
        SecurityOptions {
            name: String::new(),
            secret: None,
            secret_file: None,
            auth: Auth::default(),
            tls: None,
            tls_by_host: false,
            cert: None,
            key: None,
            ca: None,
            crl: None,
            peers: None,
            deadline: Duration::from_secs(5),
        }
    }
}

/// Settings that do not go together, or files that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// A secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A certificate.
    #[error("clustercert, clusterkey, clusterca, clustercrl: {0}")]
    Tls(#[from] skynet_net::tls::Error),
    /// TLS by the secret, and there is none.
    #[error("clustertls = \"secret\" needs a secret: set clustersecret or clustersecretfile")]
    NoSecret,
    /// Certificates, and a file is missing.
    #[error("clustertls = \"mutual\" needs {0}: a file in PEM")]
    NoFile(&'static str),
    /// Names of peers that nobody proves.
    #[error(
        "clusterpeers needs clustersecret, clustersecretfile or clustertls: without them a peer has no name"
    )]
    NoNames,
}

impl SecurityOptions {
    /// Is anything asked of peers?
    pub fn is_on(&self) -> bool {
        self.secret.is_some() || self.secret_file.is_some() || self.tls.is_some()
    }

    /// Is a peer's name worth something: does it come from a certificate, or from a secret of its own?
    pub fn names_are_proved(&self) -> bool {
        self.tls == Some(TlsMode::Mutual) || self.secret_file.is_some()
    }

    /// What is wrong with the settings and the files that they name.
    ///
    /// # Errors
    /// The first thing that is.
    pub fn check(&self) -> Result<(), SecurityError> {
        Security::new(self.clone()).map(|_| ())
    }

    fn client_tls(&self) -> Option<Options> {
        Some(match self.tls? {
            TlsMode::Mutual => self.certificates(),
            TlsMode::Secret => Options {
                verify: false,
                strict: true,
                ..Options::default()
            },
        })
    }

    fn server_tls(&self) -> Option<Options> {
        Some(match self.tls? {
            TlsMode::Mutual => Options {
                client_cert: ClientCert::Required,
                ..self.certificates()
            },
            TlsMode::Secret => Options {
                strict: true,
                nameless: true,
                ..Options::default()
            },
        })
    }

    fn certificates(&self) -> Options {
        Options {
            cert: self.cert.clone(),
            key: self.key.clone(),
            ca: self.ca.clone(),
            crl: self.crl.clone(),
            strict: true,
            ..Options::default()
        }
    }
}

/// The security of a node's cluster, while it runs.
pub(crate) struct Security {
    options: SecurityOptions,
    keyring: Option<Mutex<Keyring>>,
    peers: Option<PeerNames>,
    server_tls: Option<Tls>,
    client_tls: Option<Tls>,
    strangers: Mutex<Strangers>,
    /// Connections that have come in and have not proved themselves.
    proving: Mutex<FxHashSet<SocketId>>,
    random: SystemRandom,
}

impl Security {
    /// # Errors
    /// The settings do not go together, or a file cannot be used.
    pub(crate) fn new(options: SecurityOptions) -> Result<Security, SecurityError> {
        let keyring = Keyring::new(
            options.secret.as_ref().map(|secret| secret.0.as_str()),
            options.secret_file.as_deref(),
        )?;
        match options.tls {
            Some(TlsMode::Secret) if keyring.is_none() => return Err(SecurityError::NoSecret),
            Some(TlsMode::Mutual) => {
                for (file, key) in [(&options.cert, "clustercert"), (&options.ca, "clusterca")] {
                    if file.is_none() {
                        return Err(SecurityError::NoFile(key));
                    }
                }
            }
            _ => {}
        }
        if options.peers.is_some() && !options.is_on() {
            return Err(SecurityError::NoNames);
        }
        let tls = |made: Option<Options>, server| {
            made.map(|made| {
                let mut tls = Tls::new(made, server);
                tls.timeout = options.deadline;
                tls
            })
        };
        let server_tls = tls(options.server_tls(), true);
        let client_tls = tls(options.client_tls(), false);
        let configs = Configs::default();
        if let Some(tls) = &server_tls {
            configs.server(&tls.options)?;
        }
        if let Some(tls) = &client_tls {
            configs.client(&tls.options)?;
        }
        Ok(Security {
            keyring: keyring.map(Mutex::new),
            peers: options.peers.as_ref().map(|names| {
                let names = names.iter().map(String::as_str);
                PeerNames::new(names)
            }),
            server_tls,
            client_tls,
            strangers: Mutex::default(),
            proving: Mutex::default(),
            random: SystemRandom::new(),
            options,
        })
    }

    /// Is anything asked of peers?
    pub(crate) fn is_on(&self) -> bool {
        self.options.is_on()
    }

    pub(crate) fn name(&self) -> &str {
        &self.options.name
    }

    /// Does the own side begin handshakes?
    pub(crate) fn begins(&self) -> bool {
        self.is_on() && self.options.auth != Auth::Accept
    }

    /// Must every peer prove itself?
    pub(crate) fn requires(&self) -> bool {
        self.options.auth == Auth::Require
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.options.deadline
    }

    pub(crate) fn has_secret(&self) -> bool {
        self.keyring.is_some()
    }

    pub(crate) fn tls_mode(&self) -> Option<TlsMode> {
        self.options.tls
    }

    pub(crate) fn server_tls(&self) -> Option<&Tls> {
        self.server_tls.as_ref()
    }

    /// TLS for a connection to a node, whose address has this host.
    pub(crate) fn client_tls(&self, node: &str, host: &str) -> Option<Tls> {
        let mut tls = self.client_tls.clone()?;
        if self.options.tls == Some(TlsMode::Mutual) {
            let name = if self.options.tls_by_host { host } else { node };
            tls.name = Some(name.to_owned());
        }
        Some(tls)
    }

    /// The secrets as they are now. A file that cannot be used is told of once for each change.
    pub(crate) fn keys(&self, node: &Node) -> Option<Arc<keyring::Keys>> {
        let (keys, problem) = lock(self.keyring.as_ref()?).now();
        if let Some(problem) = problem {
            let line = format!("error: {problem}; the old secrets are still used");
            node.log(skynet_kernel::Handle::NONE, line.as_bytes());
        }
        Some(keys)
    }

    /// Random bytes. `None`: the system has none.
    pub(crate) fn nonce(&self) -> Option<[u8; 32]> {
        let mut nonce = [0; 32];
        self.random.fill(&mut nonce).ok()?;
        Some(nonce)
    }

    /// Begins a handshake with a node; the content of its first frame comes, too.
    pub(crate) fn client(
        &self,
        node: &Node,
        to: &str,
        binding: &[u8],
    ) -> Option<(Client, Vec<u8>)> {
        let keys = self.keys(node)?;
        Some(Client::new(
            self.name(),
            to,
            keys.first(),
            self.nonce()?,
            binding,
        ))
    }

    /// May a node of this name connect?
    pub(crate) fn admits(&self, name: &str) -> bool {
        self.peers.as_ref().is_none_or(|peers| peers.has(name))
    }

    pub(crate) fn strangers(&self) -> std::sync::MutexGuard<'_, Strangers> {
        lock(&self.strangers)
    }

    /// A connection has come in.
    pub(crate) fn begin_proving(&self, id: SocketId) {
        lock(&self.proving).insert(id);
    }

    /// It has proved itself, or has gone.
    pub(crate) fn end_proving(&self, id: SocketId) {
        lock(&self.proving).remove(&id);
    }

    pub(crate) fn is_proving(&self, id: SocketId) -> bool {
        lock(&self.proving).contains(&id)
    }
}
