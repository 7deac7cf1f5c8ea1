//! `skynet.crypt`, which is also `client.crypt`: the login protocol's exchange and codes, DES, digests, hexadecimal and
//! base64, and what new code should use instead. The work is done in the crate `skynet-crypt`.

pub mod md5;
pub(crate) mod password;

use mlua_sys::lua55::lua_CFunction;
use skynet_crypt::des::{self, Padding};
use skynet_crypt::{Error, digest, exchange, modern, text};

use skynet_vm::lua::Lua;
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, Outcome, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("base64decode", base64_decode),
    ("base64encode", base64_encode),
    ("desdecode", des_decode),
    ("desencode", des_encode),
    ("dhexchange", dh_exchange),
    ("dhsecret", dh_secret),
    ("equal", equal),
    ("hashkey", hash_key),
    ("hexdecode", hex_decode),
    ("hexencode", hex_encode),
    ("hmac64", hmac64),
    ("hmac64_md5", hmac64_md5),
    ("hmac_hash", hmac_hash),
    ("hmac_sha1", hmac_sha1),
    ("hmac_sha256", hmac_sha256),
    ("hmac_sha512", hmac_sha512),
    ("open", open_sealed),
    ("password_hash", password::password_hash),
    ("password_verify", password::password_verify),
    ("randombytes", random_bytes),
    ("randomkey", random_key),
    ("seal", seal),
    ("sha1", sha1),
    ("sha256", sha256),
    ("sha512", sha512),
    ("uuid", uuid),
    ("xor_str", xor),
];

/// The most bytes that `randombytes` makes at once.
const RANDOM_LIMIT: i64 = 1 << 20;

/// The string at `i`, or an empty one. *raises*
fn optional_string<'a>(l: Lua, i: i32) -> Result<&'a [u8], Fault> {
    if l.is_none_or_nil(i) {
        Ok(b"")
    } else {
        l.string_argument(i)
    }
}

/// The 8 bytes at `i`. *raises*
fn word(l: Lua, i: i32, wrong: &'static str) -> Result<[u8; 8], Fault> {
    l.string_argument(i)?
        .try_into()
        .map_err(|_| Fault::from(wrong))
}

/// The padding at `i`. *raises*
fn padding(l: Lua, i: i32) -> Result<Padding, Fault> {
    if l.is_none_or_nil(i) {
        return Ok(Padding::Iso7816);
    }
    let number = l.int(i).ok_or_else(|| l.expected(i, "number"))?;
    // A C integer in skynet (C).
    Padding::by_number((number as i32).into()).map_err(fault)
}

fn fault(error: Error) -> Fault {
    Fault::Text(error.to_string().into())
}

/// Returns bytes that have been made.
fn made(l: Lua, bytes: Result<impl Into<Vec<u8>>, Error>) -> Outcome {
    l.push_owned(bytes.map_err(fault)?);
    results(1)
}

