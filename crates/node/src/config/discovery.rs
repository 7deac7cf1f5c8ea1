//! What is wrong with the keys of discovery. At the start `lualib/skynet/discovery/settings.lua` reads them, and has
//! the last word.

use std::path::Path;

use super::Config;

/// Key, what is wrong with it, and what to do about it.
type Problem = (&'static str, String, &'static str);

/// Kinds of URLs: the scheme, and how the rest looks.
const KINDS: [(&str, &str); 5] = [
    ("etcd", "//HOST:PORT[,HOST:PORT]/NAME"),
    ("etcds", "//HOST:PORT[,HOST:PORT]/NAME"),
    ("redis", "//[USER:PASSWORD@]HOST:PORT/DATABASE/NAME"),
    ("file", "PATH"),
    ("dns", "_SERVICE._tcp.DOMAIN or dns:HOST:PORT"),
];

/// All that is wrong.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut found = Vec::new();
    if let Some(url) = config.get("discovery") {
        found.extend(url_problem(url));
    }
    for key in ["discoveryttl", "discoverygrace"] {
        let good = |text: &str| {
            text.parse::<f64>()
                .is_ok_and(|seconds| seconds > 0.0 && seconds <= 86400.0)
        };
        if let Some(text) = config.get(key).filter(|text| !good(text)) {
            let what = format!("`{text}` is no number of seconds from above 0 to 86400");
            found.push((key, what, "write a number"));
        }
    }
    for word in config
        .get("nodelabels")
        .unwrap_or_default()
        .split_whitespace()
    {
        if !word.split_once('=').is_some_and(|(name, _)| is_name(name)) {
            let what = format!("`{word}` is no label");
            found.push(("nodelabels", what, "write name=value"));
        }
    }
    if let Some(address) = config.get("nodeaddress") {
        if !is_address(address) {
            let what = format!("`{address}` is no host:port");
            found.push(("nodeaddress", what, "write how other nodes reach this one"));
        }
        if config.get("discovery").is_some() && config.get("nodename").is_none() {
            let what = "is missing; `nodeaddress` says how others reach this node".to_owned();
            found.push(("nodename", what, "give the node a name of its own"));
        }
    }
    for key in ["etcdca", "etcdcert", "etcdkey"] {
        if let Some(file) = config.get(key).filter(|file| !Path::new(file).is_file()) {
            let what = format!("there is no file `{file}`");
            found.push((key, what, "remove it or name a PEM file"));
        }
    }
    match (config.get("etcdcert"), config.get("etcdkey")) {
        (Some(_), None) => found.push((
            "etcdkey",
            "is missing".to_owned(),
            "name the key of `etcdcert`",
        )),
        (None, Some(_)) => found.push((
            "etcdcert",
            "is missing".to_owned(),
            "name the certificate of `etcdkey`",
        )),
        _ => {}
    }
    found
}

fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    !text.is_empty() && text.chars().all(good)
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// The URL without its user and password.
fn shown(url: &str) -> String {
    match (url.find("//"), url.rfind('@')) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}//(user){}", &url[..begin], &url[end..])
        }
        _ => url.to_owned(),
    }
}

fn url_problem(url: &str) -> Option<Problem> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    let Some((_, form)) = KINDS.iter().find(|(kind, _)| *kind == scheme) else {
        let what = format!(
            "`{}` begins with none of etcd:// etcds:// file: dns: redis://",
            shown(url)
        );
        return Some(("discovery", what, "see the page about discovery"));
    };
    let place = |rest: &str| {
        let mut words = rest.strip_prefix("//")?.split('/');
        let hosts = words.next()?.rsplit_once('@').map_or_else(
            || rest[2..].split('/').next().unwrap_or_default().to_owned(),
            |(_, hosts)| hosts.to_owned(),
        );
        hosts
            .split(',')
            .all(is_address)
            .then(|| words.map(str::to_owned).collect::<Vec<_>>())
    };
    let good = match scheme {
        "etcd" | "etcds" => place(rest).is_some_and(|rest| rest.len() == 1 && is_name(&rest[0])),
        "redis" => place(rest).is_some_and(|rest| {
            rest.len() == 2 && rest[0].parse::<u32>().is_ok() && is_name(&rest[1])
        }),
        "file" => {
            return (!Path::new(rest).is_file()).then(|| {
                (
                    "discovery",
                    format!("there is no file `{rest}`"),
                    "create it",
                )
            });
        }
        _ => {
            let name = rest
                .strip_prefix("//")
                .and_then(|rest| rest.split_once('/'))
                .map_or(rest, |(_, name)| name);
            is_address(name) || name.starts_with('_') && is_name(name)
        }
    };
    (!good).then(|| {
        (
            "discovery",
            format!("`{}` is not {scheme}:{form}", shown(url)),
            "correct it",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for url in ["redis://me:hid/den@here/x", "rediss://me:hidden@here"] {
            let (_, what, _) = url_problem(url).expect("it is wrong");
            assert!(
                what.contains("//(user)@here") && !what.contains("hid"),
                "{what}"
            );
        }
    }

    #[test]
    fn urls() {
        for good in [
            "etcd://10.0.0.5:2379,10.0.0.6:2379/game1",
            "etcds://etcd:2379/a",
            "redis://127.0.0.1:6379/0/game",
            "redis://me:secret@127.0.0.1:6379/0/game",
            "dns:_cluster._tcp.room.game.svc.cluster.local",
            "dns:rooms:2528",
            "dns://127.0.0.1:53/_cluster._tcp.room.test",
            "file:Cargo.toml",
        ] {
            assert_eq!(url_problem(good), None, "{good}");
        }
        for bad in [
            "etcd://10.0.0.5/game",
            "etcd://10.0.0.5:2379",
            "etcd:10.0.0.5:2379/x",
            "redis://127.0.0.1:6379/game",
            "dns:rooms",
            "file:there/is/none",
            "zookeeper://a:1/b",
            "etcd",
        ] {
            assert!(url_problem(bad).is_some(), "{bad}");
        }
    }
}
