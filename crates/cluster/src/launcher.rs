//! What the launcher hears of the services of the cluster, as of services in Lua.

use skynet_kernel::{Context, Payload, kind};

use crate::command::pack;

/// Tells the launcher, if there is one, that the service has started: it is listed from now on, and whoever launched it
/// gets its handle.
pub(crate) fn report_started(cx: &Context, line: &str) {
    if let Some(launcher) = cx.node().find_name("launcher") {
        let report = pack(&["ADOPT".into(), format!("snlua {line}").into()]);
        let _ = cx.send(launcher, kind::LUA, 0, report);
    }
}

/// Tells the launcher that the service ends before it has started.
pub(crate) fn report_failed(cx: &Context) {
    if let Some(launcher) = cx.node().find_name("launcher") {
        let _ = cx.send(launcher, kind::TEXT, 0, Payload::from("ERROR"));
    }
}

/// Ends the service, and tells the launcher.
pub(crate) fn leave(cx: &Context) {
    if let Some(launcher) = cx.node().find_name("launcher") {
        let report = pack(&["REMOVE".into(), cx.handle().0.into(), false.into()]);
        let _ = cx.send(launcher, kind::LUA, 0, report);
    }
    cx.exit();
}
