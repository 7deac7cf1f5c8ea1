//! The keys that the runtime itself reads, with types and defaults.
//!
//! Numbers of the original keys are read as the C runtime reads them (`strtol`: leading digits count, anything else is
//! 0), so that a configuration means the same here. Keys that this runtime adds are strict.

use super::security::{self, PolicyFile};
use super::values::{positive, written};
use super::{Config, ConfigError, keys};
use skynet_cluster::SecurityOptions;
use skynet_modules::{Secrets, Verify};
use skynet_net::{Keepalive, NetOptions};
use skynet_vm::loops::LoopAssignments;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the runtime needs to know to start a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Worker threads, 1 to 1024.
    pub thread: usize,
    /// Node id.
    pub harbor: u8,
    /// First service: module, and parameter if there is one.
    pub bootstrap: String,
    /// Module of the log service.
    pub logservice: String,
    /// Parameter of the log service.
    pub logger: Option<String>,
    /// CPU accounting for every message.
    pub profile: bool,
    /// Pid file; the node runs in the background if it is set.
    pub daemon: Option<String>,
    /// Folder for message logs.
    pub logpath: Option<String>,
    /// Messages that a mailbox may hold, and what happens beyond.
    pub mailbox: Option<(usize, MailboxPolicy)>,
    /// Deadline of calls that name none, in centiseconds.
    pub call_timeout_cs: Option<u32>,
    /// What is done about sources of Lua 5.4 that assign to loop variables.
    pub loops: LoopAssignments,
    /// Files of Lua code are looked at each time their code is asked for.
    pub code_watch: bool,
    /// Time between two looks for endless loops.
    pub monitor_interval: Duration,
    /// Time that an orderly stop may take.
    pub shutdown_timeout: Duration,
    /// How long the first service waits for a log service in Lua.
    pub log_timeout: Duration,
    /// File with the names and addresses of the other nodes.
    pub cluster: Option<String>,
    /// Where `cluster.open(port)` listens; everywhere if it is not set.
    pub cluster_bind: Option<String>,
    /// Other nodes may give commands to the services of the cluster.
    pub cluster_control: bool,
    /// Bytes that may wait to be sent on one connection of the cluster.
    pub cluster_pending: Option<usize>,
    /// Bytes of answers that may wait on all connections of other nodes together.
    pub cluster_pending_total: Option<usize>,
    /// Bytes that the incomplete requests of one connection from another node may take up.
    pub cluster_buffer: Option<usize>,
    /// The socket engine.
    pub net: NetOptions,
    /// Whether TLS clients verify servers.
    pub tls_verify: Verify,
    /// Values that services do not get to see.
    pub secrets: Secrets,
    /// Who may connect to the cluster.
    pub cluster_security: SecurityOptions,
    /// What they may call.
    pub cluster_policy: PolicyFile,
    /// The environment of the node: every key of the configuration, and the core's keys with their defaults. Of secrets
    /// it tells only that they are set.
    pub env: BTreeMap<String, String>,
}

/// What happens to a message beyond a mailbox's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxPolicy {
    /// It is accepted, and a log line warns at each doubling.
    Warn,
    /// It is refused; the sender is told.
    Refuse,
}

/// What is shown of a secret.
const HIDDEN: &str = "(set)";

/// A URL as it is shown, if there is a password in it.
fn without_password(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("//")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (place, path) = rest.split_at(end);
    let (login, host) = place.rsplit_once('@')?;
    let (user, _) = login.split_once(':')?;
    Some(format!("{scheme}//{user}:{HIDDEN}@{host}{path}"))
}

/// The keys whose defaults `skynet.getenv` returns.
const WRITTEN_BACK: [&str; 6] = [
    "thread",
    "cpath",
    "harbor",
    "bootstrap",
    "logservice",
    "profile",
];

