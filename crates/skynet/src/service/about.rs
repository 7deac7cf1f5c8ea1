//! What a task is there for: the name under which it is shown.

use skynet_kernel::Handle;
use std::any::type_name;

/// What a task is there for.
#[derive(Clone, Copy, Default)]
pub(super) struct About {
    name: &'static str,
    /// The method of the actor; empty for a spawned task.
    method: &'static str,
    /// The type of the message, if it has one.
    message: &'static str,
    /// Who sent the request, and its session.
    pub(super) request: Option<(Handle, i32)>,
}

impl About {
    pub(super) fn of<T>(method: &'static str) -> About {
        About {
            name: type_name::<T>(),
            method,
            ..About::default()
        }
    }

    /// The handler of the messages `M`.
    pub(super) fn of_handler<A, M>() -> About {
        About {
            message: type_name::<M>(),
            ..About::of::<A>("handle")
        }
    }

    pub(super) fn working_on(self, source: Handle, session: i32) -> About {
        About {
            request: Some((source, session)),
            ..self
        }
    }

    /// What stands in the place of a stack.
    pub(super) fn stack(&self) -> Vec<String> {
        vec![match (self.method, self.message) {
            ("", _) => format!("{} (spawned)", self.name),
            (method, "") => format!("{}::{method}", self.name),
            (method, message) => format!("{}::{method}({message})", self.name),
        }]
    }
}
