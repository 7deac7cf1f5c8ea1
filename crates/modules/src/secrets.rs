//! Settings that services do not get to see, and `skynet.discovery.core`, by which discovery gets the one that it
//! needs.
//!
//! Discovery is started before the application, and takes its passwords once: whoever asks later gets none.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use mlua_sys::lua55::lua_CFunction;

use skynet_lua::service;
use skynet_vm::native::{native, push_functions, results};

/// The secrets of a node, by the names of their keys.
#[derive(Default)]
pub struct Secrets(Mutex<BTreeMap<String, String>>);

impl Secrets {
    /// These.
    pub fn new(values: BTreeMap<String, String>) -> Secrets {
        Secrets(Mutex::new(values))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<String> {
        self.lock().get(key).cloned()
    }

    /// The value of a key, which is not here any more then.
    pub fn take(&self, key: &str) -> Option<String> {
        self.lock().remove(key)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Secrets {
    fn clone(&self) -> Secrets {
        Secrets::new(self.lock().clone())
    }
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Secrets) -> bool {
        let own = self.lock().clone();
        own == *other.lock()
    }
}

impl Eq for Secrets {}

/// Names only.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

const FUNCTIONS: &[(&str, lua_CFunction)] = &[("take", take)];

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `take(key)`: the value of `etcdpassword`, or of `discovery` if it holds a password; once
    take = |l| {
        let svc = service(l)?;
        let key = l.bytes_argument(1)?;
        let key = ["etcdpassword", "discovery"].into_iter().find(|name| name.as_bytes() == key);
        let secrets = svc.node_part::<Secrets>();
        match key.and_then(|key| secrets?.take(key)) {
            // The text is handed over, since the push may raise an error.
            Some(password) => l.push_owned(skynet_kernel::text::into_bytes(password)),
            None => l.push_nil(),
        }
        results(1)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_once_and_never_shown() {
        let secrets = Secrets::new([("etcdpassword".to_owned(), "owl".to_owned())].into());
        assert!(!format!("{secrets:?}").contains("owl"));
        assert_eq!(secrets.get("etcdpassword").as_deref(), Some("owl"));
        assert_eq!(secrets.take("etcdpassword").as_deref(), Some("owl"));
        assert_eq!(secrets.take("etcdpassword"), None);
    }
}