impl Settings {
    /// Reads the runtime's keys.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn new(config: &Config) -> Result<Settings, ConfigError> {
        let mut env: BTreeMap<String, String> = config
            .entries
            .iter()
            .map(|(key, entry)| (key.clone(), entry.value.clone()))
            .collect();
        for name in WRITTEN_BACK {
            if let Some(default) = keys::find(name).and_then(|key| key.default) {
                env.entry(name.to_owned())
                    .or_insert_with(|| default.to_owned());
            }
        }
        let mut secrets = BTreeMap::new();
        for key in keys::KEYS.iter().filter(|key| key.secret) {
            // An empty one is none.
            if let Some(value) = env.get_mut(key.name).filter(|value| !value.is_empty()) {
                let value = std::mem::replace(value, HIDDEN.to_owned());
                secrets.insert(key.name.to_owned(), value);
            }
        }
        if let Some(url) = env.get_mut("discovery")
            && let Some(shown) = without_password(url)
        {
            let whole = std::mem::replace(url, shown);
            secrets.insert("discovery".to_owned(), whole);
        }
        let cluster_security = security::read(config)?;
        let text = |name: &str| env.get(name).cloned().unwrap_or_default();
        let thread = leading_integer(&text("thread"));
        if !(1..=1024).contains(&thread) {
            return Err(ConfigError::Thread {
                value: thread,
                written: written(config, "thread"),
            });
        }
        let harbor = leading_integer(&text("harbor"));
        let harbor = u8::try_from(harbor).map_err(|_| ConfigError::Harbor {
            value: harbor,
            written: written(config, "harbor"),
        })?;
        if !patterns(&text("cpath")).all(|pattern| pattern.contains('?')) {
            return Err(ConfigError::ServicePath {
                written: written(config, "cpath"),
            });
        }
        let mailbox = match positive(config, "mqlimit")? {
            // A limit that cannot be reached is no limit.
            Some(max) => Some((usize::try_from(max).unwrap_or(usize::MAX), policy(config)?)),
            None => policy(config).map(|_| None)?,
        };
        start_fail(config)?;
        let milliseconds = |name, default| -> Result<Duration, ConfigError> {
            Ok(Duration::from_millis(
                positive(config, name)?.unwrap_or(default),
            ))
        };
        Ok(Settings {
            thread: thread as usize,
            harbor,
            bootstrap: text("bootstrap"),
            logservice: text("logservice"),
            logger: config.get("logger").map(str::to_owned),
            profile: text("profile") == "true",
            daemon: config.get("daemon").map(str::to_owned),
            logpath: config.get("logpath").map(str::to_owned),
            mailbox,
            // `positive` allows no more than 31 bits.
            call_timeout_cs: positive(config, "calltimeout")?.map(|cs| cs as u32),
            loops: loops(config)?,
            code_watch: config.get("codewatch") == Some("true"),
            monitor_interval: milliseconds("monitorinterval", 5_000)?,
            shutdown_timeout: milliseconds("shutdowntimeout", 10_000)?,
            log_timeout: milliseconds("logtimeout", 10_000)?,
            cluster: config.get("cluster").map(str::to_owned),
            cluster_bind: config.get("clusterbind").map(str::to_owned),
            // `positive` allows no more than 31 bits.
            cluster_buffer: positive(config, "clusterbuffer")?.map(|bytes| bytes as usize),
            cluster_control: config.get("clustercontrol") == Some("true"),
            cluster_pending: positive(config, "clusterpending")?.map(|bytes| bytes as usize),
            cluster_pending_total: positive(config, "clusterpendingtotal")?
                .map(|bytes| bytes as usize),
            net: net(config)?,
            tls_verify: tls_verify(config)?,
            secrets: Secrets::new(secrets),
            cluster_security,
            cluster_policy: security::read_policy(config)?,
            env,
        })
    }
}

