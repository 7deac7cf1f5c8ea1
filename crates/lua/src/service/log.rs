//! Log lines: `skynet.error`, and those of the library, which take the way of the application's own `skynet.error` if
//! it has put one there.

use std::ffi::c_int;

use super::{Svc, service};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Outcome, native, results};

native! {
    /// `error(...)`
    error = |l| log_values(l, service(l)?, 1);
}

/// Logs the values from `first` on, joined by a space.
fn log_values(l: Lua, svc: &Svc, first: c_int) -> Outcome {
    let n = l.top();
    if n < first {
        svc.cx.log("nil");
        return results(0);
    }
    if !l.check_stack(2 * (n - first) + 4) {
        return Err("too many values to log".into());
    }
    for i in first..=n {
        if i > first {
            l.push_str(" ");
        }
        l.to_display(i);
    }
    l.concat(2 * (n - first) + 1);
    svc.cx.log(l.bytes(-1).unwrap_or(b""));
    results(0)
}

/// Logs the top `n` values, and pops them: by the `skynet.error` of the application, if it has put its own there.
/// *raises*
pub(crate) fn call_error(l: Lua, svc: &Svc, n: c_int) {
    let first = l.top() - n + 1;
    l.push_ref(svc.refs.skynet.get());
    let own = l.kind(-1) == Type::Table && {
        let kind = l.raw_get_str(-1, "error");
        let native = l
            .c_function(-1)
            .is_some_and(|f| f as usize == error as *const () as usize);
        kind != Type::Nil && !native
    };
    if own {
        l.insert(first);
        l.pop(1);
    } else {
        l.set_top(first + n - 1);
        l.push_function(error);
        l.insert(first);
    }
    l.call(n, 0);
}

/// The same for one text.
pub(crate) fn log_text(l: Lua, svc: &Svc, text: Vec<u8>) {
    l.push_owned(text);
    call_error(l, svc, 1);
}
