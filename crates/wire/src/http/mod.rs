//! HTTP/1.1, without I/O.
//!
//! * [`plain`]: heads as skynet (C) reads them, which is what its programs rely on: `http.httpd` and `http.httpc`.
//! * [`message`]: requests and answers by the standard, for servers and clients that do not depend on that.
//! * [`frame`]: frames and messages of websockets.
//! * [`deflate`], [`inflate`]: compressed messages and bodies.
//!
//! ```
//! use skynet_wire::http::plain;
//!
//! let line = plain::request_line(b"GET /index.html HTTP/1.1").expect("a request line");
//! assert_eq!((line.method, line.url, line.version), (&b"GET"[..], &b"/index.html"[..], &b"1.1"[..]));
//! ```

pub mod deflate;
pub mod frame;
mod head;
pub mod inflate;
pub mod message;
pub mod plain;
