//! Values that Lua has no type for, as strings: a zero byte, the number of the BSON type, and the content.

use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustc_hash::FxHasher;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, Outcome, native, results};
use skynet_wire::bson::kind;
use std::hash::Hasher;

/// The values without content.
pub(super) const CONSTANTS: [(&str, &[u8]); 3] = [
    ("maxkey", &[0, kind::MAX_KEY]),
    ("minkey", &[0, kind::MIN_KEY]),
    ("null", &[0, kind::NULL]),
];

/// The type and content of a string that stands for such a value. `"\0"` alone is an ordinary string.
pub(super) fn split(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [0, kind, content @ ..] => Some((*kind, content)),
        _ => None,
    }
}

/// Pushes the string of a value. *raises*
pub(super) fn push<const N: usize>(l: Lua, kind: u8, content: [u8; N]) {
    // 12 bytes are the most that is not owned.
    let mut text = [0; 14];
    text[1] = kind;
    text[2..2 + N].copy_from_slice(&content);
    l.push_bytes(&text[..2 + N]);
}

/// Pushes the string of a value whose content is of any length. *raises*
pub(super) fn push_long(l: Lua, kind: u8, content: &[&[u8]]) {
    let mut text = Vec::with_capacity(2 + content.iter().map(|part| part.len()).sum::<usize>());
    text.extend_from_slice(&[0, kind]);
    for part in content {
        text.extend_from_slice(part);
    }
    l.push_owned(text);
}

/// A text for an error out of bytes that need not be one; it ends at a zero byte.
pub(super) fn shown(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The content as `N` bytes.
pub(super) fn sized<const N: usize>(content: &[u8], wrong: &'static str) -> Result<[u8; N], Fault> {
    content.try_into().map_err(|_| Fault::from(wrong))
}

fn seconds() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs() as u32)
}

/// A new object id: seconds, host, process, and a number that counts up from a random one.
fn new_objectid() -> [u8; 12] {
    static START: OnceLock<(u32, AtomicU32)> = OnceLock::new();
    let (host, counter) = START.get_or_init(|| {
        let name = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
        let mut hasher = FxHasher::default();
        hasher.write(&name);
        let host = hasher.finish();
        hasher.write_u32(process::id());
        hasher.write_u32(seconds());
        ((host >> 20) as u32, AtomicU32::new(hasher.finish() as u32))
    });
    let number = counter.fetch_add(1, Ordering::Relaxed);
    let mut id = [0; 12];
    id[..4].copy_from_slice(&seconds().to_be_bytes());
    id[4..7].copy_from_slice(&host.to_le_bytes()[..3]);
    id[7..9].copy_from_slice(&(process::id() as u16).to_le_bytes());
    id[9..].copy_from_slice(&number.to_be_bytes()[1..]);
    id
}

/// The value of a digit of an object id. Other letters count on from `f`, other characters are 0, as in skynet (C).
fn digit(c: u8) -> u8 {
    match c {
        b'0'..=b'9' => c - b'0',
        b'a'..=b'z' => c - b'a' + 10,
        b'A'..=b'Z' => c - b'A' + 10,
        _ => 0,
    }
}

