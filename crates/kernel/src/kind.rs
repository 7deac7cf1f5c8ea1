//! Kinds of messages. Numbers between [`TRACE`] and [`VALUE`] are free for applications.

/// Log lines to the logger, the argument string of a Lua service, simple services.
pub const TEXT: u8 = 0;
/// Answer to a request with the same session; expiry of a timer (source 0, no payload).
pub const RESPONSE: u8 = 1;
/// Delivery of a multicast channel (session = channel).
pub const MULTICAST: u8 = 2;
/// Data of a client connection; empty, to the exit monitor: the source has gone.
pub const CLIENT: u8 = 3;
/// To the logger: reopen the file.
pub const SYSTEM: u8 = 4;
/// Commands to the harbor service.
pub const HARBOR: u8 = 5;
/// Socket events.
pub const SOCKET: u8 = 6;
/// A request failed (session not 0), or the source has gone (session 0).
pub const ERROR: u8 = 7;
/// Reserved.
pub const QUEUE: u8 = 8;
/// Debug protocol.
pub const DEBUG: u8 = 9;
/// Lua calls.
pub const LUA: u8 = 10;
/// Snax calls.
pub const SNAX: u8 = 11;
/// Trace tag of the next request of the source.
pub const TRACE: u8 = 12;
/// A Rust value for a service in Rust.
pub const VALUE: u8 = 255;

/// The name of a kind that the runtime knows.
pub fn name(kind: u8) -> Option<&'static str> {
    const NAMES: [&str; 13] = [
        "text",
        "response",
        "multicast",
        "client",
        "system",
        "harbor",
        "socket",
        "error",
        "queue",
        "debug",
        "lua",
        "snax",
        "trace",
    ];
    NAMES.get(kind as usize).copied()
}
