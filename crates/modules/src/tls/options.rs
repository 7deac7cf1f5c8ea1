//! Options as a Lua table: `{ verify =, ca =, cert =, key =, clientcert =, alpn = }`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use skynet_tls::{ClientCert, Info, Options};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, guarded_with};

use super::{Tls, Verify};

/// Keys that are known.
const KEYS: [&str; 9] = [
    "alpn",
    "ca",
    "cert",
    "clientcert",
    "key",
    "name",
    "role",
    "timeout",
    "verify",
];
/// Protocols for ALPN, at most; each has up to 255 bytes.
const PROTOCOLS: usize = 32;

/// What a table says.
pub(crate) struct Given {
    pub(crate) options: Options,
    /// What a server's certificate has to be made out to.
    pub(crate) name: Option<String>,
    /// Is it the role of a server, if it says so?
    pub(crate) server: Option<bool>,
    /// Centiseconds for the handshake.
    pub(crate) timeout: Option<u32>,
    /// Why the peer is not verified, for the log.
    pub(crate) unverified: Option<&'static str>,
}

/// A value of the table.
enum Value {
    Bool(bool),
    Number(Option<i64>),
    Text(Vec<u8>),
    /// The strings of an array, up to the first thing that is none.
    List(Vec<Vec<u8>>),
    Other(&'static str),
}

impl Given {
    /// For the socket engine; `server` unless the table says which side it is.
    pub(crate) fn for_sockets(self, server: bool) -> skynet_net::Tls {
        let mut tls = skynet_net::Tls::new(self.options, self.server.unwrap_or(server));
        tls.name = self.name;
        tls.unverified = self.unverified;
        if let Some(timeout) = self.timeout {
            tls.timeout = Duration::from_millis(u64::from(timeout) * 10);
        }
        tls
    }
}

type Table = HashMap<String, Value>;

/// Reads the table at `i`. A misspelt key would be a door left open, so it is refused.
pub(crate) fn read(l: Lua, i: i32, tls: &Tls) -> Result<Given, Fault> {
    if l.kind(i) != Type::Table {
        return Err(l.expected(i, "table"));
    }
    let mut table = Table::new();
    l.push_value(i);
    guarded_with(l, 1, |l| {
        l.push_nil();
        while l.next(1) {
            let value = value(l);
            l.pop(1);
            let key = match l.kind(-1) {
                Type::String => String::from_utf8_lossy(l.known_bytes(-1)).into_owned(),
                _ => format!("a {}", l.type_name(-1)),
            };
            table.insert(key, value);
        }
    })?;
    given(&table, tls).map_err(Fault::from)
}

/// The value on top.
fn value(l: Lua) -> Value {
    match l.kind(-1) {
        Type::Boolean => Value::Bool(l.bool(-1)),
        Type::Number => Value::Number(l.int(-1)),
        Type::String => Value::Text(l.known_bytes(-1).to_vec()),
        Type::Table => {
            let mut list = Vec::new();
            while list.len() <= PROTOCOLS && l.raw_geti(-1, list.len() as i64 + 1) == Type::String {
                list.push(l.known_bytes(-1).to_vec());
                l.pop(1);
            }
            if list.len() <= PROTOCOLS {
                l.pop(1);
            }
            Value::List(list)
        }
        _ => Value::Other(l.type_name(-1)),
    }
}

fn given(table: &Table, tls: &Tls) -> Result<Given, String> {
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let known = KEYS.join(", ");
        return Err(format!("unknown TLS option '{key}' (there are {known})"));
    }
    let verify = match table.get("verify") {
        None => None,
        Some(Value::Bool(verify)) => Some(*verify),
        Some(other) => return Err(wrong("verify", "boolean", other)),
    };
    let ca = path(table, "ca")?;
    let unverified = match (verify, tls.verify) {
        (Some(false), Verify::Strict) => {
            return Err(
                "verify = false is refused: the config says tlsverify = \"strict\"".to_owned(),
            );
        }
        (Some(false), _) => Some("verify = false"),
        // If authorities are named, the peer is verified with them.
        (None, Verify::Off) if ca.is_none() => Some("tlsverify = false"),
        _ => None,
    };
    let client_cert = match text(table, "clientcert")?.as_deref() {
        // Who names authorities wants certificates that come from them.
        None if ca.is_some() => ClientCert::Required,
        None | Some("none") => ClientCert::None,
        Some("optional") => ClientCert::Optional,
        Some("required") => ClientCert::Required,
        Some(_) => {
            return Err(
                "TLS option 'clientcert' is \"required\", \"optional\" or \"none\"".to_owned(),
            );
        }
    };
    let server = match text(table, "role")?.as_deref() {
        None => None,
        Some("client") => Some(false),
        Some("server") => Some(true),
        Some(_) => return Err("TLS option 'role' is \"client\" or \"server\"".to_owned()),
    };
    let timeout = match table.get("timeout") {
        None => None,
        Some(Value::Number(n)) => match n.and_then(|n| u32::try_from(n).ok()) {
            Some(n @ 1..) => Some(n),
            _ => return Err("TLS option 'timeout' is a number of centiseconds above 0".to_owned()),
        },
        Some(other) => return Err(wrong("timeout", "number", other)),
    };
    Ok(Given {
        options: Options {
            cert: path(table, "cert")?,
            key: path(table, "key")?,
            ca,
            verify: unverified.is_none(),
            client_cert,
            alpn: protocols(table)?,
            ..Options::default()
        },
        name: text(table, "name")?,
        server,
        timeout,
        unverified,
    })
}

