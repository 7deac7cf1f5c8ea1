//! What needs the C library: running in the background, and the disposition of SIGPIPE.
//!
//! A daemon is made before any thread exists, since a forked child has only the thread that forked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Why the process cannot run in the background. The texts are those of skynet (C).
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error("Skynet is already running, pid = {0}.")]
    Running(i32),
    #[error("Can't lock pidfile, lock is held by pid {0}.")]
    Locked(i32),
    #[error("Can't create pidfile [{}]: {error}.", path.display())]
    PidFile { path: PathBuf, error: io::Error },
    #[error("Can't daemonize: {0}.")]
    Fork(io::Error),
}

/// The pid file of a daemon: locked while the value lives.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _lock: File,
}

impl PidFile {
    /// Removes the file, at the end of an orderly stop.
    pub fn remove(self) {
        // It may be gone already, and the node ends anyway.
        let _ = fs::remove_file(&self.path);
    }
}

/// Puts the process into the background: the process that called is gone with exit code 0 afterwards, and its child
/// returns from here, in a session of its own, with its pid in `path` and no terminal.
pub fn daemonize(path: &Path) -> Result<PidFile, DaemonError> {
    if let Some(pid) = File::open(path)
        .ok()
        .and_then(|mut file| read_pid(&mut file))
        && pid != std::process::id() as i32
        && is_alive(pid)
    {
        return Err(DaemonError::Running(pid));
    }
    // SAFETY: no other thread exists, so the child may use everything.
    match unsafe { libc::fork() } {
        -1 => return Err(DaemonError::Fork(io::Error::last_os_error())),
        0 => {}
        // SAFETY: ends the process; buffers and exit handlers are left to the child.
        _ => unsafe { libc::_exit(0) },
    }
    // SAFETY: no pointers are involved; a freshly forked child is no group leader, which is all that can go wrong.
    unsafe { libc::setsid() };
    let pid_file = write_pid(path)?;
    detach().map_err(DaemonError::Fork)?;
    Ok(pid_file)
}

fn write_pid(path: &Path) -> Result<PidFile, DaemonError> {
    let failed = |error| DaemonError::PidFile {
        path: path.to_owned(),
        error,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)
        .map_err(failed)?;
    // SAFETY: the descriptor is open.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
        return Err(DaemonError::Locked(read_pid(&mut file).unwrap_or(0)));
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(PidFile {
        path: path.to_owned(),
        _lock: file,
    })
}

fn read_pid(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 0)
}

fn is_alive(pid: i32) -> bool {
    // SAFETY: signal 0 only asks. A process of somebody else's is alive, too.
    unsafe { libc::kill(pid, 0) == 0 || *libc::__errno_location() == libc::EPERM }
}

/// Connects standard input, output and error to `/dev/null`.
fn detach() -> io::Result<()> {
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    for standard in 0..3 {
        // SAFETY: both descriptors are open or may be replaced.
        if unsafe { libc::dup2(null.as_raw_fd(), standard) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Lets SIGPIPE end the process, as filters expect it: `skynet lua gen.lua | head` shall end when `head` does.
pub fn end_with_the_reader() {
    // SAFETY: the default disposition runs no code of ours, and no other thread exists yet.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
