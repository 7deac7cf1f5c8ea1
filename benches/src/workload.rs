//! The workloads: what exists, how large, and in which unit the figures are. What they do is in `lua/workloads/`.

use crate::database;

/// How a workload is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One node runs it and ends.
    Node,
    /// As `Node`, with a free port in `BENCH_PORT`.
    Tcp,
    /// As `Node`, with a second node whose address is in `BENCH_NODE`.
    Cluster,
    /// The node stays; its processor time is measured from outside.
    Idle,
    /// As `Tcp`, but the node stays, and has clients: see [`crate::crowd`].
    Gate,
    /// Likewise, with busy clients only, whose messages are timed.
    Clients,
    /// As `Clients`, with a second node whose address is in `BENCH_NODE`.
    ClientsOfTwo,
    /// As `Node`, with the port of such a server in `BENCH_PORT`.
    Database(database::Kind),
}

/// A workload.
pub struct Workload {
    /// Its name on the command line and in Lua.
    pub name: &'static str,
    /// How it is run.
    pub kind: Kind,
    /// The number of operations: long enough for a steady figure.
    pub n: u64,
    /// The number of operations of a smoke run.
    pub smoke: u64,
    /// What an operation is; rates are so many of them a second.
    pub operation: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// Whether it runs only once, because it takes long and varies little.
    pub once: bool,
}

const fn node(
    name: &'static str,
    n: u64,
    smoke: u64,
    operation: &'static str,
    about: &'static str,
) -> Workload {
    Workload {
        name,
        kind: Kind::Node,
        n,
        smoke,
        operation,
        about,
        once: false,
    }
}

const fn once(workload: Workload) -> Workload {
    Workload {
        once: true,
        ..workload
    }
}

const fn of(kind: Kind, workload: Workload) -> Workload {
    Workload { kind, ..workload }
}

const REDIS: Kind = Kind::Database(database::Kind::Redis);
const MARIADB: Kind = Kind::Database(database::Kind::Mariadb);
const POSTGRES: Kind = Kind::Database(database::Kind::Postgres);
const MONGO: Kind = Kind::Database(database::Kind::Mongo);