fn policy(config: &Config) -> Result<MailboxPolicy, ConfigError> {
    match config.get("mqpolicy") {
        None | Some("warn") => Ok(MailboxPolicy::Warn),
        Some("refuse") => Ok(MailboxPolicy::Refuse),
        Some(value) => Err(ConfigError::Setting {
            key: "mqpolicy",
            value: value.to_owned(),
            expected: "\"warn\" or \"refuse\"",
            written: written(config, "mqpolicy"),
        }),
    }
}

/// `startfail`, which the first service reads.
fn start_fail(config: &Config) -> Result<(), ConfigError> {
    match config.get("startfail") {
        None | Some("continue" | "stop") => Ok(()),
        Some(value) => Err(ConfigError::Setting {
            key: "startfail",
            value: value.to_owned(),
            expected: "\"continue\" or \"stop\"",
            written: written(config, "startfail"),
        }),
    }
}

/// `lua54`.
fn loops(config: &Config) -> Result<LoopAssignments, ConfigError> {
    let Some(value) = config.get("lua54") else {
        return Ok(LoopAssignments::default());
    };
    LoopAssignments::named(value).ok_or_else(|| ConfigError::Setting {
        key: "lua54",
        value: value.to_owned(),
        expected: "\"warn\", true or false",
        written: written(config, "lua54"),
    })
}

fn net(config: &Config) -> Result<NetOptions, ConfigError> {
    let size = |key| -> Result<Option<usize>, ConfigError> {
        let size = positive(config, key)?;
        Ok(size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)))
    };
    let invalid = |key: &'static str, expected| ConfigError::Setting {
        key,
        value: config.get(key).unwrap_or_default().to_owned(),
        expected,
        written: written(config, key),
    };
    let reactors = match config.get("socketthreads").map(str::parse) {
        None => 1,
        Some(Ok(threads @ 1..=64)) => threads,
        Some(_) => return Err(invalid("socketthreads", "a whole number from 1 to 64")),
    };
    let keepalive = match config.get("socketkeepalive") {
        None => None,
        Some(text) => Some(keepalive(text).ok_or_else(|| {
            invalid(
                "socketkeepalive",
                "\"IDLE INTERVAL PROBES\": seconds, seconds (up to 32767) and a number (up to 127)",
            )
        })?),
    };
    let defaults = NetOptions::default();
    Ok(NetOptions {
        reactors,
        max_sockets: size("socketlimit")?,
        backlog: positive(config, "socketbacklog")?
            .map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
        close_timeout: positive(config, "socketclosetimeout")?
            .map_or(defaults.close_timeout, Duration::from_millis),
        max_pending: size("socketpending")?,
        max_pending_total: size("socketpendingtotal")?,
        max_inbox: size("socketinbox")?.or(defaults.max_inbox),
        keepalive,
        user_timeout: positive(config, "socketusertimeout")?.map(Duration::from_millis),
        ..defaults
    })
}

fn tls_verify(config: &Config) -> Result<Verify, ConfigError> {
    match config.get("tlsverify") {
        None | Some("true") => Ok(Verify::Usual),
        Some("false") => Ok(Verify::Off),
        Some("strict") => Ok(Verify::Strict),
        Some(other) => Err(ConfigError::Setting {
            key: "tlsverify",
            value: other.to_owned(),
            expected: "true, false or \"strict\"",
            written: written(config, "tlsverify"),
        }),
    }
}

/// Three numbers within the limits of the system.
fn keepalive(text: &str) -> Option<Keepalive> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse::<u16>);
    let mut next = |most| match numbers.next() {
        Some(Ok(number)) if (1..=most).contains(&number) => Some(number),
        _ => None,
    };
    let keepalive = Keepalive {
        idle: Duration::from_secs(next(32767)?.into()),
        interval: Duration::from_secs(next(32767)?.into()),
        retries: next(127)?.into(),
    };
    numbers.next().is_none().then_some(keepalive)
}

/// The parts of a search path.
pub(super) fn patterns(path: &str) -> impl Iterator<Item = &str> {
    path.split(';').filter(|pattern| !pattern.is_empty())
}

