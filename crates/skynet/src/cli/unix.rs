//! What needs the C library: running in the background, and the disposition of SIGPIPE.
//!
//! A daemon is made before any thread exists, since a forked child has only the thread that forked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeWriter, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Before the allocator's first page: see [`skynet_kernel::huge`].
#[cfg(target_os = "linux")]
#[used]
// SAFETY: the linker's list of functions to call before everything else; this one needs nothing that is made later.
#[unsafe(link_section = ".preinit_array")]
static FIRST: extern "C" fn() = {
    extern "C" fn first() {
        skynet_kernel::huge::wait();
    }
    first
};

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
    file: File,
}

/// This process in the background. The process that was started waits to hear whether the node has started.
#[derive(Debug)]
pub struct Daemon {
    pid_file: PidFile,
    starter: PipeWriter,
}

impl Daemon {
    /// The node has started: lets go of the terminal, and of the process that waits, which ends with exit code 0.
    pub fn started(mut self) -> Result<PidFile, DaemonError> {
        detach().map_err(DaemonError::Fork)?;
        // It may have been killed meanwhile.
        let _ = self.starter.write_all(b"+");
        Ok(self.pid_file)
    }

    /// The node has not started. The process that waits ends with the exit code of this one.
    pub fn failed(self) {
        self.pid_file.remove();
    }
}

/// Puts the process into the background: the child of the process that called returns from here, in a session of its
/// own, with its pid in `path`.
pub fn daemonize(path: &Path) -> Result<Daemon, DaemonError> {
    // Locked before the fork, so that the one in the foreground can tell; the lock is the child's, too.
    let mut pid_file = PidFile::lock(path)?;
    let (mut outcome, starter) = io::pipe().map_err(DaemonError::Fork)?;
    // SAFETY: no other thread exists, so the child may use everything.
    match unsafe { libc::fork() } {
        -1 => return Err(DaemonError::Fork(io::Error::last_os_error())),
        0 => {}
        child => {
            drop(starter);
            let mut byte = [0];
            let code = match outcome.read_exact(&mut byte) {
                Ok(()) => 0,
                Err(_) => exit_code_of(child),
            };
            // SAFETY: ends the process; buffers and exit handlers are left to the child.
            unsafe { libc::_exit(code) }
        }
    }
    drop(outcome);
    // SAFETY: no pointers are involved; a freshly forked child is no group leader, which is all that can go wrong.
    unsafe { libc::setsid() };
    pid_file.write()?;
    Ok(Daemon { pid_file, starter })
}

fn exit_code_of(child: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: `status` is an out-parameter.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    match waited == child && libc::WIFEXITED(status) {
        true => libc::WEXITSTATUS(status),
        false => 1,
    }
}

impl PidFile {
    /// Opens and locks the file. The lock decides whether a node runs: a pid alone may be of another process by now.
    fn lock(path: &Path) -> Result<PidFile, DaemonError> {
        let failed = |error| DaemonError::PidFile {
            path: path.to_owned(),
            error,
        };
        loop {
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
                return Err(match read_pid(&mut file) {
                    Some(pid) if is_alive(pid) => DaemonError::Running(pid),
                    pid => DaemonError::Locked(pid.unwrap_or(0)),
                });
            }
            // A node that has just ended may have removed the file between opening and locking.
            let ours = file.metadata().map_err(failed)?.ino();
            if fs::metadata(path).is_ok_and(|found| found.ino() == ours) {
                return Ok(PidFile {
                    path: path.to_owned(),
                    file,
                });
            }
        }
    }

    fn write(&mut self) -> Result<(), DaemonError> {
        let file = &mut self.file;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|error| DaemonError::PidFile {
                path: self.path.clone(),
                error,
            })
    }

    /// Removes the file, at the end of an orderly stop.
    pub fn remove(self) {
        // It may be gone already, and the node ends anyway.
        let _ = fs::remove_file(&self.path);
    }
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
