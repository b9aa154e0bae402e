//! Classes of Python as connectors of a configuration.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use modelmesh_secrets::{
    Error, ErrorKind, Result, SecretStoreConnector, async_trait, config::Given, setting::ConnectorSpec,
};
use modelmesh_stores::registry::HostConnectors;
use pyo3::prelude::*;

use crate::{
    errors::{Mistake, from_raised},
    given::to_keywords,
    hook::HookConnector,
    interpreter,
};

/// The specifications of classes with these IDs.
pub(crate) fn specifications(ids: &[String]) -> Vec<ConnectorSpec> {
    ids.iter().map(|id| ConnectorSpec::of_host(interned(id), "a class of the program")).collect()
}

/// The ID for as long as the process lives: a specification's own lives in the program, and there are as many IDs as
/// a program has classes of stores.
fn interned(id: &str) -> &'static str {
    static IDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut ids = IDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = ids.get(id) {
        return known;
    }
    let id: &'static str = Box::leak(id.into());
    ids.insert(id);
    id
}

/// Makes stores of the classes that were registered.
pub(crate) struct HostClasses(Arc<Py<PyAny>>);

impl HostClasses {
    /// `make` is called with an ID and a mapping of settings, and returns a store.
    pub(crate) fn new(make: Py<PyAny>) -> Self {
        HostClasses(Arc::new(make))
    }
}

#[async_trait]
impl HostConnectors for HostClasses {
    async fn open(&self, id: &str, settings: &[(String, Given)]) -> Result<Arc<dyn SecretStoreConnector>> {
        let (make, id, settings) = (Arc::clone(&self.0), id.to_owned(), settings.to_vec());
        // A constructor may read a file.
        let opening = tokio::task::spawn_blocking(move || {
            interpreter::attached(|py| {
                let arguments =
                    to_keywords(py, &settings).and_then(|settings| (&id, settings).into_pyobject(py));
                match arguments.and_then(|arguments| interpreter::call(make.bind(py), &arguments, None)) {
                    Ok(store) => Ok(Arc::new(HookConnector::of_held(&id, store.unbind()))),
                    Err(raised) => Err(from_raised(py, raised, Mistake::ChangesNothing)),
                }
            })
        });
        let stopped = |_| Error::new(ErrorKind::Unavailable, "the class's constructor was stopped");
        Ok(opening.await.map_err(stopped)???)
    }
}
