//! `lpeg`: parsing expression grammars, as LPeg 1.1 has them.
//!
//! The crate `peg` has trees, compiler and machine; here is what Lua has to do with it. A pattern is a userdata whose
//! memory is the tree (`pattern.rs`); `build.rs` and `grammar.rs` make new ones of those that there are. `matching.rs`
//! runs the machine, whose memory is a userdata too, so all of it is counted to the service and nothing is lost if a
//! function that is called raises an error. `values.rs` makes Lua values of the captures.

mod build;
mod grammar;
mod home;
mod matching;
mod pattern;
mod values;

use mlua_sys::lua55::lua_CFunction;
use skynet_vm::native::{native, push_functions, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("B", build::behind),
    ("C", build::simple),
    ("Carg", build::argument),
    ("Cb", build::back),
    ("Cc", build::constant),
    ("Cf", build::fold),
    ("Cg", build::group),
    ("Cmt", build::match_time),
    ("Cp", build::position),
    ("Cs", build::substitution),
    ("Ct", build::table),
    ("P", build::pattern),
    ("R", build::range),
    ("S", build::set),
    ("V", build::variable),
    ("locale", build::locale),
    ("match", matching::run),
    ("setmaxstack", matching::setmaxstack),
    ("type", build::kind),
    ("utfR", build::utf8),
];

const METAMETHODS: &[(&str, lua_CFunction)] = &[
    ("__add", build::choice),
    ("__div", build::divided),
    ("__len", build::and),
    ("__mod", build::accumulated),
    ("__mul", build::seq),
    ("__pow", build::repeated),
    ("__sub", build::minus),
    ("__unm", build::not),
];

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        l.push_str("LPeg 1.1.0");
        l.raw_set_str(-2, "version");
        home::push(l);
        l.pop(1);
        pattern::push_metatable(l);
        for (name, function) in METAMETHODS {
            l.push_function(*function);
            l.raw_set_str(-2, name);
        }
        l.push_value(-2);
        l.raw_set_str(-2, "__index");
        l.pop(1);
        results(1)
    };
}
