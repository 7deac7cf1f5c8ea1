//! What native modules keep: for one service, or for all Lua services of a node. Each kind of thing is there once,
//! under its type.

use std::any::{Any, TypeId};

use super::Svc;

/// Things of a node.
#[derive(Default)]
pub struct Parts(Vec<(TypeId, Box<dyn Any + Send + Sync>)>);

impl Parts {
    /// With one more thing. What is needed most often should come first.
    #[must_use]
    pub fn with<T: Any + Send + Sync>(mut self, part: T) -> Parts {
        self.0.push((TypeId::of::<T>(), Box::new(part)));
        self
    }

    fn get<T: Any>(&self) -> Option<&T> {
        let mut all = self.0.iter();
        let (_, part) = all.find(|(id, _)| *id == TypeId::of::<T>())?;
        part.downcast_ref()
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} parts", self.0.len())
    }
}

/// Things of a service; they are dropped after its state is closed.
#[derive(Default)]
pub(crate) struct OwnParts(Vec<(TypeId, Box<dyn Any>)>);

impl OwnParts {
    fn get<T: Any + Default>(&mut self) -> Option<&mut T> {
        let id = TypeId::of::<T>();
        let i = match self.0.iter().position(|(of, _)| *of == id) {
            Some(i) => i,
            None => {
                self.0.push((id, Box::new(T::default())));
                self.0.len() - 1
            }
        };
        self.0[i].1.downcast_mut()
    }
}

impl Svc {
    /// What the node has of this type, if whoever made the node has put it there.
    pub fn node_part<T: Any>(&self) -> Option<&T> {
        self.shared.options.parts.get()
    }

    /// Borrows what this service has of this type, which is made when it is asked for first. `f` must not call into
    /// Lua.
    pub fn own_part<T: Any + Default, R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|t| {
            f(t.parts
                .get()
                .expect("it has just been looked up by its type"))
        })
    }
}