/// All workloads, in the order of the table.
#[rustfmt::skip]
pub const ALL: &[Workload] = &[
    node("call", 600_000, 500, "calls", "one caller, one callee, one outstanding call"),
    node("call64", 800_000, 640, "calls", "one caller with 64 outstanding calls"),
    node("pairs16", 1_200_000, 640, "calls", "16 callers, each with a callee of its own"),
    node("send", 2_000_000, 2_000, "messages", "one-way messages, one sender, one receiver"),
    node("fanin", 1_600_000, 2_000, "messages", "8 senders, one receiver"),
    node("ring", 600_000, 1_024, "hops", "a token that goes round a ring of 512 services"),
    node("chat", 1_000_000, 2_000, "deliveries", "a room tells its 10,000 members what one of them says"),
    node("multicast", 2_000_000, 2_000, "deliveries", "the same by a multicast channel with 10,000 subscribers"),
    node("memcast", 10_000, 100, "", "memory of a subscriber that works on a payload of 1 MB"),
    node("sharedata", 60_000_000, 6_000, "fields", "fields of a shared table that were read before; beside it a local one"),
    once(node("sharetable", 1_000, 10, "", "a shared table of 50 MB in 1,000 services: memory, reading, new versions")),
    node("fork", 1_000_000, 2_000, "coroutines", "a coroutine is made, runs and ends"),
    node("yield", 1_500_000, 1_000, "yields", "once round the own mailbox"),
    node("timer", 2_000_000, 1_000, "timers", "pending at the same time, due within half a second"),
    node("tree", 1_000_000, 1_000, "leaves", "a tree of coroutines that sums up its leaves"),
    node("seri", 200_000, 200, "tables", "pack and unpack a table of a game's usual shape"),
    node("calltable", 100_000, 200, "calls", "calls that carry that table both ways"),
    node("bigmsg", 4_000, 10, "calls", "calls that carry 1 MiB"),
    node("spawn", 5_000, 50, "services", "launch services of a few lines; memory of each"),
    node("spawnlarge", 10_000, 10, "services", "launch services with 5,000 lines of code; memory of each"),
    node("memcall", 100_000, 1_000, "", "memory of a call that waits, both sides"),
    node("memsleep", 100_000, 1_000, "", "memory of a sleeping coroutine"),
    node("memtimer", 100_000, 1_000, "", "memory of a timer"),
    node("memmessage", 100_000, 1_000, "", "memory of a waiting message"),
    of(Kind::Clients, node("latency", 200_000, 1_000, "calls", "a client's message leads to a local call: time at loads of 25, 50 and 75 %, open loop")),
    of(Kind::Tcp, node("memsocket", 4_000, 50, "", "memory of one end of a connection")),
    of(Kind::Tcp, node("tcpecho", 200_000, 640, "lines", "64 loopback connections, one line of 64 bytes on each")),
    of(Kind::Tcp, node("tcpbulk", 4_000, 20, "blocks", "one loopback connection, 64 KiB there and back")),
    of(Kind::Tcp, node("tlsecho", 100_000, 640, "lines", "the same as tcpecho, with TLS")),
    of(Kind::Tcp, node("tlsbulk", 2_000, 20, "blocks", "the same as tcpbulk, with TLS")),
    of(Kind::Tcp, node("tlshandshake", 4_000, 64, "handshakes", "TLS connections that verify, are used once and closed, 64 at a time")),
    of(Kind::Tcp, node("login", 20_000, 64, "logins", "whole logins with snax.loginserver, 64 at a time")),
    of(Kind::Tcp, node("httpd", 20_000, 64, "requests", "a web server on http.httpd with 8 agents; a connection for each request, 64 at a time")),
    of(Kind::Tcp, node("httpc", 20_000, 64, "requests", "the same, requested by http.httpc")),
    of(Kind::Tcp, node("httpserver", 60_000, 640, "requests", "skynet.http.server with 8 agents; 64 connections that stay, one request on each")),
    of(Kind::Tcp, node("websocket", 100_000, 640, "messages", "64 websockets, one message of 64 bytes on each")),
    of(Kind::Tcp, node("https", 4_000, 64, "requests", "the server of httpd with TLS by http.tlshelper, requested by http.httpc; a handshake each, 64 at a time")),
    of(Kind::Tcp, node("httpsbulk", 400, 4, "answers", "the same with answers of 1 MiB, one at a time")),
    of(Kind::Tcp, node("httpsserver", 40_000, 640, "requests", "the same as httpserver, with TLS")),
    node("bson", 20_000, 20, "documents", "a document of a game, encoded and decoded"),
    node("crypt", 20_000, 20, "calls", "each function of skynet.crypt and md5 with short texts, and with 4 KiB"),
    of(REDIS, node("redis", 40_000, 64, "calls", "redis set and get in turn, one outstanding")),
    of(REDIS, node("redis64", 200_000, 640, "calls", "the same, 64 outstanding on one connection")),
    of(REDIS, node("redispipe", 600_000, 400, "commands", "the same in pipelines of 100")),
    of(MARIADB, node("mysql1", 20_000, 64, "rows", "mysql select of a row of ten columns, as text")),
    of(MARIADB, node("mysqlstmt1", 20_000, 64, "rows", "the same by a prepared statement")),
    of(MARIADB, node("mysql1000", 300_000, 1_000, "rows", "mysql select of 1,000 rows of ten columns, as text")),
    of(MARIADB, node("mysqlstmt1000", 300_000, 1_000, "rows", "the same by a prepared statement")),
    of(MONGO, node("mongofind", 300_000, 1_000, "documents", "mongo find of 100 documents of ten fields")),
    of(MONGO, node("mongoinsert", 60_000, 64, "calls", "mongo safe_insert of such a document, one outstanding")),
    of(MONGO, node("mongoinsert64", 150_000, 640, "calls", "the same, 64 outstanding on one connection")),
    of(POSTGRES, node("pgsql1", 20_000, 64, "rows", "pgsql select of a row of ten columns, as text")),
    of(POSTGRES, node("pgsqlstmt1", 20_000, 64, "rows", "the same with a parameter")),
    of(POSTGRES, node("pgsql1000", 300_000, 1_000, "rows", "pgsql select of 1,000 rows of ten columns, as text")),
    of(POSTGRES, node("pgsqlstmt1000", 300_000, 1_000, "rows", "the same with a parameter")),
    of(Kind::Gate, node("gate", 300_000, 500, "messages", "the service gate, 10,000 idle and 1,000 busy clients; broadcast to those")),
    of(Kind::Gate, node("gatenative", 300_000, 500, "messages", "the same with the native gate")),
    of(Kind::Cluster, node("cluster", 40_000, 50, "calls", "calls to another node, one outstanding")),
    of(Kind::Cluster, node("cluster64", 200_000, 640, "calls", "calls to another node, 64 outstanding")),
    of(Kind::Cluster, node("clustersend", 400_000, 500, "messages", "one-way messages to another node")),
    of(Kind::Cluster, node("clusterbig", 600, 3, "calls", "calls to another node that carry 1 MiB")),
    of(Kind::ClientsOfTwo, node("clusterlatency", 100_000, 1_000, "calls", "the same with a call to another node")),
    once(of(Kind::Idle, node("idle", 0, 0, "", "processor time and context switches of a node that does nothing"))),
    once(of(Kind::Idle, node("idle10k", 10_000, 100, "", "the same with 10,000 idle services; memory of each"))),
    once(of(Kind::Idle, node("idle100k", 100_000, 200, "", "the same with 100,000"))),
];

/// The unit of a metric and whether more of it is better, by the ending of its name.
pub fn unit(metric: &str) -> (&'static str, bool) {
    match metric.rsplit('_').next() {
        Some("us") => ("µs", false),
        Some("ms") => ("ms", false),
        Some("ns") => ("ns", false),
        Some("each") => ("KB", false),
        Some("mb") => ("MB", false),
        Some("bytes") => ("B", false),
        Some("switches") => ("", false),
        Some("pct") => ("%", metric.ends_with("kept_pct")),
        _ => ("/s", true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_exist_in_lua() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/lua/workloads");
        let mut lua = String::new();
        for file in std::fs::read_dir(folder).unwrap() {
            lua += &std::fs::read_to_string(file.unwrap().path()).unwrap();
        }
        for (index, workload) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.name != workload.name));
            let name = workload.name;
            let defined = [format!("function W.{name}("), format!("W.{name} =")];
            assert!(defined.iter().any(|text| lua.contains(text)), "{name}");
        }
    }
}
