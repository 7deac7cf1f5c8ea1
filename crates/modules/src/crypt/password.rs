//! `password_hash` and `password_verify`: argon2id takes tens of milliseconds and megabytes on purpose, so that it runs
//! on threads beside the workers. The coroutine waits for a message of one of them. Without a service, in `skynet lua`,
//! it simply takes its time.

use std::sync::Arc;
use std::thread;

use skynet_crypt::modern::{self, PasswordCost};
use skynet_kernel::blocking::Blocking;
use skynet_kernel::{Payload, kind};
use skynet_lua::{Svc, Told, calls};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, Next, Outcome, continuation, native, results};

use super::fault;

/// Jobs that may wait: with as many, the last one waits for minutes.
const WAITING: usize = 4096;
/// Threads at most: each takes the memory that a hash asks for.
const THREADS: usize = 4;
/// The most bytes of a password.
const LONGEST: usize = 4096;

/// The threads of a node.
pub(crate) struct Passwords(Blocking);

impl Default for Passwords {
    fn default() -> Passwords {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Passwords(Blocking::new("password", threads.min(THREADS), WAITING))
    }
}

/// What came out, as the bytes of a message: a mark and a text.
enum Result {
    Hash(String),
    Right(bool),
    Failed(String),
}

impl Result {
    fn to_payload(&self) -> Payload {
        let (mark, text) = match self {
            Result::Hash(hash) => (b'h', hash.as_str()),
            Result::Right(true) => (b't', ""),
            Result::Right(false) => (b'f', ""),
            Result::Failed(why) => (b'e', why.as_str()),
        };
        Payload::from([&[mark], text.as_bytes()].concat())
    }

    fn from_bytes(bytes: &[u8]) -> Result {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        match bytes.split_first() {
            Some((b'h', hash)) => Result::Hash(text(hash)),
            Some((b't', _)) => Result::Right(true),
            Some((b'f', _)) => Result::Right(false),
            Some((_, why)) => Result::Failed(text(why)),
            None => Result::Failed("no answer".to_owned()),
        }
    }

    /// Pushes it. *raises*
    fn push(self, l: Lua) -> Outcome {
        match self {
            Result::Hash(hash) => l.push_owned(hash),
            Result::Right(right) => l.push_bool(right),
            Result::Failed(why) => return Err(Fault::from(why)),
        }
        results(1)
    }
}

fn hash(password: &[u8], cost: PasswordCost) -> Result {
    match modern::hash_password(password, cost) {
        Ok(hash) => Result::Hash(hash),
        Err(error) => Result::Failed(error.to_string()),
    }
}

fn verify(password: &[u8], phc: &str) -> Result {
    match modern::verify_password(password, phc) {
        Ok(right) => Result::Right(right),
        Err(error) => Result::Failed(error.to_string()),
    }
}

/// The password at 1. *raises*
fn password<'a>(l: Lua) -> std::result::Result<&'a [u8], Fault> {
    let password = l.string_argument(1)?;
    if password.len() > LONGEST {
        let text = format!("a password has at most {LONGEST} bytes");
        return Err(Fault::Argument(1, text.into()));
    }
    Ok(password)
}

/// The cost that the table at 2 asks for. *raises*
fn cost(l: Lua) -> std::result::Result<PasswordCost, Fault> {
    let mut cost = PasswordCost::default();
    if l.is_none_or_nil(2) {
        return Ok(cost);
    }
    if l.kind(2) != Type::Table {
        return Err(l.expected(2, "table"));
    }
    let parts = [
        ("memory", &mut cost.memory),
        ("passes", &mut cost.passes),
        ("lanes", &mut cost.lanes),
    ];
    for (name, part) in parts {
        if l.raw_get_str(2, name) != Type::Nil {
            let number = l.int(-1).and_then(|n| u32::try_from(n).ok());
            *part = number.ok_or_else(|| {
                Fault::Argument(2, format!("{name} is a whole number, not negative").into())
            })?;
        }
        l.pop(1);
    }
    cost.check().map_err(fault)?;
    Ok(cost)
}

/// Runs `work` beside the workers, and suspends the task until it is done; or runs it here, if there is no service.
fn start(l: Lua, work: impl FnOnce() -> Result + Send + 'static) -> Outcome {
    let Some(svc) = Svc::of(l) else {
        return work().push(l);
    };
    calls::check_yieldable(l, svc)?;
    let Some(passwords) = svc.node_part::<Passwords>() else {
        return work().push(l);
    };
    let (node, handle) = (Arc::downgrade(svc.cx.node()), svc.handle());
    let session = calls::new_session(svc);
    let submitted = passwords.0.submit(move || {
        let Some(node) = node.upgrade().filter(|node| node.is_alive(handle)) else {
            return;
        };
        drop(node_of_the_result(node, work, handle, session));
    });
    if let Err(error) = submitted {
        return Err(Fault::from(format!("password hashing: {error}")));
    }
    calls::wait(svc, session);
    l.set_top(0);
    svc.suspended.set(l);
    Ok(Next::Yield {
        results: 0,
        ctx: 0,
        then: done,
    })
}

/// Does the work and sends the result. The node is not held meanwhile, so that it can go; it is returned.
fn node_of_the_result(
    node: Arc<skynet_kernel::Node>,
    work: impl FnOnce() -> Result,
    handle: skynet_kernel::Handle,
    session: i32,
) -> Option<Arc<skynet_kernel::Node>> {
    let weak = Arc::downgrade(&node);
    drop(node);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Result::Failed("internal error in password hashing".to_owned()));
    let node = weak.upgrade()?;
    // A service that has gone meanwhile waits no more.
    let _ = node.send(handle, handle, kind::RESPONSE, session, result.to_payload());
    Some(node)
}

continuation! {
    done = |l: Lua, _, _| {
        let svc = skynet_lua::service(l)?;
        match svc.take_wake() {
            Told::Answer(message) => Result::from_bytes(message.bytes()).push(l),
            _ => Err("password hashing: the wait was ended".into()),
        }
    };
}

native! {
    /// `password_hash(password [, options])`: a PHC string
    password_hash = |l| {
        let password = password(l)?;
        let cost = cost(l)?;
        let password = password.to_vec();
        start(l, move || hash(&password, cost))
    };

    /// `password_verify(password, phc)`: is it the one?
    password_verify = |l| {
        let password = password(l)?;
        let phc = std::str::from_utf8(l.string_argument(2)?)
            .map_err(|_| fault(skynet_crypt::Error::PasswordHash))?;
        // What is no hash, or costs too much, is an error at once.
        modern::check_password_hash(phc).map_err(fault)?;
        let (password, phc) = (password.to_vec(), phc.to_owned());
        start(l, move || verify(&password, &phc))
    };
}