/// `strtol(text, NULL, 10)`.
fn leading_integer(text: &str) -> i64 {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let mut value: i64 = 0;
    for digit in digits.bytes().take_while(u8::is_ascii_digit) {
        value = value
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'));
    }
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::{
        Config, ConfigError, Duration, Keepalive, MailboxPolicy, NetOptions, Settings,
        leading_integer,
    };

    fn config(entries: &[(&str, &str)]) -> Config {
        let mut config = Config::default();
        for (key, value) in entries {
            config.set(*key, *value);
        }
        config
    }

    fn settings(entries: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::new(&config(entries))
    }

    fn error(entries: &[(&str, &str)]) -> String {
        settings(entries).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_written_back() {
        let settings = settings(&[("own", "x")]).unwrap();
        let env: Vec<_> = settings
            .env
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            env,
            [
                ("bootstrap", "snlua bootstrap"),
                ("cpath", "./cservice/?.so"),
                ("harbor", "1"),
                ("logservice", "logger"),
                ("own", "x"),
                ("profile", "true"),
                ("thread", "8"),
            ]
        );
        assert_eq!(
            (settings.thread, settings.harbor, settings.profile),
            (8, 1, true)
        );
        assert_eq!(
            (settings.logger, settings.daemon, settings.mailbox),
            (None, None, None)
        );
        assert_eq!(settings.shutdown_timeout, Duration::from_secs(10));
    }

    #[test]
    fn secrets_are_not_in_the_environment() {
        let settings = settings(&[
            ("consolepassword", "owl"),
            ("etcdpassword", ""),
            ("discovery", "redis://me:o:w@l@127.0.0.1:1/0/x"),
        ])
        .unwrap();
        assert_eq!(settings.env["consolepassword"], "(set)");
        assert_eq!(settings.env["etcdpassword"], "");
        assert_eq!(
            settings.env["discovery"],
            "redis://me:(set)@127.0.0.1:1/0/x"
        );
        let secret = |key| settings.secrets.get(key);
        assert_eq!(secret("consolepassword").as_deref(), Some("owl"));
        assert_eq!(secret("etcdpassword"), None);
        let url = secret("discovery");
        assert_eq!(url.as_deref(), Some("redis://me:o:w@l@127.0.0.1:1/0/x"));
        assert!(!format!("{settings:?}").contains("owl"));
        for url in [
            "etcd://a:1,b:2/x",
            "file:a@b:c",
            "dns://1.1.1.1:53/a:1",
            "redis://me@h:1/0/x",
        ] {
            assert_eq!(super::without_password(url), None, "{url}");
        }
    }

    #[test]
    fn a_set_key_is_left_as_it_was_written() {
        let settings = settings(&[("thread", "4.0"), ("profile", "yes"), ("harbor", "0")]).unwrap();
        assert_eq!(settings.env["thread"], "4.0");
        assert_eq!(
            (settings.thread, settings.harbor, settings.profile),
            (4, 0, false)
        );
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        for (text, value) in [
            ("8", 8),
            (" +7x", 7),
            ("-3", -3),
            ("0x10", 0),
            ("", 0),
            ("abc", 0),
            ("1e3", 1),
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(leading_integer(text), value, "{text:?}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(
            error(&[("thread", "0")]),
            "Invalid thread 0 , should be in [1,1024]"
        );
        assert_eq!(
            error(&[("thread", "1025")]),
            "Invalid thread 1025 , should be in [1,1024]"
        );
        assert_eq!(
            error(&[("thread", "x")]),
            "Invalid thread 0 , should be in [1,1024]"
        );
        assert_eq!(settings(&[("thread", "1024")]).unwrap().thread, 1024);
        assert_eq!(
            error(&[("harbor", "256")]),
            "Invalid harbor 256 , should be in [0,255]"
        );
        assert_eq!(
            error(&[("harbor", "-1")]),
            "Invalid harbor -1 , should be in [0,255]"
        );
        assert_eq!(
            error(&[("cpath", "./a/?.so;./b.so")]),
            "Invalid C service path"
        );
    }

    #[test]
    fn hints() {
        let mut config = config(&[]);
        let entry = crate::config::Entry {
            value: "four".to_owned(),
            file: "./node.config".to_owned(),
            line: 3,
        };
        config.entries.insert("thread".to_owned(), entry);
        let error = Settings::new(&config).unwrap_err();
        assert_eq!(
            error.hint().unwrap(),
            "./node.config:3: thread = `four`: write a whole number from 1 to 1024, such as 8"
        );
        let error = settings(&[("mqpolicy", "drop")]).unwrap_err();
        assert_eq!(
            error.hint().unwrap(),
            "mqpolicy = `drop`: write \"warn\" or \"refuse\""
        );
    }

    #[test]
    fn sockets() {
        assert_eq!(settings(&[]).unwrap().net, NetOptions::default());
        let all = settings(&[
            ("socketthreads", "2"),
            ("socketlimit", "100"),
            ("socketbacklog", "77"),
            ("socketclosetimeout", "2500"),
            ("socketpending", "1000"),
            ("socketpendingtotal", "10000"),
            ("socketinbox", "100000"),
            ("socketkeepalive", "60 10 5"),
            ("socketusertimeout", "1500"),
        ]);
        assert_eq!(
            all.unwrap().net,
            NetOptions {
                reactors: 2,
                max_sockets: Some(100),
                backlog: Some(77),
                close_timeout: Duration::from_millis(2500),
                max_pending: Some(1000),
                max_pending_total: Some(10000),
                max_inbox: Some(100_000),
                keepalive: Some(Keepalive {
                    idle: Duration::from_secs(60),
                    interval: Duration::from_secs(10),
                    retries: 5,
                }),
                user_timeout: Some(Duration::from_millis(1500)),
                ..NetOptions::default()
            }
        );
        assert_eq!(
            error(&[("socketthreads", "65")]),
            "Invalid socketthreads 65 , should be a whole number from 1 to 64"
        );
        for wrong in [
            "",
            "60",
            "60 10",
            "60 10 0",
            "60 10 128",
            "60 10 5 1",
            "x 1 1",
        ] {
            let text = error(&[("socketkeepalive", wrong)]);
            assert!(text.contains("IDLE INTERVAL PROBES"), "{text}");
        }
        assert!(error(&[("socketpending", "0")]).contains("whole number from 1"));
    }

    #[test]
    fn sources_of_lua_5_4() {
        use super::LoopAssignments::{Refuse, Silent, Warn};
        assert_eq!(settings(&[]).unwrap().loops, Warn);
        for (value, meaning) in [("warn", Warn), ("true", Silent), ("false", Refuse)] {
            assert_eq!(settings(&[("lua54", value)]).unwrap().loops, meaning);
        }
        assert_eq!(
            error(&[("lua54", "yes")]),
            "Invalid lua54 yes , should be \"warn\", true or false"
        );
    }

    #[test]
    fn mailbox_limits() {
        assert_eq!(
            settings(&[("mqlimit", "10")]).unwrap().mailbox,
            Some((10, MailboxPolicy::Warn))
        );
        assert_eq!(
            settings(&[("mqlimit", "10"), ("mqpolicy", "refuse")])
                .unwrap()
                .mailbox,
            Some((10, MailboxPolicy::Refuse))
        );
        assert_eq!(
            error(&[("mqpolicy", "drop")]),
            "Invalid mqpolicy drop , should be \"warn\" or \"refuse\""
        );
        assert_eq!(
            error(&[("mqlimit", "0")]),
            "Invalid mqlimit 0 , should be a whole number from 1 to 2147483647"
        );
        assert_eq!(
            error(&[("calltimeout", "1.5")]),
            "Invalid calltimeout 1.5 , should be a whole number from 1 to 2147483647"
        );
    }
}
