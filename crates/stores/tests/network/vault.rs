//! What is peculiar to Vault and OpenBao.

mod cluster;
mod documents;
mod issuers;
mod login;
mod names;
mod scripted;
mod servers;
mod writers;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{
    asking::{Store, delete, error, get, kind, name, set},
    backends::vault::{Shared, Vault},
};

pub(crate) fn trials() -> Vec<Trial> {
    let shared = Shared::default();
    let mut trials = documents::trials(&shared);
    trials.extend(names::trials(&shared));
    trials.extend(login::trials(&shared));
    trials.extend(issuers::trials(&shared));
    trials.extend(servers::trials(&shared));
    trials.extend(writers::trials(&shared));
    trials.extend(cluster::trials());
    trials
}

/// Trials of functions that take the shared server.
macro_rules! of_shared {
    ($shared:ident: $($test:ident),* $(,)?) => {
        vec![$({
            let shared = std::sync::Arc::clone($shared);
            crate::trial(concat!("vault::", stringify!($test)), move || async move {
                $test(crate::backends::vault::running(&shared).await).await;
            })
        }),*]
    };
}
use of_shared;

async fn list(store: &Store) -> Vec<String> {
    let names = store.management().unwrap().list().await.unwrap_or_else(|error| panic!("{error:?}"));
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

/// Writes a document into a mount of version 2, as its administrator.
async fn put(vault: &Vault, mount: &str, path: &str, document: &Value) {
    let body = json!({ "data": document });
    vault.server.client().expect("POST", &format!("{mount}/data/{path}"), Some(body)).await;
}

/// A mount of version 2, and a store of it.
async fn versioned(vault: &Vault, more: &str) -> (String, Store) {
    let mount = vault.server.mount(2).await;
    let store = vault.open(&mount, vault.token.text(), more).await;
    (mount, store)
}
