//! The servers that the workloads of databases talk to. Each is started when the first workload needs it and lives as
//! long as the kit, so that all binaries have the same one.
//!
//! MongoDB cannot be had everywhere, and what is measured is the driver: its place is taken by [`crate::mongo`].

use std::cell::OnceCell;

use anyhow::Context as _;
use skynet_tests::database::{NO_MARIADB, NO_POSTGRES, NO_REDIS, Server};

use crate::mongo::Canned;

/// A kind of server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `redis-server`.
    Redis,
    /// `mariadbd`.
    Mariadb,
    /// PostgreSQL.
    Postgres,
    /// What says what a MongoDB would say.
    Mongo,
}

/// The servers that run.
#[derive(Default)]
pub struct Servers {
    redis: OnceCell<Server>,
    mariadb: OnceCell<Server>,
    postgres: OnceCell<Server>,
    mongo: OnceCell<Canned>,
}

impl Servers {
    /// Why there cannot be such a server here, and how to get one.
    pub fn missing(kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Redis => NO_REDIS,
            Kind::Mariadb => NO_MARIADB,
            Kind::Postgres => NO_POSTGRES,
            Kind::Mongo => None,
        }
    }

    /// The port of the server, which is started if it does not run yet.
    pub fn port(&self, kind: Kind) -> anyhow::Result<u16> {
        let server = match kind {
            Kind::Redis => self.redis.get_or_init(Server::redis),
            Kind::Mariadb => self.mariadb.get_or_init(Server::mariadb),
            Kind::Postgres => self.postgres.get_or_init(Server::postgres),
            Kind::Mongo => {
                if self.mongo.get().is_none() {
                    let canned = Canned::start().context("no server in the place of MongoDB")?;
                    let _ = self.mongo.set(canned);
                }
                return Ok(self.mongo.get().expect("it was started").port());
            }
        };
        Ok(server.port())
    }
}
