//! The conformance suite, against each backend.

use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use modelmesh_secrets::{ErrorKind, SecretStoreConnector, async_trait};
use modelmesh_testkit::{
    canary::Canary,
    conformance::{self, BackendRules, Staged, StoreFactory},
};

use crate::backend::{self, Backend, Space};

pub(crate) fn trial(backend: &Arc<dyn Backend>) -> Trial {
    let backend = Arc::clone(backend);
    crate::trial(format!("conformance::{}", backend.label()), move || async move {
        conformance::run(&Stores { backend, latest: Mutex::default() }).await.assert_green();
    })
}

/// Stores of one backend, each in a space of its own.
struct Stores {
    backend: Arc<dyn Backend>,
    latest: Mutex<Option<Space>>,
}

#[async_trait]
impl StoreFactory for Stores {
    fn label(&self) -> &str {
        self.backend.label()
    }

    async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
        let space = self.backend.space().await;
        *self.latest.lock().unwrap() = Some(space.clone());
        backend::open(&*self.backend, &space).await
    }

    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
        let space = self.latest.lock().unwrap().clone()?;
        Some(backend::open(&*self.backend, &space).await)
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        self.backend.staged(kind).await
    }

    fn canaries(&self) -> Vec<Canary> {
        self.backend.canaries()
    }

    fn rules(&self) -> BackendRules {
        self.backend.rules()
    }

    fn exemptions(&self) -> &[(&'static str, &'static str)] {
        self.backend.exemptions()
    }
}