fn wrong(name: &str, expected: &str, found: &Value) -> String {
    let found = match found {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Text(_) => "string",
        Value::List(_) => "table",
        Value::Other(kind) => kind,
    };
    format!("TLS option '{name}': {expected} expected, got {found}")
}

fn bytes<'a>(table: &'a Table, name: &str) -> Result<Option<&'a [u8]>, String> {
    match table.get(name) {
        None => Ok(None),
        Some(Value::Text(bytes)) => Ok(Some(bytes)),
        Some(other) => Err(wrong(name, "string", other)),
    }
}

fn text(table: &Table, name: &str) -> Result<Option<String>, String> {
    let bytes = bytes(table, name)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn path(table: &Table, name: &str) -> Result<Option<PathBuf>, String> {
    let bytes = bytes(table, name)?;
    Ok(bytes.map(|bytes| PathBuf::from(OsStr::from_bytes(bytes))))
}

fn protocols(table: &Table) -> Result<Vec<Vec<u8>>, String> {
    match table.get("alpn") {
        None => Ok(Vec::new()),
        Some(Value::List(list))
            if (1..=PROTOCOLS).contains(&list.len())
                && list.iter().all(|name| (1..=255).contains(&name.len())) =>
        {
            Ok(list.clone())
        }
        Some(Value::List(_)) => Err(format!(
            "TLS option 'alpn' is an array of up to {PROTOCOLS} strings of 1 to 255 bytes"
        )),
        Some(other) => Err(wrong("alpn", "table", other)),
    }
}

/// Pushes what is known about a connection, as a table. *raises*
pub(crate) fn push_info(l: Lua, info: &Info) {
    l.new_table(0, 7);
    let bytes = |name, bytes: &[u8]| {
        l.push_bytes(bytes);
        l.raw_set_str(-2, name);
    };
    bytes("version", info.version.as_bytes());
    bytes("cipher", info.cipher.as_bytes());
    if let Some(alpn) = &info.alpn {
        bytes("alpn", alpn);
    }
    if let Some(name) = &info.server_name {
        bytes("servername", name.as_bytes());
    }
    l.push_bool(info.verified);
    l.raw_set_str(-2, "verified");
    if info.peer_certificate {
        l.new_table(info.peer_names.len(), 0);
        for (n, name) in info.peer_names.iter().enumerate() {
            l.push_bytes(name.as_bytes());
            l.raw_seti(-2, n as i64 + 1);
        }
        l.raw_set_str(-2, "names");
    }
}
