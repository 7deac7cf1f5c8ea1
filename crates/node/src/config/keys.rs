//! The keys that the runtime reads, for [`Settings`](super::Settings), [`check`](super::check()) and documentation.

/// A key that has a meaning to the runtime. Every other key is the application's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name in the configuration.
    pub name: &'static str,
    /// The value that is used when the key is not set.
    pub default: Option<&'static str>,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// Services do not get to see the value: `skynet.getenv` gives `(set)`.
    pub secret: bool,
}

const fn key(name: &'static str, default: Option<&'static str>, about: &'static str) -> Key {
    Key {
        name,
        default,
        about,
        secret: false,
    }
}

const fn secret_key(name: &'static str, about: &'static str) -> Key {
    Key {
        name,
        default: None,
        about,
        secret: true,
    }
}

/// All keys that the runtime, its loader and its services read.
pub const KEYS: &[Key] = &[
    key("thread", Some("8"), "number of worker threads, 1 to 1024"),
    key(
        "harbor",
        Some("1"),
        "node id, 0 to 255, the high byte of handles; 0 is a single node",
    ),
    key(
        "bootstrap",
        Some("snlua bootstrap"),
        "first service: module and arguments",
    ),
    key(
        "cpath",
        Some("./cservice/?.so"),
        "search path of C services",
    ),
    key("logservice", Some("logger"), "module of the log service"),
    key("profile", Some("true"), "CPU accounting for every message"),
    key(
        "start",
        Some("main"),
        "Lua service that bootstrap starts last",
    ),
    key(
        "startfail",
        Some("continue"),
        "what happens when the start service fails: \"continue\" without it, or \"stop\" with status 1",
    ),
    key(
        "supervise",
        None,
        "Lua file with the supervision tree that bootstrap starts before the start service",
    ),
    key(
        "logger",
        None,
        "parameter of the log service: the log file, standard output if not set",
    ),
    key("logpath", None, "folder for message logs"),
    key("daemon", None, "pid file; runs the node in the background"),
    key(
        "luaservice",
        Some("./service/?.lua"),
        "search path of Lua services",
    ),
    key(
        "lualoader",
        Some("./lualib/loader.lua"),
        "loader script of Lua services",
    ),
    key(
        "lua_path",
        Some("./lualib/?.lua;./lualib/?/init.lua"),
        "search path of Lua modules",
    ),
    key(
        "lua_cpath",
        Some("./luaclib/?.so"),
        "search path of C modules for Lua",
    ),
    key(
        "preload",
        None,
        "Lua file that runs in every service before its main script",
    ),
    key("snax", None, "search path of snax services"),
    key(
        "snax_interface_g",
        None,
        "module whose table is the environment of snax interfaces",
    ),
    key(
        "snax_loader",
        None,
        "Lua file that returns a loader of snax services",
    ),
    key(
        "standalone",
        None,
        "multi-node only: address of the master that this node runs",
    ),
    key("master", None, "multi-node only: address of the master"),
    key("address", None, "multi-node only: address of this node"),
    key(
        "cluster",
        None,
        "Lua file with the names and addresses of cluster nodes",
    ),
    key(
        "clusterbind",
        None,
        "address where cluster.open(port) listens; all addresses if not set",
    ),
    key(
        "discovery",
        None,
        "where the nodes of the cluster are found: etcd://HOST:PORT/NAME, file:PATH, dns:NAME or redis://HOST:PORT/DB/NAME",
    ),
    key(
        "discoverygrace",
        Some("5"),
        "seconds until a node that has gone is down",
    ),
    key("discoveryttl", Some("10"), "seconds of a node's lease"),
    key(
        "etcdca",
        None,
        "file of the authorities that etcd is verified with",
    ),
    key("etcdcert", None, "certificate that this node shows to etcd"),
    key("etcdkey", None, "key of that certificate"),
    secret_key("etcdpassword", "password of `etcduser`"),
    key("etcduser", None, "user of etcd"),
    key(
        "nodeaddress",
        None,
        "host:port under which other nodes reach this one; with it the node registers at `discovery`",
    ),
    key(
        "nodelabels",
        None,
        "labels of this node: name=value, with spaces between them",
    ),
    key("nodename", None, "name of this node"),
    key(
        "nodeopen",
        Some("true"),
        "\"false\": the application opens the port of `nodeaddress` by itself",
    ),
    key(
        "clusterbuffer",
        None,
        "bytes that the incomplete requests of one cluster connection may take up; no limit if not set",
    ),
    key(
        "clustercontrol",
        None,
        "\"true\" lets other nodes give commands to clusterd, such as listen and reload",
    ),
    key(
        "clusterpending",
        None,
        "bytes that may wait to be sent on one cluster connection; if not set, 64 MiB of answers and any number of \
         requests",
    ),
    key(
        "clusterpendingtotal",
        None,
        "bytes of answers that may wait to be sent on all cluster connections together; 256 MiB if not set",
    ),
    key(
        "clusterauth",
        Some("require"),
        "handshakes of the cluster: \"accept\", \"offer\" or \"require\"",
    ),
    key(
        "clusterca",
        None,
        "file of the authorities that certificates of other nodes come from",
    ),
    key("clustercert", None, "certificate of this node"),
    key("clustercrl", None, "file of revoked certificates"),
    key(
        "clusterhandshake",
        Some("5000"),
        "milliseconds until a connection of the cluster must have proved itself",
    ),
    key("clusterkey", None, "key of `clustercert`"),
    key(
        "clusterpeers",
        None,
        "names of nodes that may connect, with spaces between them; `*` at the end of one stands for anything",
    ),
    key(
        "clusterpolicy",
        None,
        "Lua file that says which node may call what",
    ),
    key(
        "clusterpolicymode",
        Some("enforce"),
        "\"report\": what the policy refuses is logged and carried out",
    ),
    secret_key(
        "clustersecret",
        "secret that the nodes of a cluster have in common, at least 16 bytes",
    ),
    key(
        "clustersecretfile",
        None,
        "file of such secrets, a line NAME SECRET for each",
    ),
    key(
        "clustertls",
        None,
        "TLS between nodes: \"mutual\" with certificates, \"secret\" without; none if not set",
    ),
    key(
        "clustertlsname",
        Some("node"),
        "what a node's certificate is made out to: \"node\", its name, or \"host\", its address",
    ),
    key(
        "enablessl",
        None,
        "\"true\" initialises ltls.c at start, for Lua files of skynet (C)",
    ),
    key("certfile", None, "certificate file for TLS"),
    key("keyfile", None, "key file for TLS"),
    key(
        "tlsverify",
        Some("true"),
        "whether TLS clients verify servers: \"true\", \"false\" or \"strict\" (those of ltls.c, too)",
    ),
    key(
        "mqlimit",
        None,
        "messages that a mailbox may hold; no limit if not set",
    ),
    key(
        "mqpolicy",
        Some("warn"),
        "what happens beyond mqlimit: \"warn\" or \"refuse\"",
    ),
    key(
        "codewatch",
        None,
        "\"true\": a file of Lua code that has changed is compiled anew when it is loaded again",
    ),
    key(
        "lua54",
        Some("warn"),
        "sources that assign to loop variables: true loads them, \"warn\" logs it too, false refuses them",
    ),
    key(
        "calltimeout",
        None,
        "deadline of every call in centiseconds; none if not set",
    ),
    key(
        "monitorinterval",
        Some("5000"),
        "milliseconds between two looks for endless loops",
    ),
    key(
        "consoleaddress",
        Some("127.0.0.1"),
        "address of a debug console that is started with a port only",
    ),
    secret_key(
        "consolepassword",
        "password of debug consoles; none if not set",
    ),
    key(
        "logtimeout",
        Some("10000"),
        "milliseconds that the start waits for a log service in Lua",
    ),
    key(
        "shutdowntimeout",
        Some("10000"),
        "milliseconds that an orderly stop may take",
    ),
    key(
        "socketthreads",
        Some("1"),
        "threads that wait for sockets, 1 to 64",
    ),
    key(
        "socketlimit",
        None,
        "sockets that may exist; as many as the process may have descriptors, and at least 65536, if not set",
    ),
    key(
        "socketbacklog",
        None,
        "connections that may wait to be accepted; as many as the system allows if not set",
    ),
    key(
        "socketclosetimeout",
        Some("30000"),
        "milliseconds after which a closed socket goes whose peer does not take its output",
    ),
    key(
        "socketpending",
        None,
        "bytes that may wait to be sent on one socket; no limit if not set",
    ),
    key(
        "socketpendingtotal",
        None,
        "bytes that may wait to be sent on all sockets; no limit if not set",
    ),
    key(
        "socketinbox",
        Some("8388608"),
        "bytes from sockets that may wait in the mailbox of a service before its sockets are not read",
    ),
    key(
        "socketkeepalive",
        None,
        "seconds of silence before a TCP peer is probed, seconds between probes, number of probes",
    ),
    key(
        "socketusertimeout",
        None,
        "milliseconds that sent data may stay unacknowledged; the system's default if not set",
    ),
];

