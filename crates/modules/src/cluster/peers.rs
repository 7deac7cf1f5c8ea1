//! Who is behind a request that another node has made.

use std::sync::Arc;

use skynet_cluster::Directory;
use skynet_kernel::Handle;
use skynet_lua::service;
use skynet_vm::native::{native, results};

native! {
    /// `caller(source)`: the name of the node that a service speaks for, empty if it has none, and whether that is
    /// proved; nothing if it speaks for no other node
    caller = |l| {
        let svc = service(l)?;
        let source = Handle(l.int(1).unwrap_or(0) as u32);
        let directory = svc.node_part::<Arc<Directory>>();
        match directory.and_then(|directory| directory.caller(source)) {
            Some((name, certain)) => {
                // The text is handed over, since the push may raise an error.
                l.push_owned(name);
                l.push_bool(certain);
                results(2)
            }
            None => results(0),
        }
    };
}
