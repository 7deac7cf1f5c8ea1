//! The behaviour tests of the runtime, and the harness that they share.
//!
//! Everything here drives the real `skynet` binary from outside: a test writes a config file into a folder of its own,
//! starts the binary there with a time limit, and looks at standard output (where the log goes unless the config says
//! otherwise), standard error and the exit status.
//!
//! Most tests are written in Lua. A file `lua/<group>/<file>.lua` holds *cases* (functions that check something) and
//! *roles* (the other services that the cases need); each case runs in a process of its own, chosen by the config key
//! `case`. A check prints `ok <name>` or `FAIL <name>: <why>`; the end of a case prints `DONE <number of checks>` and
//! stops the node. [`Output::passed`] accepts nothing less than that and exit status 0, so a case that dies half way,
//! hangs or checks nothing fails. [`lua_cases!`] makes one Rust test of each case.

#![forbid(unsafe_code)]

mod binary;
pub mod certificates;
pub mod cluster;
pub mod console;
pub mod database;
pub mod dialogue;
pub mod etcd;
pub mod harbor;
pub mod installation;
pub mod meta;
mod node;
mod output;
pub mod peer;
pub mod running;
pub mod script;
pub mod silent;
mod skipped;
pub mod vectors;

pub use binary::{skynet, workspace};
pub use node::{Node, lua_dir, quote};
pub use output::Output;
pub use running::Running;
pub use skipped::skipped;

/// One Rust test for each Lua case.
///
/// `lua_cases! { "group/file" { name; other[thread = "1"]; third => |out| out.has("text"); } }`: brackets hold config
/// keys with Lua expressions as values, and the closure looks at the output after the case has passed.
#[macro_export]
macro_rules! lua_cases {
    ($($file:literal { $($case:ident $([$($key:ident = $value:expr),* $(,)?])? $(=> $look:expr)?;)* })*) => {
        $($(
            #[test]
            #[allow(non_snake_case)]
            fn $case() {
                let output = $crate::Node::case($file, stringify!($case))
                    $($(.key(stringify!($key), $value))*)?
                    .run();
                output.passed();
                $({
                    let look: fn(&$crate::Output) = $look;
                    look(&output);
                })?
            }
        )*)*
    };
}
