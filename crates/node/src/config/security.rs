//! Who may connect to the cluster, and what they may call: the keys `cluster…` of docs/cluster-security.md.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use skynet_cluster::{Auth, Hidden, Policy, Rule, SecurityOptions, TlsMode};

use super::values::{positive, written};
use super::{Config, ConfigError, Entry, SEPARATOR, Severity, load_tables};

/// Where the policy is, and whether it only reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyFile {
    /// Its path; `None`: there is none.
    pub path: Option<String>,
    /// What is not allowed is logged and carried out.
    pub report: bool,
}

/// A value out of a list.
fn word<T: Copy>(
    config: &Config,
    key: &'static str,
    words: &[(&str, T)],
    expected: &'static str,
) -> Result<Option<T>, ConfigError> {
    let Some(value) = config.get(key) else {
        return Ok(None);
    };
    match words.iter().find(|(word, _)| *word == value) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => Err(ConfigError::Setting {
            key,
            value: value.to_owned(),
            expected,
            written: written(config, key),
        }),
    }
}

/// Reads the keys; no file is looked at.
///
/// # Errors
/// The first value that is not understood.
pub(super) fn read(config: &Config) -> Result<SecurityOptions, ConfigError> {
    let text = |key| config.get(key).filter(|text| !text.is_empty());
    let path = |key| text(key).map(PathBuf::from);
    let auth = [
        ("accept", Auth::Accept),
        ("offer", Auth::Offer),
        ("require", Auth::Require),
    ];
    let tls = [("mutual", TlsMode::Mutual), ("secret", TlsMode::Secret)];
    let by_host = [("node", false), ("host", true)];
    let deadline = positive(config, "clusterhandshake")?.unwrap_or(5000);
    Ok(SecurityOptions {
        name: config.get("nodename").unwrap_or_default().to_owned(),
        secret: text("clustersecret").map(|secret| Hidden(secret.to_owned())),
        secret_file: path("clustersecretfile"),
        auth: word(
            config,
            "clusterauth",
            &auth,
            "\"accept\", \"offer\" or \"require\"",
        )?
        .unwrap_or_default(),
        tls: word(config, "clustertls", &tls, "\"mutual\" or \"secret\"")?,
        tls_by_host: word(config, "clustertlsname", &by_host, "\"node\" or \"host\"")?
            .unwrap_or_default(),
        cert: path("clustercert"),
        key: path("clusterkey"),
        ca: path("clusterca"),
        crl: path("clustercrl"),
        peers: config
            .get("clusterpeers")
            .map(|names| names.split_whitespace().map(str::to_owned).collect()),
        deadline: Duration::from_millis(deadline),
    })
}

/// Reads the keys of the policy; its file is not looked at.
///
/// # Errors
/// A value that is not understood.
pub(super) fn read_policy(config: &Config) -> Result<PolicyFile, ConfigError> {
    let modes = [("enforce", false), ("report", true)];
    let report = word(
        config,
        "clusterpolicymode",
        &modes,
        "\"enforce\" or \"report\"",
    )?;
    Ok(PolicyFile {
        path: config.get("clusterpolicy").map(str::to_owned),
        report: report.unwrap_or_default(),
    })
}

/// What is wrong with a policy: where, and what.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) key: String,
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) text: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.file, self.line, self.key, self.text
        )
    }
}

/// Evaluates a file with a policy: a global for each node, a table with `allow`, `deny` and `handles`.
///
/// # Errors
/// The first thing that is wrong, with file and line.
pub fn load_policy(path: &Path) -> Result<Policy, String> {
    let config = load_tables(path).map_err(|error| error.to_string().trim_end().to_owned())?;
    policy_of(config).map_err(|wrong| wrong.to_string())
}

fn policy_of(config: Config) -> Result<Policy, Wrong> {
    let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
    for (path, entry) in config.entries {
        let mut parts = path.split(SEPARATOR);
        let node = parts.next().unwrap_or_default().to_owned();
        let wrong = |text: String| Wrong {
            key: node.clone(),
            file: entry.file.clone(),
            line: entry.line,
            text,
        };
        let rule = rules.entry(node.clone()).or_default();
        put(rule, parts.collect(), &entry).map_err(wrong)?;
        Policy::check_name(&node).map_err(|error| wrong(error.to_string()))?;
    }
    Policy::new(rules).map_err(|error| Wrong {
        key: String::new(),
        file: config.file,
        line: 0,
        text: error.to_string(),
    })
}

/// One value of a rule, whose place in it is `path`.
fn put(rule: &mut Rule, path: Vec<&str>, entry: &Entry) -> Result<(), String> {
    let list = match path[..] {
        // An empty table.
        [""] => return Ok(()),
        ["allow" | "deny", ""] => return Ok(()),
        ["allow", number] if number.parse::<i64>().is_ok() => &mut rule.allow,
        ["deny", number] if number.parse::<i64>().is_ok() => &mut rule.deny,
        ["handles"] => {
            rule.handles = match entry.value.as_str() {
                "true" => true,
                "false" => false,
                other => return Err(format!("handles = `{other}`: write true or false")),
            };
            return Ok(());
        }
        ["allow" | "deny"] => {
            return Err("`allow` and `deny` are tables of names: write { \"@name\" }".to_owned());
        }
        [] => return Err("a rule is a table: write { allow = { \"@name\" } }".to_owned()),
        [field, ..] => {
            return Err(format!(
                "there is no `{field}` in a rule: only allow, deny and handles"
            ));
        }
    };
    Policy::check_name(&entry.value).map_err(|error| error.to_string())?;
    list.push(entry.value.clone());
    Ok(())
}

