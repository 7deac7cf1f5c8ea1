//! TLS for Lua: what a node keeps for it, the options that Lua code gives, and `ltls.c`.

pub mod ltls;
pub(crate) mod options;

use std::sync::atomic::AtomicBool;

use skynet_lua::{Svc, service};
use skynet_tls::{Configs, Unverified};
use skynet_vm::lua::Lua;
use skynet_vm::native::Fault;

/// The config key `tlsverify`: whether clients verify servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verify {
    /// `true`: they do, unless they say otherwise. Objects of `ltls.c` that an application makes itself do not.
    #[default]
    Usual,
    /// `false`: they do not, unless they say otherwise.
    Off,
    /// `strict`: all do, those of `ltls.c` too, and nobody may say otherwise.
    Strict,
}

/// What the Lua services of a node share.
#[derive(Debug, Default)]
pub struct Tls {
    pub(crate) verify: Verify,
    pub(crate) configs: Configs,
    pub(crate) unverified: Unverified,
    /// `ltls.init.c` has been called.
    pub(crate) initialised: AtomicBool,
}

impl Tls {
    /// With the value of `tlsverify`.
    pub fn new(verify: Verify) -> Tls {
        Tls {
            verify,
            ..Tls::default()
        }
    }
}

/// What the node has for TLS.
pub(crate) fn shared<'a>(l: Lua) -> Result<(&'a Svc, &'a Tls), Fault> {
    let svc = service(l)?;
    let tls = svc.node_part::<Tls>().ok_or("this node has no TLS")?;
    Ok((svc, tls))
}
