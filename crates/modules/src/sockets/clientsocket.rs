//! `client.socket`: sockets for programs that are no services, such as test clients which `skynet lua` runs.
//!
//! Lua holds a connection by the number of its descriptor; the connection itself is in a table of the process, so that
//! a number which is not one of these does no harm. `send` waits, `recv` and `readstdin` do not.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::Duration;

use mlua_sys::lua55::lua_CFunction;

use skynet_vm::cache::os_text;
use skynet_vm::lua::Lua;
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, native, results};

use skynet_kernel::lock;

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("close", close),
    ("connect", connect),
    ("readstdin", readstdin),
    ("recv", recv),
    ("send", send),
    ("shutdown", shutdown),
    ("usleep", usleep),
];

/// How much `recv` returns at most.
const CHUNK: usize = 4096;

/// How long `send` waits before it tries again.
const PATIENCE: Duration = Duration::from_micros(200);

static CONNECTIONS: Mutex<BTreeMap<i64, Arc<TcpStream>>> = Mutex::new(BTreeMap::new());

fn connections() -> MutexGuard<'static, BTreeMap<i64, Arc<TcpStream>>> {
    lock(&CONNECTIONS)
}

/// The connection whose number is argument 1.
fn connection(l: Lua) -> Result<Arc<TcpStream>, Fault> {
    let Some(fd) = l.int(1) else {
        return Err(l.expected(1, "number"));
    };
    match connections().get(&fd) {
        Some(stream) => Ok(Arc::clone(stream)),
        None => Err("socket error: Bad file descriptor".into()),
    }
}

fn socket_fault(e: &io::Error) -> Fault {
    Fault::from(format!("socket error: {}", os_text(e)))
}

fn dial(address: &str, port: u16) -> io::Result<TcpStream> {
    let stream = match address.parse::<Ipv4Addr>() {
        Ok(ip) => TcpStream::connect((ip, port))?,
        Err(_) => TcpStream::connect((address, port))?,
    };
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Lines of standard input, read on a thread of their own from the first question on.
fn lines() -> &'static Mutex<Receiver<Vec<u8>>> {
    static LINES: OnceLock<Mutex<Receiver<Vec<u8>>>> = OnceLock::new();
    LINES.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in io::stdin().lock().split(b'\n') {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Mutex::new(receiver)
    })
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `connect(address, port)` to a number
    connect = |l| {
        let address = String::from_utf8_lossy(l.bytes_argument(1)?);
        let port = l.int(2).and_then(|port| u16::try_from(port).ok());
        let Some(port) = port else {
            return Err(Fault::Argument(2, "a port is a number from 0 to 65535".into()));
        };
        let Ok(stream) = dial(&address, port) else {
            return Err(Fault::from(format!("Connect {address} {port} failed")));
        };
        let fd = i64::from(stream.as_raw_fd());
        connections().insert(fd, Arc::new(stream));
        l.push_int(fd);
        results(1)
    };

    /// `send(fd, text)`
    send = |l| {
        let stream = connection(l)?;
        let mut rest = l.bytes_argument(2)?;
        while !rest.is_empty() {
            match (&*stream).write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => thread::sleep(PATIENCE),
                Err(e) => return Err(socket_fault(&e)),
            }
        }
        results(0)
    };

    /// `recv(fd)` to what has come; "" at the end; nothing if there is nothing yet
    recv = |l| {
        let mut buffer = [0; CHUNK];
        let read = {
            let stream = connection(l)?;
            (&*stream).read(&mut buffer)
        };
        match read {
            Ok(n) => {
                l.push_bytes(&buffer[..n]);
                results(1)
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => results(0),
            Err(e) => Err(socket_fault(&e)),
        }
    };

    /// `shutdown(fd, "r", "w" or "rw")`
    shutdown = |l| {
        let how = match l.bytes_argument(2)? {
            b"r" => Shutdown::Read,
            b"w" => Shutdown::Write,
            b"rw" | b"wr" => Shutdown::Both,
            _ => return Err(Fault::Argument(2, "\"r\", \"w\" or \"rw\" expected".into())),
        };
        connection(l)?.shutdown(how).map_err(|e| socket_fault(&e))?;
        results(0)
    };

    /// `close(fd)`
    close = |l| {
        let fd = l.int(1).unwrap_or(-1);
        drop(connections().remove(&fd));
        results(0)
    };

    /// `usleep(microseconds)`
    usleep = |l| {
        let time = l.int(1).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        thread::sleep(Duration::from_micros(time));
        results(0)
    };

    /// `readstdin()` to a line, or nothing; when there will be no more, the program ends
    readstdin = |l| {
        let next = lock(lines()).try_recv();
        match next {
            Ok(line) => {
                l.push_owned(line);
                results(1)
            }
            Err(TryRecvError::Empty) => results(0),
            Err(TryRecvError::Disconnected) => std::process::exit(1),
        }
    };
}
