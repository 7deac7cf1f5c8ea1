//! TLS for skynet-rs: sessions that do no I/O, settings whose files may change on disk, and errors that say what was
//! wrong and what to set. The protocol is that of [`rustls`], with `ring` for the cryptography.
//!
//! * [`Options`] say what a connection is to have: certificate, key, authorities, whether the peer is verified.
//! * [`Configs`] makes of them what a session needs, once for all connections with the same options, and again when one
//!   of the files has changed (`watched.rs`). Nothing watches the files: they are looked at when a connection is made.
//! * [`Session`] is one connection: bytes of the peer go in, and plaintext and bytes for the peer come out.
//!
//! ```
//! use skynet_tls::{Configs, Options, Session};
//!
//! let configs = Configs::default();
//! let options = Options { verify: false, ..Options::default() };
//! let setup = configs.client(&options)?.setup;
//! let mut session = Session::client(&setup, Some("example.com"))?;
//! let mut hello = Vec::new();
//! session.output(&mut hello);
//! // A handshake record.
//! assert_eq!(hello[0], 22);
//! # Ok::<(), skynet_tls::Error>(())
//! ```
#![forbid(unsafe_code)]

mod client;
mod configs;
mod date;
mod error;
mod files;
mod options;
mod server;
mod session;
mod unverified;
mod verifier;
mod watched;

pub use configs::{Configs, Loaded};
pub use error::{Error, Fault, Reason};
pub use options::{ClientCert, Options};
pub use session::{ClientSetup, Info, ServerSetup, Session};
pub use unverified::Unverified;
pub use watched::Watched;
