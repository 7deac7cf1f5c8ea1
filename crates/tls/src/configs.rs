//! What sessions need, once for all with the same options.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::crypto::{CryptoProvider, ring};

use crate::error::Error;
use crate::options::Options;
use crate::session::{ClientSetup, ServerSetup};
use crate::watched::Watched;
use crate::{client, server};

/// Different options that are remembered. Whoever uses more of them, as programs do that make up options for each
/// connection, reads the files again.
const MOST: usize = 256;

type Map<T> = Mutex<HashMap<Options, Watched<T>>>;

/// The setups of a node; see the top of the crate.
pub struct Configs {
    provider: Arc<CryptoProvider>,
    clients: Map<ClientSetup>,
    servers: Map<ServerSetup>,
}

/// A setup, and what is wrong with newer files, for the log.
#[derive(Debug)]
pub struct Loaded<T> {
    /// What sessions are made of.
    pub setup: Arc<T>,
    /// A file has changed, and what is there now cannot be used: the setup is the old one. Said once for each change.
    pub problem: Option<Error>,
}

impl Default for Configs {
    fn default() -> Configs {
        Configs {
            provider: Arc::new(ring::default_provider()),
            clients: Map::default(),
            servers: Map::default(),
        }
    }
}

impl Configs {
    /// What client sessions with these options need. Reads files, if they have changed.
    ///
    /// # Errors
    /// A file that cannot be used, for options that are new here.
    pub fn client(&self, options: &Options) -> Result<Loaded<ClientSetup>, Error> {
        get(&self.clients, options, || {
            client::make(options, &self.provider)
        })
    }

    /// What server sessions with these options need, likewise.
    ///
    /// # Errors
    /// No certificate, or a file that cannot be used, for options that are new here.
    pub fn server(&self, options: &Options) -> Result<Loaded<ServerSetup>, Error> {
        get(&self.servers, options, || {
            server::make(options, &self.provider)
        })
    }
}

fn get<T>(
    map: &Map<T>,
    options: &Options,
    make: impl Fn() -> Result<T, Error>,
) -> Result<Loaded<T>, Error> {
    let mut map = lock(map);
    if let Some(watched) = map.get_mut(options) {
        let (setup, problem) = watched.get(make);
        return Ok(Loaded { setup, problem });
    }
    let watched = Watched::new(options.files(), make)?;
    if map.len() >= MOST {
        map.clear();
    }
    let setup = watched.thing();
    map.insert(options.clone(), watched);
    Ok(Loaded {
        setup,
        problem: None,
    })
}

fn lock<T>(map: &Map<T>) -> MutexGuard<'_, HashMap<Options, Watched<T>>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Configs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Configs")
            .field("clients", &lock(&self.clients).len())
            .field("servers", &lock(&self.servers).len())
            .finish_non_exhaustive()
    }
}
