//! `ltls.c` and `ltls.init.c`: TLS as objects that do no I/O, as skynet (C) has them.
//!
//! What is more here: `newctx` takes options, and the tls object has `reason`, `last` and `info`. The texts of errors
//! are those of skynet (C), which only have numbers; `reason` has what is behind them.

use std::ffi::OsStr;
use std::io::IoSlice;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua_sys::lua55::lua_CFunction;
use skynet_tls::{Error, Options, Session};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, guarded, native, push_functions, results};

use super::{Tls, Verify, options, shared};
use crate::boxed::{self, Boxed};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[("newctx", new_context), ("newtls", new_session)];

const HANDSHAKE_FAILED: &str = "SSL_do_handshake error:1 ret:-1";

/// What sessions of one kind have in common.
struct Context {
    options: Mutex<Options>,
    /// Why servers are not verified, if it is to be said in the log.
    unverified: Option<&'static str>,
}

impl Boxed for Context {
    const NAME: &'static std::ffi::CStr = c"ltls.context";
    const WHAT: &'static str = "need sslctx";
    const METHODS: &'static [(&'static str, lua_CFunction)] =
        &[("set_cert", set_cert), ("set_ciphers", set_ciphers)];
}

/// A session, before, during and after its life.
struct Object(Mutex<State>);

enum State {
    /// The first handshake makes the session.
    New {
        server: bool,
        context: Arc<Context>,
        name: Option<String>,
    },
    Running(Box<Running>),
    Failed {
        why: Error,
        /// What the peer is to be told.
        last: Vec<u8>,
    },
    Closed,
}

struct Running {
    session: Session,
    /// Plaintext that nobody has asked for yet.
    plain: Vec<u8>,
    /// It fails when this has been read.
    failure: Option<Error>,
}

impl Boxed for Object {
    const NAME: &'static std::ffi::CStr = c"ltls.tls";
    const WHAT: &'static str = "need a tls object";
    const METHODS: &'static [(&'static str, lua_CFunction)] = &[
        ("close", close),
        ("finished", finished),
        ("handshake", handshake),
        ("info", info),
        ("last", last),
        ("name", name),
        ("read", read),
        ("reason", reason),
        ("set_ext_host_name", set_name),
        ("write", write),
    ];
}

