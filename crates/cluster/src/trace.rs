//! Log lines of traced requests.

use skynet_kernel::Context;

/// A line about a traced request, as Lua services write them.
pub(crate) fn log(cx: &Context, tag: &[u8], what: &[u8]) {
    let now = cx.node().hpc_ns().to_string();
    cx.log([b"<TRACE ", tag, b"> ", now.as_bytes(), b" ", what].concat());
}
