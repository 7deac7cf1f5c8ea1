//! `md5`, with its native half `md5.core`: digests and a cipher made of MD5.

use std::time::{SystemTime, UNIX_EPOCH};

use mlua_sys::lua55::lua_CFunction;
use skynet_crypt::digest::{hmac_md5, md5};
use skynet_crypt::{stream, text};

use super::{fault, fixed, made};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("crypt", crypt),
    ("decrypt", decrypt),
    ("exor", exor),
    ("hmacmd5", hmacmd5),
    ("sum", sum),
    ("sumhexa", sumhexa),
];

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        l.push_str("MD5 1.2");
        l.raw_set_str(-2, "_VERSION");
        results(1)
    };

    /// `sum(s)`: 16 bytes
    sum = |l| fixed(l, Ok(md5(l.string_argument(1)?)));

    /// `sumhexa(s)`: 32 digits
    sumhexa = |l| made(l, Ok(text::hex_encode(&md5(l.string_argument(1)?))));

    /// `hmacmd5(data, key)`: 32 digits
    hmacmd5 = |l| {
        let (data, key) = (l.string_argument(1)?, l.string_argument(2)?);
        made(l, Ok(text::hex_encode(&hmac_md5(key, data))))
    };

    /// `exor(a, b)`: the XOR of two strings of one length
    exor = |l| {
        let (a, b) = (l.string_argument(1)?, l.string_argument(2)?);
        if a.len() != b.len() {
            return Err(Fault::Argument(2, "lengths must be equal".into()));
        }
        if a.is_empty() {
            l.push_bytes(b"");
            return results(1);
        }
        made(l, text::xor(a, b))
    };

    /// `crypt(text, key [, seed])`
    crypt = |l| {
        let (plain, key) = (l.string_argument(1)?, l.string_argument(2)?);
        if !l.is_none_or_nil(3) {
            return made(l, stream::encrypt(plain, key, l.string_argument(3)?));
        }
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        made(l, stream::encrypt(plain, key, &seconds.to_ne_bytes()))
    };

    /// `decrypt(cipher, key)`
    decrypt = |l| {
        let (cipher, key) = (l.string_argument(1)?, l.string_argument(2)?);
        l.push_owned(stream::decrypt(cipher, key).map_err(fault)?);
        results(1)
    };
}