impl Object {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn options_of(context: &Context) -> MutexGuard<'_, Options> {
    context
        .options
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// The state of the object at 1, which is not closed.
fn state<'a>(l: Lua) -> Result<MutexGuard<'a, State>, Fault> {
    let object: &'a Arc<Object> = boxed::get(l, 1)?;
    let state = object.lock();
    match *state {
        State::Closed => Err("context is closed".into()),
        _ => Ok(state),
    }
}

/// Bytes at 2, if there are any. A number counts as its text. *raises*
fn bytes_argument<'a>(l: Lua) -> Result<&'a [u8], Fault> {
    if l.is_none_or_nil(2) {
        return Ok(b"");
    }
    l.string_argument(2)
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Makes the session of an object that is new. Renewed files that cannot be used are told of.
fn begin(l: Lua, state: &mut State) -> Result<(), Fault> {
    let State::New {
        server,
        context,
        name,
    } = &*state
    else {
        return Ok(());
    };
    let (svc, tls) = shared(l)?;
    let made = if *server {
        tls.configs
            .server(&options_of(context))
            .and_then(|loaded| Ok((Session::server(&loaded.setup)?, loaded.problem)))
    } else {
        tls.configs.client(&options_of(context)).and_then(|loaded| {
            Ok((
                Session::client(&loaded.setup, name.as_deref())?,
                loaded.problem,
            ))
        })
    };
    match made {
        Ok((session, problem)) => {
            if let Some(problem) = problem {
                svc.cx
                    .log(format!("error: {problem}; the old one is still used"));
            }
            if let (false, Some(why)) = (server, context.unverified)
                && let Some(line) = tls
                    .unverified
                    .line(name.as_deref().unwrap_or("a server"), why)
            {
                svc.cx.log(line);
            }
            *state = State::Running(Box::new(Running {
                session,
                plain: Vec::new(),
                failure: None,
            }));
            Ok(())
        }
        Err(why) => {
            *state = State::Failed {
                why,
                last: Vec::new(),
            };
            Err(HANDSHAKE_FAILED.into())
        }
    }
}

/// Nothing works any more after that, but the peer can be told.
fn fail(state: &mut State, why: Error) {
    let mut last = Vec::new();
    if let State::Running(running) = state {
        running.session.output(&mut last);
    }
    *state = State::Failed { why, last };
}

native! {
    /// `ltls.c`. As in skynet (C) it has to be initialised for the node.
    open = |l| {
        let (_, tls) = shared(l)?;
        if !tls.initialised.load(Relaxed) {
            return Err("ltls need init, Put enablessl = true in you config file.".into());
        }
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// The same for our own modules, which need no initialisation.
    open_core = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `ltls.init.c`
    open_init = |l| {
        push_functions(l, &[("constructor", constructor)]);
        results(1)
    };

    /// `constructor()`
    constructor = |l| {
        shared(l)?.1.initialised.store(true, Relaxed);
        results(0)
    };

    /// `newctx([options])`. Without options, servers are verified only if the config says "strict".
    new_context = |l| {
        let context = {
            let (_, tls): (_, &Tls) = shared(l)?;
            if l.is_none_or_nil(1) {
                let verify = tls.verify == Verify::Strict;
                let options = Options { verify, ..Options::default() };
                Context { options: Mutex::new(options), unverified: None }
            } else {
                let given = options::read(l, 1, tls)?;
                Context { options: Mutex::new(given.options), unverified: given.unverified }
            }
        };
        boxed::push_empty::<Context>(l);
        boxed::fill(l, -1, Arc::new(context));
        results(1)
    };

    /// `ctx:set_cert(certfile, keyfile)`
    set_cert = |l| {
        let context = boxed::get::<Context>(l, 1)?;
        let (Some(cert), key) = (l.bytes(2), l.bytes(3)) else {
            return Err("need certfile".into());
        };
        let Some(key) = key else {
            return Err("need private key".into());
        };
        let (_, tls) = shared(l)?;
        let mut options = options_of(context);
        let changed = Options { cert: Some(path(cert)), key: Some(path(key)), ..options.clone() };
        // Whether it can be used shows here.
        let server = Options { client_cert: Default::default(), ..changed.clone() };
        match tls.configs.server(&server) {
            Ok(_) => {
                *options = changed;
                results(0)
            }
            Err(Error::Key { path: at, .. } | Error::NoKey { path: at } | Error::EncryptedKey { path: at }
                | Error::File { path: at, .. } | Error::Pem { path: at, .. }) if Some(&at) != changed.cert.as_ref() => {
                Err("SSL_CTX_use_PrivateKey_file error:0".into())
            }
            Err(Error::NoKey { .. } | Error::EncryptedKey { .. } | Error::Key { .. }) => {
                Err("SSL_CTX_use_PrivateKey_file error:0".into())
            }
            Err(Error::KeyMismatch { .. }) => Err("SSL_CTX_check_private_key error:0".into()),
            Err(_) => Err("SSL_CTX_use_certificate_chain_file error:0".into()),
        }
    };

    /// `ctx:set_ciphers(list)`: in skynet (C) it sets something else, so that no list of ciphers is good
    set_ciphers = |l| {
        boxed::get::<Context>(l, 1)?;
        Err(match l.kind(2) {
            Type::String => "SSL_CTX_set_tlsext_use_srtp error:1",
            _ => "need cipher list",
        }.into())
    };

    /// `newtls(method, ctx [, hostname [, name]])`: `name` is for verification, if no name is to be told to the server
    new_session = |l| {
        let object = {
            let method = l.bytes(1).unwrap_or(b"nil");
            let server = match method {
                b"client" => false,
                b"server" => true,
                other => {
                    let other = String::from_utf8_lossy(other);
                    return Err(format!("invalid method:{other} e.g[server, client]").into());
                }
            };
            let context = boxed::get::<Context>(l, 2).map_err(|_| Fault::from("need sslctx"))?;
            let name = l.bytes(3).or(l.bytes(4));
            let name = name.map(|name| String::from_utf8_lossy(name).into_owned());
            Object(Mutex::new(State::New { server, context: Arc::clone(context), name }))
        };
        boxed::push_empty::<Object>(l);
        boxed::fill(l, -1, Arc::new(object));
        results(1)
    };

    /// `tls:handshake([bytes])`: bytes to send, or nothing
    handshake = |l| {
        let bytes = bytes_argument(l)?;
        let mut out = Vec::new();
        {
            let mut state = state(l)?;
            // A server waits for its client, whatever certificate it has.
            if bytes.is_empty() && matches!(&*state, State::New { server: true, .. }) {
                return results(0);
            }
            begin(l, &mut state)?;
            let State::Running(running) = &mut *state else {
                return Err(HANDSHAKE_FAILED.into());
            };
            if !running.session.is_handshaking() {
                return Err("handshake is finished".into());
            }
            if let Err(why) = running.session.feed(bytes, &mut running.plain) {
                if running.session.is_handshaking() {
                    fail(&mut state, why);
                    return Err(HANDSHAKE_FAILED.into());
                }
                running.failure = Some(why);
            }
            // What the last step has made goes with the first `write`.
            if running.session.is_handshaking() {
                running.session.output(&mut out);
            }
        }
        if out.is_empty() {
            return results(0);
        }
        l.push_owned(out);
        results(1)
    };

    /// `tls:finished()`
    finished = |l| {
        let finished = match &*state(l)? {
            State::Running(running) => !running.session.is_handshaking(),
            _ => false,
        };
        l.push_bool(finished);
        results(1)
    };

    /// `tls:read([cipher])`: the plaintext that there is
    read = |l| {
        let bytes = bytes_argument(l)?;
        let plain = {
            let mut state = state(l)?;
            begin(l, &mut state)?;
            let State::Running(running) = &mut *state else {
                return Err("SSL_read error:1".into());
            };
            if running.failure.is_none()
                && let Err(why) = running.session.feed(bytes, &mut running.plain)
            {
                running.failure = Some(why);
            }
            let plain = std::mem::take(&mut running.plain);
            if plain.is_empty()
                && let Some(why) = running.failure.take()
            {
                fail(&mut state, why);
                return Err("SSL_read error:1".into());
            }
            plain
        };
        l.push_owned(plain);
        results(1)
    };

    /// `tls:write([plain])`: bytes to send
    write = |l| {
        let mut plain = bytes_argument(l)?;
        let mut out = Vec::new();
        {
            let mut state = state(l)?;
            begin(l, &mut state)?;
            let State::Running(running) = &mut *state else {
                return Err("SSL_write error:1".into());
            };
            if running.session.is_handshaking() && !plain.is_empty() {
                // OpenSSL's number for that.
                return Err("SSL_write error:2".into());
            }
            running.session.output(&mut out);
            while !plain.is_empty() {
                let sealed = running.session.seal(&[IoSlice::new(plain)]);
                if sealed == 0 {
                    return Err("SSL_write error:1".into());
                }
                plain = &plain[sealed..];
                running.session.output(&mut out);
            }
        }
        l.push_owned(out);
        results(1)
    };

    /// `tls:set_ext_host_name(name)`
    set_name = |l| {
        let given = bytes_argument(l)?;
        if let State::New { name, .. } = &mut *state(l)? {
            *name = Some(String::from_utf8_lossy(given).into_owned());
        }
        l.push_int(1);
        results(1)
    };

    /// `tls:name()`: the name that is verified, or told to the server, if there is one
    name = |l| {
        let name = match &*state(l)? {
            State::New { name, .. } => name.clone(),
            State::Running(running) => Some(running.session.name().to_owned()).filter(|name| !name.is_empty()),
            _ => None,
        };
        match name {
            Some(name) => l.push_owned(name),
            None => l.push_nil(),
        }
        results(1)
    };

    /// `tls:close()`
    close = |l| {
        *boxed::get::<Object>(l, 1)?.lock() = State::Closed;
        results(0)
    };

    /// `tls:reason()`: why it has failed
    reason = |l| {
        let text = match &*state(l)? {
            State::Failed { why, .. } => Some(why.to_string()),
            State::Running(running) => running.failure.as_ref().map(ToString::to_string),
            _ => None,
        };
        match text {
            Some(text) => l.push_owned(text),
            None => l.push_nil(),
        }
        results(1)
    };

    /// `tls:last()`: what is to be sent to the peer after a failure, "" if nothing
    last = |l| {
        let bytes = match &mut *state(l)? {
            State::Failed { last, .. } => std::mem::take(last),
            _ => Vec::new(),
        };
        l.push_owned(bytes);
        results(1)
    };

    /// `tls:info()`: what is known about the connection, or nil before the handshake has ended
    info = |l| {
        let info = match &*state(l)? {
            State::Running(running) => running.session.info(),
            _ => None,
        };
        match info {
            None => {
                l.push_nil();
                results(1)
            }
            Some(info) => {
                guarded(l, 1, |l| options::push_info(l, &info))?;
                results(1)
            }
        }
    };
}
