//! A kernel service that calls the functions of a library.

use std::ffi::{CString, c_char, c_void};
use std::sync::{Arc, RwLock};

use skynet_kernel::poison::write;
use skynet_kernel::{Context, InitError, Interrupt, Message, Payload, Service, block, kind};

use crate::extension::Extension;
use crate::library::Library;
use crate::{host, sockets};

/// The value that a library's `create` returned.
struct Instance {
    library: Arc<Library>,
    at: *mut c_void,
    /// Signals come from other threads. They read; the end of the service writes.
    alive: RwLock<bool>,
}

// SAFETY: the address itself is plain data. What it leads to is used by `init`, messages and `release`, which are one
// thread at a time, and by `signal`, which a library has to make ready for it.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Interrupt for Instance {
    fn signal(&self, number: i32) {
        // If it is just being released, or its release function signals itself, there is nobody left to listen.
        let Ok(alive) = self.alive.try_read() else {
            return;
        };
        if let (Some(signal), true) = (self.library.signal, *alive) {
            // SAFETY: a function of the library with an instance that is not released while the lock is held.
            unsafe { signal(self.at, number) };
        }
    }
}

struct CService {
    instance: Arc<Instance>,
    /// Held until the library is done with the service.
    context: Option<Arc<Context>>,
}

/// The service before its initialisation.
pub(crate) fn make(library: &Arc<Library>) -> Box<dyn Service> {
    let at = match library.create {
        // SAFETY: a function of the library without arguments.
        Some(create) => unsafe { create() },
        None => std::ptr::without_provenance_mut(usize::MAX),
    };
    let instance = Instance {
        library: Arc::clone(library),
        at,
        alive: RwLock::new(!at.is_null()),
    };
    Box::new(CService {
        instance: Arc::new(instance),
        context: None,
    })
}

impl Service for CService {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        host::know(cx.node());
        self.context = Some(Arc::clone(cx));
        if self.instance.at.is_null() {
            return Err(InitError::default());
        }
        let text = CString::new(skynet_kernel::text::to_bytes(param))
            .map_err(|_| "the parameter has a NUL")?;
        let param = match param {
            "" => std::ptr::null::<c_char>(),
            _ => text.as_ptr(),
        };
        // SAFETY: a function of the library; the context lives until `drop` below, the text for the call.
        match unsafe { (self.instance.library.init)(self.instance.at, address(cx), param) } {
            0 => Ok(()),
            _ => Err(InitError::default()),
        }
    }

    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        let (kind, session, source) = (message.kind, message.session, message.source);
        let extension = cx.extension::<Extension>();
        let handler = extension.and_then(|e| *skynet_kernel::lock(&e.handler));
        let Some(handler) = handler else {
            // No callback is set, so nobody would answer the request.
            if session > 0 && !matches!(kind, kind::RESPONSE | kind::ERROR | kind::MULTICAST) {
                let _ = cx.send(source, kind::ERROR, session, Payload::EMPTY);
            }
            return;
        };
        let (msg, size) = match sockets::event(message) {
            Ok(event) => event,
            Err(message) => message.into_payload().into_raw_terminated(),
        };
        // SAFETY: the library has given this function with this pointer; it runs on one thread at a time. The context
        // and the message live for the call at least.
        let keep = unsafe {
            (handler.call)(
                address(cx),
                handler.ud,
                kind.into(),
                session,
                source.0,
                msg.cast(),
                size,
            )
        };
        if keep == 0 {
            // SAFETY: the block is ours again, as the callback says.
            unsafe { block::free(msg) };
        }
    }

    fn interrupts(&self) -> Option<Arc<dyn Interrupt>> {
        let listens = self.instance.library.signal.is_some();
        listens.then(|| Arc::clone(&self.instance) as Arc<dyn Interrupt>)
    }
}

impl Drop for CService {
    fn drop(&mut self) {
        let instance = &self.instance;
        let mut alive = write(&instance.alive);
        if let (Some(release), true) = (instance.library.release, *alive) {
            // SAFETY: a function of the library; no other is called with this instance afterwards.
            unsafe { release(instance.at) };
        }
        *alive = false;
    }
}

/// A context as C code knows it.
fn address(cx: &Arc<Context>) -> *const c_void {
    Arc::as_ptr(cx).cast()
}
