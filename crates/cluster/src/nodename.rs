//! The id of this node in trace tags: host name and process.

/// The host's name, with `_` for spaces and control characters, and the number of the process. `noname` stands for a
/// host without a name.
pub fn nodename() -> String {
    let mut name = [0u8; 256];
    // SAFETY: the buffer has the size that is given; the last byte stays 0 whatever the call writes.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } != 0;
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let host: Vec<u8> = match name {
        _ if failed => b"noname".to_vec(),
        name => name
            .iter()
            .map(|&byte| if byte <= b' ' { b'_' } else { byte })
            .collect(),
    };
    format!("{}{}", String::from_utf8_lossy(&host), std::process::id())
}
