//! Digits of a server as Lua numbers.

use std::ffi::c_char;

use mlua_sys::lua55 as ffi;
use skynet_vm::lua::Lua;

/// Texts longer than this are no numbers here; `tonumber` would take any length.
const LONGEST: usize = 400;

/// Pushes what `tonumber(text)` gives.
pub(super) fn push(l: Lua, text: &[u8]) {
    if let Some(n) = integer(text) {
        return l.push_int(n);
    }
    let mut copy: [c_char; LONGEST + 1] = [0; LONGEST + 1];
    if text.len() > LONGEST {
        return l.push_nil();
    }
    for (to, &from) in copy.iter_mut().zip(text) {
        *to = from as c_char;
    }
    // SAFETY: the copy ends in a zero byte, and the stack has room for the number, which is pushed if there is one.
    let size = unsafe { ffi::lua_stringtonumber(l.0, copy.as_ptr()) };
    if size == 0 {
        l.push_nil();
    } else if size != text.len() + 1 {
        // Something stands behind a zero byte.
        l.pop(1);
        l.push_nil();
    }
}

/// Decimal digits with an optional minus sign, if they are surely in range.
fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut n = 0i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n * 10 + i64::from(digit);
    }
    Some(if negative { -n } else { n })
}

#[cfg(test)]
mod tests {
    use super::integer;

    #[test]
    fn short_integers() {
        assert_eq!(integer(b"-12"), Some(-12));
        assert_eq!(integer(b"007"), Some(7));
        assert_eq!(
            integer(b"999999999999999999"),
            Some(999_999_999_999_999_999)
        );
        for text in ["", "-", "+1", "1.0", "9223372036854775807", "0x1", " 1"] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }
}
