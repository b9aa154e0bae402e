//! One file for each kind of store: how its server is started, and how a store is pointed at it.

pub(crate) mod aws;
pub(crate) mod azure;
pub(crate) mod google;
pub(crate) mod kubernetes;
pub(crate) mod onepassword;
pub(crate) mod vault;

use std::sync::Arc;

use crate::backend::Backend;

/// Every backend. Its server starts when it is first needed, and ends when the last of these is dropped.
pub(crate) fn all() -> Vec<Arc<dyn Backend>> {
    let [kubernetes, kubernetes_documents] = kubernetes::backends();
    let vault = vault::Shared::default();
    vec![
        Arc::new(aws::Aws::new()),
        Arc::new(azure::Azure::default()),
        Arc::new(google::Google::default()),
        Arc::new(kubernetes),
        Arc::new(kubernetes_documents),
        Arc::new(onepassword::OnePassword::new()),
        Arc::new(vault::Engine::new(&vault, 1)),
        Arc::new(vault::Engine::new(&vault, 2)),
    ]
}
