//! What services can be launched from.

use crate::node::Node;
use crate::poison::{read, write};
use crate::service::Factory;

impl Node {
    /// Makes a module known, or replaces it.
    pub fn add_module(&self, name: &str, factory: Factory) {
        write(&self.modules).insert(name.to_owned(), factory);
    }

    /// The module of this name, from wherever it comes.
    pub(crate) fn module(&self, name: &str) -> Result<Factory, String> {
        if let Some(factory) = read(&self.modules).get(name) {
            return Ok(factory.clone());
        }
        let found = self.loader.as_ref().map_or(Ok(None), |load| load(name))?;
        let factory = found.ok_or("there is no such module")?;
        let mut modules = write(&self.modules);
        Ok(modules.entry(name.to_owned()).or_insert(factory).clone())
    }

    /// What makes a service: its own entry `module name`, else its module.
    pub(crate) fn factory(&self, module: &str, param: &str) -> Result<Factory, String> {
        let name = param.split(' ').next().unwrap_or_default();
        let own = format!("{module} {name}");
        if let Some(factory) = read(&self.modules).get(&own) {
            return Ok(factory.clone());
        }
        self.module(module)
    }
}