/// Returns bytes of a fixed size. *raises*
fn fixed<const N: usize>(l: Lua, bytes: Result<[u8; N], Error>) -> Outcome {
    l.push_bytes(&bytes.map_err(fault)?);
    results(1)
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        l.new_table(0, Padding::ALL.len());
        for (name, number, _) in Padding::ALL {
            l.push_int(number);
            l.raw_set_str(-2, name);
        }
        l.raw_set_str(-2, "padding");
        results(1)
    };

    /// `randomkey()`: 8 random bytes
    random_key = |l| fixed(l, exchange::random_key());

    /// `hashkey(s)`
    hash_key = |l| fixed(l, Ok(exchange::hash_key(l.string_argument(1)?)));

    /// `hmac64(x, y)`
    hmac64 = |l| {
        let (x, y) = (word(l, 1, "Invalid uint64 x")?, word(l, 2, "Invalid uint64 y")?);
        fixed(l, Ok(exchange::hmac64(x, y)))
    };

    /// `hmac64_md5(x, y)`
    hmac64_md5 = |l| {
        let (x, y) = (word(l, 1, "Invalid uint64 x")?, word(l, 2, "Invalid uint64 y")?);
        fixed(l, Ok(exchange::hmac64_md5(x, y)))
    };

    /// `hmac_hash(key, text)`
    hmac_hash = |l| {
        let key = word(l, 1, "Invalid uint64 key")?;
        fixed(l, Ok(exchange::hmac_hash(key, l.string_argument(2)?)))
    };

    /// `dhexchange(private)` to the public key
    dh_exchange = |l| fixed(l, exchange::dh_exchange(word(l, 1, "Invalid dh uint64 key")?));

    /// `dhsecret(public, private)`
    dh_secret = |l| {
        let (x, y) = (word(l, 1, "Invalid uint64 x")?, word(l, 2, "Invalid uint64 y")?);
        fixed(l, exchange::dh_secret(x, y))
    };

    /// `desencode(key, text [, padding])`
    des_encode = |l| {
        let (key, text) = (l.string_argument(1)?, l.string_argument(2)?);
        des::check_key(key).map_err(fault)?;
        made(l, des::encode(key, text, padding(l, 3)?))
    };

    /// `desdecode(key, text [, padding])`
    des_decode = |l| {
        let (key, text) = (l.string_argument(1)?, l.string_argument(2)?);
        des::check_key(key).map_err(fault)?;
        made(l, des::decode(key, text, padding(l, 3)?))
    };

    hex_encode = |l| made(l, Ok(text::hex_encode(l.string_argument(1)?)));

    hex_decode = |l| made(l, text::hex_decode(l.string_argument(1)?));

    base64_encode = |l| made(l, Ok(text::base64_encode(l.string_argument(1)?)));

    base64_decode = |l| made(l, text::base64_decode(l.string_argument(1)?));

    sha1 = |l| fixed(l, Ok(digest::sha1(l.string_argument(1)?)));

    sha256 = |l| fixed(l, Ok(digest::sha256(l.string_argument(1)?)));

    sha512 = |l| fixed(l, Ok(digest::sha512(l.string_argument(1)?)));

    /// `hmac_sha1(key, text)`, and the others alike
    hmac_sha1 = |l| fixed(l, Ok(digest::hmac_sha1(l.string_argument(1)?, l.string_argument(2)?)));

    hmac_sha256 = |l| fixed(l, Ok(digest::hmac_sha256(l.string_argument(1)?, l.string_argument(2)?)));

    hmac_sha512 = |l| fixed(l, Ok(digest::hmac_sha512(l.string_argument(1)?, l.string_argument(2)?)));

    /// `xor_str(text, key)`
    xor = |l| made(l, text::xor(l.string_argument(1)?, l.string_argument(2)?));

    /// `randombytes(n)`
    random_bytes = |l| {
        let n = l.int(1).filter(|n| (0..=RANDOM_LIMIT).contains(n)).ok_or_else(|| {
            Fault::Argument(1, format!("a number of bytes from 0 to {RANDOM_LIMIT} expected").into())
        })?;
        made(l, modern::random_bytes(n as usize))
    };

    /// `equal(a, b)`, in constant time
    equal = |l| {
        l.push_bool(modern::equal(l.string_argument(1)?, l.string_argument(2)?));
        results(1)
    };

    /// `seal(key, text [, data])`: AES-256-GCM
    seal = |l| made(l, modern::seal(l.string_argument(1)?, l.string_argument(2)?, optional_string(l, 3)?));

    /// `open(key, sealed [, data])`: the text, or nil and why
    open_sealed = |l| {
        let (key, sealed, data) = (l.string_argument(1)?, l.string_argument(2)?, optional_string(l, 3)?);
        match modern::open(key, sealed, data) {
            Err(error @ Error::Sealed) => {
                l.push_nil();
                l.push_owned(error.to_string());
                results(2)
            }
            other => made(l, other),
        }
    };

    /// `uuid([version])`: 4, random, or 7, which begins with the time
    uuid = |l| {
        let version = if l.is_none_or_nil(1) { Some(4) } else { l.int(1) };
        let text = match version {
            Some(4) => modern::uuid_v4(),
            Some(7) => modern::uuid_v7(),
            _ => return Err(Fault::Argument(1, "4 or 7 expected".into())),
        };
        made(l, Ok(text))
    };
}
