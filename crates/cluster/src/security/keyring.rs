//! The secrets of a node: the one of the config key `clustersecret`, or those of a file, which may change.
//!
//! A line of the file is `NAME SECRET`; `#` begins a comment. The first one is for connections that this node makes, all
//! are for those that come in: a new secret is added as the second one everywhere, then made the first, and then the
//! old one is removed. The name `-` stands for the secret of `clustersecret`, whose name is empty. Of a name
//! `node:NAME` whoever proves the secret is the node NAME.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::{hkdf, hmac};
use skynet_net::tls::Watched;

/// Bytes of the shortest secret.
pub(crate) const SHORTEST: usize = 16;
/// Bytes of the largest file.
const LARGEST: u64 = 1 << 20;
/// Bytes of the longest name.
const NAME: usize = 128;

/// What is wrong with a secret. The text never has one in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// `clustersecret` is too short.
    #[error(
        "clustersecret has {0} bytes; at least 16 are needed (`skynet keygen` prints a good one)"
    )]
    Short(usize),
    /// Both keys are set.
    #[error(
        "clustersecret and clustersecretfile are both set: remove one (a line `- SECRET` of the file is the former)"
    )]
    Both,
    /// The file cannot be read.
    #[error("clustersecretfile: cannot read {}: {why}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's text.
        why: String,
    },
    /// A line of the file.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong, and what to do.
        what: &'static str,
    },
    /// There is no line.
    #[error("{} has no secret in it: write a line NAME SECRET", .0.display())]
    Empty(PathBuf),
}

/// A secret, made ready for use.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) mac: hmac::Key,
}

impl Key {
    pub(crate) fn new(name: &str, secret: &str) -> Key {
        Key {
            name: name.to_owned(),
            mac: derive(secret.as_bytes(), name.as_bytes()),
        }
    }

    /// The node that whoever proves the secret is.
    pub(crate) fn node(&self) -> Option<&str> {
        self.name.strip_prefix("node:")
    }
}

/// HKDF-SHA256 of the secret, with the salt of this protocol and the key's name.
fn derive(secret: &[u8], name: &[u8]) -> hmac::Key {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"skynet cluster 1");
    let info = [name];
    let extracted = salt.extract(secret);
    match extracted.expand(&info, hmac::HMAC_SHA256) {
        Ok(material) => hmac::Key::from(material),
        // 32 bytes are never too many for HKDF.
        Err(_) => unreachable!("HKDF gives up to 8,160 bytes"),
    }
}

/// Secrets; at least one.
pub(crate) struct Keys(Vec<Key>);

impl Keys {
    pub(crate) fn first(&self) -> &Key {
        &self.0[0]
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&Key> {
        self.0.iter().find(|key| key.name.as_bytes() == name)
    }
}

/// The secrets of a node.
pub(crate) enum Keyring {
    One(Arc<Keys>),
    File(PathBuf, Watched<Keys>),
}

impl Keyring {
    /// `None`: nothing is set.
    pub(crate) fn new(
        secret: Option<&str>,
        file: Option<&Path>,
    ) -> Result<Option<Keyring>, SecretError> {
        match (secret, file) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(SecretError::Both),
            (Some(secret), None) if secret.len() < SHORTEST => {
                Err(SecretError::Short(secret.len()))
            }
            (Some(secret), None) => {
                let keys = Keys(vec![Key::new("", secret)]);
                Ok(Some(Keyring::One(Arc::new(keys))))
            }
            (None, Some(path)) => {
                let watched = Watched::new(vec![path.to_owned()], || read(path))?;
                Ok(Some(Keyring::File(path.to_owned(), watched)))
            }
        }
    }

    /// As they are now; and what is wrong with a file that has changed, once.
    pub(crate) fn now(&mut self) -> (Arc<Keys>, Option<SecretError>) {
        match self {
            Keyring::One(keys) => (Arc::clone(keys), None),
            Keyring::File(path, watched) => watched.get(|| read(path)),
        }
    }
}

fn read(path: &Path) -> Result<Keys, SecretError> {
    let failed = |why: String| SecretError::Read {
        path: path.to_owned(),
        why,
    };
    let file = fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    file.take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > LARGEST {
        return Err(failed("it has more than 1 MiB".to_owned()));
    }
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Keys, SecretError> {
    let mut keys: Vec<Key> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let wrong = |what| SecretError::Line {
            path: path.to_owned(),
            line: index + 1,
            what,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, secret)) = line.split_once(char::is_whitespace) else {
            return Err(wrong("a name without a secret: write NAME SECRET"));
        };
        let (name, secret) = (if name == "-" { "" } else { name }, secret.trim());
        if name.len() > NAME || name.contains(char::is_control) {
            return Err(wrong("the name is too long, or has control characters"));
        }
        if name == "node:" {
            return Err(wrong("`node:` without a name: write node:NAME SECRET"));
        }
        if secret.len() < SHORTEST {
            return Err(wrong(
                "the secret has less than 16 bytes (`skynet keygen` prints a good one)",
            ));
        }
        if keys.iter().any(|key| key.name == name) {
            return Err(wrong("a second secret of this name: give it another name"));
        }
        keys.push(Key::new(name, secret));
    }
    match keys.is_empty() {
        true => Err(SecretError::Empty(path.to_owned())),
        false => Ok(Keys(keys)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<String>, String> {
        let keys = parse(Path::new("secrets"), text).map_err(|error| error.to_string())?;
        Ok(keys.0.into_iter().map(|key| key.name).collect())
    }

    #[test]
    fn lines() {
        let text = "# of May\n\nmay  0123456789abcdef0 with spaces\n- 0123456789abcdef\nnode:web 0123456789abcdef\n";
        assert_eq!(parsed(text).unwrap(), ["may", "", "node:web"]);
        for (text, line, what) in [
            ("", "secrets ", "no secret"),
            ("a 0123456789abcde", "secrets:1", "less than 16 bytes"),
            ("\nabc", "secrets:2", "without a secret"),
            ("node: 0123456789abcdef", "secrets:1", "`node:`"),
            (
                "a 0123456789abcdef\na 0123456789abcdef",
                "secrets:2",
                "second secret",
            ),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.starts_with(line) && error.contains(what), "{error}");
            assert!(!error.contains("0123"), "{error}");
        }
    }

    #[test]
    fn settings() {
        assert!(Keyring::new(None, None).unwrap().is_none());
        let short = Keyring::new(Some("0123456789abcde"), None).err();
        assert_eq!(short, Some(SecretError::Short(15)));
        let both = Keyring::new(Some("0123456789abcdef"), Some(Path::new("x"))).err();
        assert_eq!(both, Some(SecretError::Both));
    }
}