/// The key called `name`.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known key that `name` is probably a misspelling of.
///
/// Allowed are one slip (a letter added, lost, changed, or two swapped), two in names of eight letters or more, and
/// differences of case, `_` and `-`.
pub(super) fn misspelt(name: &str) -> Option<&'static Key> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
    let wanted = plain(name);
    KEYS.iter()
        .filter(|key| key.name != name)
        .map(|key| (distance(&wanted, &plain(key.name)), key))
        .filter(|(slips, key)| *slips <= if key.name.len() >= 8 { 2 } else { 1 })
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, key)| key)
}

/// Edits that turn `a` into `b`: insertions, deletions, changes and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    // Only short distances matter, and configuration keys may be of any length.
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = change.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, misspelt};

    #[test]
    fn distances() {
        for (a, b, slips) in [
            ("", "", 0),
            ("ab", "", 2),
            ("thread", "thraed", 1),
            ("abc", "ab", 1),
            ("ab", "cb", 1),
        ] {
            assert_eq!(distance(a, b), slips, "{a} {b}");
            assert_eq!(distance(b, a), slips, "{b} {a}");
        }
    }

    #[test]
    fn slips_are_found_and_own_keys_are_not() {
        for (written, meant) in [
            ("threads", "thread"),
            ("thraed", "thread"),
            ("Harbor", "harbor"),
            ("harbour", "harbor"),
            ("luapath", "lua_path"),
            ("lua_servise", "luaservice"),
            ("logserivce", "logservice"),
        ] {
            assert_eq!(
                misspelt(written).map(|key| key.name),
                Some(meant),
                "{written}"
            );
        }
        for own in [
            "root",
            "port",
            "gate_port",
            "name",
            "debug",
            "maxclient",
            "mysql",
        ] {
            assert_eq!(misspelt(own), None, "{own}");
        }
    }
}
