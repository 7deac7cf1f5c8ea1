//! Something made of files, and made again when they have changed.
//!
//! Nothing watches the files. Whoever needs the thing asks, and each time the files are asked for their time, size and
//! number: three cheap system calls at most, beside a handshake. A file that was written just now may be written again
//! within the same tick of the file system's clock, so its content counts as unknown for a moment.
//!
//! Certificates are often renewed in two steps, the certificate and then the key. If what is there does not fit
//! together, the thing that is there stays, its owner is told once, and it is tried again at the next change.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A file that is older than this does not change without a change of its time.
const SETTLED: Duration = Duration::from_secs(1);

/// What is looked at of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let about = std::fs::metadata(path).ok()?;
        Some(Stamp {
            modified: about.modified().ok(),
            size: about.len(),
            inode: inode(&about),
        })
    }

    fn is_settled(&self) -> bool {
        let age = self.modified.and_then(|time| time.elapsed().ok());
        age.is_some_and(|age| age > SETTLED)
    }
}

#[cfg(unix)]
fn inode(about: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(about)
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> u64 {
    0
}

/// Something made of files; see the top of `watched.rs`: it is made again when one of them has changed.
#[derive(Debug)]
pub struct Watched<T> {
    files: Vec<PathBuf>,
    stamps: Vec<Option<Stamp>>,
    settled: bool,
    thing: Arc<T>,
    /// What the owner was told of the files as they are.
    told: Option<String>,
}

impl<T> Watched<T> {
    /// Makes it for the first time.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new<E>(
        files: Vec<PathBuf>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Watched<T>, E> {
        // Before the files are read: a change meanwhile is seen next time.
        let (stamps, settled) = look(&files);
        Ok(Watched {
            thing: Arc::new(make()?),
            files,
            stamps,
            settled,
            told: None,
        })
    }

    /// What was made last.
    pub fn thing(&self) -> Arc<T> {
        Arc::clone(&self.thing)
    }

    /// What there is, made anew if a file has changed; and why that failed, once for each change.
    pub fn get<E: Display>(&mut self, make: impl FnOnce() -> Result<T, E>) -> (Arc<T>, Option<E>) {
        let (stamps, settled) = look(&self.files);
        if stamps == self.stamps && self.settled {
            return (Arc::clone(&self.thing), None);
        }
        (self.stamps, self.settled) = (stamps, settled);
        match make() {
            Ok(thing) => {
                (self.thing, self.told) = (Arc::new(thing), None);
                (Arc::clone(&self.thing), None)
            }
            Err(error) => {
                let text = Some(error.to_string());
                let news = self.told != text;
                self.told = text;
                (Arc::clone(&self.thing), news.then_some(error))
            }
        }
    }
}

fn look(files: &[PathBuf]) -> (Vec<Option<Stamp>>, bool) {
    let stamps: Vec<_> = files.iter().map(|path| Stamp::of(path)).collect();
    let settled = stamps.iter().flatten().all(Stamp::is_settled);
    (stamps, settled)
}
