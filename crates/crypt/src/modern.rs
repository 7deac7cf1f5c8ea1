//! What new code should use: authenticated encryption, password hashes, random bytes, UUIDs, comparison in constant
//! time.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::Error;

/// The length of a key of AES-256-GCM, in bytes.
pub const KEY: usize = 32;
/// The length of a nonce of AES-256-GCM, in bytes.
pub const NONCE: usize = 12;

/// `n` bytes of the operating system's random generator.
///
/// # Errors
/// [`Error::Random`].
pub fn random_bytes(n: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; n];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes)
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// A random UUID (version 4), as text in lower case.
pub fn uuid_v4() -> String {
    Uuid::new_v4().to_string()
}

/// A UUID that begins with the time in milliseconds (version 7), as text in lower case. Those of one process sort in
/// the order in which they were made.
pub fn uuid_v7() -> String {
    Uuid::now_v7().to_string()
}

/// AES-256-GCM: the nonce, the enciphered text, and a tag of 16 bytes. The nonce is a random one.
///
/// `data` is authenticated with the text but is not part of the result.
///
/// # Errors
/// [`Error::Length`] for a key that is not [`KEY`] bytes long, [`Error::Random`].
pub fn seal(key: &[u8], text: &[u8], data: &[u8]) -> Result<Vec<u8>, Error> {
    let cipher = cipher(key)?;
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(Error::Random)?;
    let sealed = cipher
        .encrypt(
            &Nonce::from(nonce),
            Payload {
                msg: text,
                aad: data,
            },
        )
        .map_err(|_| Error::Sealed)?;
    let mut out = Vec::with_capacity(NONCE + sealed.len());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// The text that [`seal`] was given.
///
/// # Errors
/// [`Error::Length`], and [`Error::Sealed`] if key, data or sealed text are not those of [`seal`].
pub fn open(key: &[u8], sealed: &[u8], data: &[u8]) -> Result<Vec<u8>, Error> {
    let cipher = cipher(key)?;
    let (nonce, text) = sealed.split_first_chunk::<NONCE>().ok_or(Error::Sealed)?;
    cipher
        .decrypt(
            &Nonce::from(*nonce),
            Payload {
                msg: text,
                aad: data,
            },
        )
        .map_err(|_| Error::Sealed)
}

fn cipher(key: &[u8]) -> Result<Aes256Gcm, Error> {
    Aes256Gcm::new_from_slice(key).map_err(|_| Error::Length {
        what: "AES-256 key",
        got: key.len(),
        need: KEY,
    })
}

/// What a password hash costs: each guess of an attacker costs the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB, from 8 for each lane to [`PasswordCost::MEMORY_LIMIT`].
    pub memory: u32,
    /// Passes over the memory, from 1 to [`PasswordCost::PASSES_LIMIT`].
    pub passes: u32,
    /// Lanes, from 1 to [`PasswordCost::LANES_LIMIT`].
    pub lanes: u32,
}

impl PasswordCost {
    /// 256 MiB, in KiB. A hash that somebody put into a database cannot make a node take more.
    pub const MEMORY_LIMIT: u32 = 1 << 18;
    /// The most that memory in KiB times passes may be: some seconds.
    pub const WORK_LIMIT: u64 = 1 << 21;
    /// The most passes.
    pub const PASSES_LIMIT: u32 = 64;
    /// The most lanes.
    pub const LANES_LIMIT: u32 = 16;

    /// Is it within the limits?
    ///
    /// # Errors
    /// [`Error::PasswordCost`].
    pub fn check(self) -> Result<(), Error> {
        self.params().map(|_| ())
    }

    fn params(self) -> Result<Params, Error> {
        if self.memory > Self::MEMORY_LIMIT {
            return Err(cost(format!(
                "memory {} KiB, at most {}",
                self.memory,
                Self::MEMORY_LIMIT
            )));
        }
        if self.passes > Self::PASSES_LIMIT {
            return Err(cost(format!(
                "passes {}, at most {}",
                self.passes,
                Self::PASSES_LIMIT
            )));
        }
        let work = u64::from(self.memory) * u64::from(self.passes);
        if work > Self::WORK_LIMIT {
            return Err(cost(format!(
                "memory times passes is {work} KiB, at most {}",
                Self::WORK_LIMIT
            )));
        }
        if self.lanes > Self::LANES_LIMIT {
            return Err(cost(format!(
                "lanes {}, at most {}",
                self.lanes,
                Self::LANES_LIMIT
            )));
        }
        Params::new(self.memory, self.passes, self.lanes, None).map_err(|e| cost(e.to_string()))
    }
}

impl Default for PasswordCost {
    /// 19 MiB, two passes, one lane: what OWASP recommends for argon2id.
    fn default() -> PasswordCost {
        PasswordCost {
            memory: Params::DEFAULT_M_COST,
            passes: Params::DEFAULT_T_COST,
            lanes: Params::DEFAULT_P_COST,
        }
    }
}

fn cost(text: String) -> Error {
    Error::PasswordCost(text)
}

/// An argon2id hash of a password with a random salt, as a PHC string (`$argon2id$v=19$m=…`).
///
/// It takes tens of milliseconds, and the memory that `cost` says, on purpose.
///
/// # Errors
/// [`Error::PasswordCost`].
pub fn hash_password(password: &[u8], cost: PasswordCost) -> Result<String, Error> {
    let salt = random_bytes(16)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params()?);
    let hash: PasswordHash = argon2
        .hash_password_customized(password, &salt, None, None, argon2.params().clone())
        .map_err(|e| Error::PasswordCost(e.to_string()))?;
    Ok(hash.to_string())
}

/// Whether a text is a hash that [`verify_password`] works with: a PHC string of argon2 within the limits of
/// [`PasswordCost`]. Quick.
///
/// # Errors
/// [`Error::PasswordHash`], [`Error::PasswordCost`].
pub fn check_password_hash(hash: &str) -> Result<(), Error> {
    checked(hash).map(|_| ())
}

/// Whether `password` is the one of a PHC string. The string says what it costs.
///
/// # Errors
/// [`Error::PasswordHash`], [`Error::PasswordCost`].
pub fn verify_password(password: &[u8], hash: &str) -> Result<bool, Error> {
    let hash = checked(hash)?;
    match Argon2::default().verify_password(password, &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(Error::PasswordHash),
    }
}

fn checked(hash: &str) -> Result<PasswordHash, Error> {
    let hash = PasswordHash::new(hash).map_err(|_| Error::PasswordHash)?;
    let params = Params::try_from(&hash).map_err(|_| Error::PasswordHash)?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(Error::PasswordHash);
    }
    Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| Error::PasswordHash)?;
    PasswordCost {
        memory: params.m_cost(),
        passes: params.t_cost(),
        lanes: params.p_cost(),
    }
    .params()?;
    Ok(hash)
}
