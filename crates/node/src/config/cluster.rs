//! What is wrong with the keys of the cluster, and with the file that `cluster` names.
//!
//! Addresses are read as the cluster itself reads them. Names of hosts are not resolved: that depends on
//! where and when it is done.

use std::net::Ipv6Addr;
use std::path::Path;

use skynet_wire::netaddr;

use super::load_addresses_of;
use super::{ConfigError, Finding, Severity};

/// The entries of a file with addresses that are none.
///
/// # Errors
/// The file cannot be evaluated.
pub(super) fn examine(path: &str) -> Result<Vec<Finding>, ConfigError> {
    let entries = load_addresses_of(Path::new(path))?;
    let findings = entries.filter_map(|(name, entry)| {
        let (severity, text, remedy) = problem(&name, &entry.value)?;
        Some(Finding {
            severity,
            key: name,
            file: entry.file,
            line: entry.line,
            text,
            remedy: remedy.to_owned(),
        })
    });
    Ok(findings.collect())
}

/// What is wrong with an entry, and what to do about it.
fn problem(name: &str, value: &str) -> Option<(Severity, String, &'static str)> {
    const WRITE: &str = "write \"host:port\", \"[IPv6 address]:port\" or false";
    match name.strip_prefix("__") {
        Some("nowaiting") => return None,
        Some(option) => {
            let text = format!("there is no option `{option}`");
            return Some((Severity::Warning, text, "the only one is `__nowaiting`"));
        }
        None => {}
    }
    let text = match (value, netaddr::host_port(value)) {
        ("false", _) => return None,
        ("true", _) => "`true` is no address of a node".to_owned(),
        (_, Err(error)) => error.to_string().trim_end_matches('.').to_owned(),
        (_, Ok(("", _))) => format!("`{value}` has no host"),
        (_, Ok((_, 0))) => format!("`{value}`: nobody can be reached at port 0"),
        (_, Ok((host, _))) if host.contains(char::is_whitespace) => {
            format!("`{value}` has a space in its host")
        }
        _ => return None,
    };
    Some((Severity::Error, text, WRITE))
}

/// What is wrong with `clusterbind`.
pub(super) fn bind_problem(host: &str) -> Option<String> {
    if host.is_empty() {
        return Some("is empty".to_owned());
    }
    let colon = host.contains(':') && host.parse::<Ipv6Addr>().is_err();
    (colon || host.contains(['[', ' '])).then(|| format!("`{host}` is no address of this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["10.0.0.1:2528", "db.example:1", "[::1]:65535", "false"] {
            assert_eq!(problem("db", good), None);
        }
        for (bad, text) in [
            ("10.0.0.1", "Invalid address 10.0.0.1"),
            ("5", "Invalid address 5"),
            ("true", "`true` is no address of a node"),
            ("db:port", "Invalid port in address db:port"),
            ("db:65536", "Invalid port in address db:65536"),
            (":80", "`:80` has no host"),
            ("db:0", "`db:0`: nobody can be reached at port 0"),
            ("a b:80", "`a b:80` has a space in its host"),
        ] {
            let (severity, found, _) = problem("db", bad).expect(bad);
            assert_eq!((severity, found.as_str()), (Severity::Error, text));
        }
        assert_eq!(problem("__nowaiting", "true"), None);
        assert_eq!(
            problem("__nowait", "true").map(|found| found.0),
            Some(Severity::Warning)
        );
    }

    #[test]
    fn binding() {
        for good in ["127.0.0.1", "::1", "localhost", "0.0.0.0"] {
            assert_eq!(bind_problem(good), None);
        }
        for bad in ["", "127.0.0.1:80", "[::1]", "a b"] {
            assert!(bind_problem(bad).is_some(), "{bad}");
        }
    }
}