native! {
    /// `objectid([hex])`: of 24 digits, or a new one
    objectid = |l| {
        if l.is_none_or_nil(1) {
            push(l, kind::OBJECT_ID, new_objectid());
            return results(1);
        }
        let text = l.string_argument(1)?;
        if text.len() != 24 {
            return Err(Fault::from(format!("Invalid objectid {}", shown(text))));
        }
        let byte = |i: usize| (digit(text[2 * i]) << 4) | digit(text[2 * i + 1]);
        push::<12>(l, kind::OBJECT_ID, std::array::from_fn(byte));
        results(1)
    };

    /// `date(seconds)`
    date = |l| {
        let seconds = l.integer_argument(1)? as u32;
        push(l, kind::DATE, seconds.to_le_bytes());
        results(1)
    };

    /// `timestamp(seconds [, increment])`
    timestamp = |l| {
        static INCREMENT: AtomicU32 = AtomicU32::new(0);
        let seconds = l.integer_argument(1)? as u32;
        let increment = match l.is_none_or_nil(2) {
            true => INCREMENT.fetch_add(1, Ordering::Relaxed),
            false => l.integer_argument(2)? as u32,
        };
        push(l, kind::TIMESTAMP, words(increment, seconds));
        results(1)
    };

    /// `regex(pattern [, options])`
    regex = |l| {
        let pattern = l.string_argument(1)?;
        let options = if l.is_none_or_nil(2) { b"" } else { l.string_argument(2)? };
        push_long(l, kind::REGEX, &[pattern, &[0], options, &[0]]);
        results(1)
    };

    /// `binary(data)`: of sub-type 0
    binary = |l| {
        push_long(l, kind::BINARY, &[&[0], l.string_argument(1)?]);
        results(1)
    };

    /// `int64(n)`
    int64 = |l| {
        push(l, kind::INT64, l.integer_argument(1)?.to_le_bytes());
        results(1)
    };

    /// `type(v)`: the name of its type, and what it holds
    kind_of = |l| {
        let name = match l.kind(1) {
            Type::None | Type::Nil => {
                l.push_str("nil");
                return results(1);
            }
            Type::Number => "number",
            Type::Boolean => "boolean",
            Type::Table => "table",
            Type::String => return match split(l.string_argument(1)?) {
                Some((kind, content)) => special_kind(l, kind, content),
                None => named(l, "string"),
            },
            _ => return Err(Fault::from(format!("Invalid type {}", l.type_name(1)))),
        };
        named(l, name)
    };
}

/// Seconds behind an increment.
pub(super) fn words(increment: u32, seconds: u32) -> [u8; 8] {
    (u64::from(seconds) << 32 | u64::from(increment)).to_le_bytes()
}

/// Returns a name and the argument.
fn named(l: Lua, name: &'static str) -> Outcome {
    l.push_str(name);
    l.push_value(1);
    results(2)
}

/// Returns the name of a special value's type, and its parts. *raises*
fn special_kind(l: Lua, kind: u8, content: &[u8]) -> Outcome {
    match kind {
        kind::NULL => l.push_str("nil"),
        kind::MIN_KEY => l.push_str("minkey"),
        kind::MAX_KEY => l.push_str("maxkey"),
        kind::BINARY => {
            let (&subtype, data) = content.split_first().ok_or("Invalid binary")?;
            l.push_str("binary");
            l.push_bytes(data);
            l.push_int(subtype.into());
            return results(3);
        }
        kind::OBJECT_ID => {
            let id: [u8; 12] = sized(content, "Invalid object id")?;
            l.push_str("objectid");
            let digits: [u8; 24] = std::array::from_fn(|i| {
                let nibble = if i % 2 == 0 {
                    id[i / 2] >> 4
                } else {
                    id[i / 2] & 15
                };
                b"0123456789abcdef"[usize::from(nibble)]
            });
            l.push_bytes(&digits);
            return results(2);
        }
        kind::DATE => {
            let seconds = i32::from_le_bytes(sized(content, "Invalid date")?);
            l.push_str("date");
            l.push_int(seconds.into());
            return results(2);
        }
        kind::TIMESTAMP => {
            let both = u64::from_le_bytes(sized(content, "Invalid timestamp")?);
            l.push_str("timestamp");
            l.push_int((both >> 32) as i64);
            l.push_int(i64::from(both as u32));
            return results(3);
        }
        kind::INT64 => {
            let n = i64::from_le_bytes(sized(content, "Invalid int64")?);
            l.push_str("int64");
            l.push_int(n);
            return results(2);
        }
        kind::REGEX => {
            let mut parts = content.split(|&byte| byte == 0);
            let (pattern, options) = (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            );
            l.push_str("regex");
            l.push_bytes(pattern);
            l.push_bytes(options);
            return results(3);
        }
        _ => {
            l.push_str("unsupported");
            l.push_bytes(content);
            return results(2);
        }
    }
    results(1)
}
