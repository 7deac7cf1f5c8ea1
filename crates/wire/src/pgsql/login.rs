//! What a client says to be let in.

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use super::Error;

/// How often a server may want the password to be hashed. It costs the client time, on a worker.
const MAX_ITERATIONS: u32 = 200_000;

fn failed(why: std::io::Error) -> Error {
    Error::Login(why.to_string())
}

/// The password as `md5` wants it.
pub fn md5(user: &[u8], password: &[u8], salt: [u8; 4]) -> String {
    md5_hash(user, password, salt)
}

/// A dialogue by SCRAM-SHA-256, without the part that binds it to a TLS connection.
pub struct Scram(ScramSha256);

impl Scram {
    /// Begins it.
    pub fn new(password: &[u8]) -> Scram {
        Scram(ScramSha256::new(password, ChannelBinding::unsupported()))
    }

    /// What is to be sent.
    pub fn message(&self) -> &[u8] {
        self.0.message()
    }

    /// The server's first answer; the next message is its result.
    pub fn challenge(&mut self, answer: &[u8]) -> Result<(), Error> {
        let iterations = answer
            .split(|byte| *byte == b',')
            .find_map(|part| part.strip_prefix(b"i="))
            .and_then(|digits| str::from_utf8(digits).ok()?.parse::<u32>().ok());
        match iterations {
            Some(n) if n <= MAX_ITERATIONS => self.0.update(answer).map_err(failed),
            _ => Err(Error::Login(format!(
                "the server wants the password to be hashed more than {MAX_ITERATIONS} times, or an unknown number of times"
            ))),
        }
    }

    /// The server's last answer, by which it shows that it knows the password.
    pub fn finish(&mut self, answer: &[u8]) -> Result<(), Error> {
        self.0.finish(answer).map_err(failed)
    }
}
