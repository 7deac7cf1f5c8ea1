//! What a connection's thread does for a command before the Lua service gets it: what can be long or large, or wait.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use skynet_wire::console::words;
use skynet_wire::seri::Value;

use super::expression;

/// Bytes of a file that is injected.
const LARGEST: u64 = 4 << 20;

/// What the service gets besides the line: an error or nil, then what was prepared. Nothing for most commands.
pub(super) fn of_command(line: &[u8]) -> Vec<Value> {
    let mut words = words(line);
    let prepared = match words.next() {
        // The service looks at the address first, and says what is missing.
        Some(b"call") => words.next().map_or(Ok(Vec::new()), |word| {
            expression::values(behind(line, word))
        }),
        Some(b"inject") => words.nth(1).map_or(Ok(Vec::new()), |name| {
            file(name).map(|source| vec![Value::Bytes(source)])
        }),
        _ => return Vec::new(),
    };
    match prepared {
        Ok(values) => std::iter::once(Value::Nil).chain(values).collect(),
        Err(error) => vec![error.into()],
    }
}

/// The line behind one of its words.
fn behind<'a>(line: &'a [u8], word: &[u8]) -> &'a [u8] {
    let end = word.as_ptr_range().end as usize - line.as_ptr() as usize;
    &line[end..]
}

/// The content of an ordinary file. Others can be endless, or let wait who opens them.
fn file(name: &[u8]) -> Result<Vec<u8>, String> {
    let path = Path::new(std::ffi::OsStr::from_bytes(name));
    let shown = path.display();
    let cannot = |_| format!("Can't open {shown}");
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let file = opened.map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(format!("Can't open {shown}: it is no file"));
    }
    let mut source = Vec::new();
    let mut limited = file.take(LARGEST + 1);
    limited.read_to_end(&mut source).map_err(cannot)?;
    if source.len() as u64 > LARGEST {
        return Err(format!("{shown} is too large: at most {LARGEST} bytes"));
    }
    Ok(source)
}
