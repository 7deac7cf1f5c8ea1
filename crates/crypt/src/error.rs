/// Why a function of this crate refuses its input. The texts are those that Lua programs see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A 64-bit quantity of the key exchange is zero.
    #[error("Can't be 0")]
    Zero,
    /// A DES key is not 8 bytes long.
    #[error("Invalid key size {0}, need 8 bytes")]
    DesKey(usize),
    /// The number of a padding that does not exist.
    #[error("Invalid padding mode {0}")]
    Padding(i64),
    /// A DES cipher text is empty or no multiple of 8 bytes long.
    #[error("Invalid des crypt text length {0}")]
    DesLength(usize),
    /// What was deciphered does not end in padding: a wrong key, or a damaged text.
    #[error("Invalid des crypt text")]
    DesText,
    /// Hexadecimal text of odd length.
    #[error("Invalid hex text size {0}")]
    HexLength(usize),
    /// A character that is no hexadecimal digit.
    #[error("Invalid hex text")]
    Hex,
    /// Text that is not base64.
    #[error("Invalid base64 text")]
    Base64,
    /// The key of an XOR is empty.
    #[error("Can't xor empty string")]
    EmptyXor,
    /// The key of `md5.crypt` is longer than 256 bytes.
    #[error("key too long (> 256)")]
    StreamKey,
    /// The seed of `md5.crypt` is longer than 16 bytes.
    #[error("seed too long (> 16)")]
    StreamSeed,
    /// A text that `md5.crypt` has not made.
    #[error("invalid cyphered string")]
    Stream,
    /// A key or nonce of the wrong length for AES-256-GCM.
    #[error("{what} of {got} bytes, need {need}")]
    Length {
        /// What has the wrong length.
        what: &'static str,
        /// Its length in bytes.
        got: usize,
        /// The length it must have, in bytes.
        need: usize,
    },
    /// AES-256-GCM: the text was not sealed with this key, nonce and associated data, or it was changed.
    #[error("cannot open: wrong key, nonce or associated data, or the text was changed")]
    Sealed,
    /// The cost of a password hash is outside what is allowed.
    #[error("password hash: {0}")]
    PasswordCost(String),
    /// A text that is no password hash in PHC form, or of another algorithm than argon2.
    #[error("not an argon2 password hash in PHC form")]
    PasswordHash,
    /// A text that is no public RSA key in PEM form.
    #[error("not a public RSA key in PEM form: {0}")]
    PublicKey(String),
    /// A text of so many bytes cannot be enciphered with this RSA key.
    #[error("{0} bytes cannot be enciphered with this RSA key: {1}")]
    RsaLength(usize, String),
    /// The operating system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}