/// A finding of `skynet check`: how bad, of which key, what, and what to do.
pub(super) type Problem = (Severity, &'static str, String, String);

/// What is wrong with the keys and the files that they name, and what is open.
pub(super) fn problems(config: &Config) -> (Vec<Problem>, Option<Wrong>) {
    let mut found = Vec::new();
    let Ok(options) = read(config) else {
        // It has been said which value is not understood.
        return (found, None);
    };
    let error = |key, text: String, remedy: &str| (Severity::Error, key, text, remedy.to_owned());
    let warning = |key, text: &str, remedy: &str| {
        (Severity::Warning, key, text.to_owned(), remedy.to_owned())
    };
    if let Err(problem) = options.check() {
        let keys = [
            "clustersecretfile",
            "clustersecret",
            "clusterpeers",
            "clustertls",
        ];
        let key = keys.into_iter().find(|key| config.get(key).is_some());
        let key = key.unwrap_or("clustertls");
        found.push(error(
            key,
            problem.to_string(),
            "correct it, or the node does not start",
        ));
    }
    let mut has_names = false;
    let mut wrong = None;
    if let Some(file) = config.get("clusterpolicy") {
        match load_tables(Path::new(file)) {
            Ok(tables) => match policy_of(tables) {
                Ok(policy) => has_names = policy.has_names(),
                Err(what) => wrong = Some(what),
            },
            Err(problem) => {
                let text = problem.to_string().trim_end().to_owned();
                found.push(error("clusterpolicy", text, "correct the file"));
            }
        }
    }
    if has_names && !options.names_are_proved() {
        found.push(warning(
            "clusterpolicy",
            "has rules for names that nobody proves: whoever knows the secret can call itself as it likes",
            "use clustertls = \"mutual\", or a clustersecretfile with secrets named node:NAME",
        ));
    }
    for key in ["nodeaddress", "clusterbind"] {
        let open = config.get(key).is_some_and(|text| !is_local(text));
        if open && !options.is_on() {
            found.push(warning(
                key,
                "whoever can connect to the cluster port can call any service and start code",
                "set clustersecret, or listen on a loopback address",
            ));
        }
    }
    if !options.is_on() {
        for key in [
            "clusterauth",
            "clustercert",
            "clusterca",
            "clustercrl",
            "clustertlsname",
        ] {
            if config.get(key).is_some() {
                found.push(warning(
                    key,
                    "has no effect without clustersecret, clustersecretfile or clustertls",
                    "set one of them, or remove it",
                ));
            }
        }
    }
    (found, wrong)
}

/// Is this host, or `host:port`, one of the machine itself?
fn is_local(text: &str) -> bool {
    let host = match skynet_wire::netaddr::host_port(text) {
        Ok((host, _)) => host,
        Err(_) => text,
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Result<Policy, String> {
        let name = format!("skynet-policy-{}.lua", std::process::id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, text).unwrap();
        let policy = load_policy(&file);
        std::fs::remove_file(&file).unwrap();
        policy
    }

    #[test]
    fn policies() {
        let good = "local base = { '@login' }\nweb = { allow = { base[1], '@room.*' } }\n\
            gm = { allow = {}, deny = { '@bank' }, handles = true }\nnone = {}\n__others = { allow = { '@public' } }";
        assert!(policy(good).unwrap().has_names());
        assert!(
            !policy("__others = { allow = { '*' } }")
                .unwrap()
                .has_names()
        );
        for (text, line, what) in [
            ("web = '@login'", ":1: web:", "a rule is a table"),
            (
                "\nweb = { allow = '@login' }",
                ":2: web:",
                "tables of names",
            ),
            ("web = { alow = { '@login' } }", ":1: web:", "no `alow`"),
            ("web = { handles = 'yes' }", ":1: web:", "true or false"),
            ("web = { allow = { '@a*b' } }", ":1: web:", "at the end"),
            ("web = { allow = { { 'x' } } }", "", "Invalid config table"),
            ("web = ", "", "unexpected symbol"),
        ] {
            let error = policy(text).unwrap_err();
            assert!(
                error.contains(line) && error.contains(what),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn local_addresses() {
        for (text, local) in [
            ("127.0.0.1:80", true),
            ("localhost", true),
            ("::1", true),
            ("[::1]:80", true),
            ("10.0.0.1:80", false),
            ("0.0.0.0", false),
            ("db.example", false),
        ] {
            assert_eq!(is_local(text), local, "{text}");
        }
    }
}
