//! What is peculiar to Vault and OpenBao.

mod cluster;
mod documents;
mod issuers;
mod login;
mod names;
mod scripted;
mod servers;
mod writers;

use std::sync::Arc;

use libtest_mimic::Trial;
use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretStoreConnector, SecretValue};
use serde_json::{Value, json};

use crate::backends::vault::{Shared, Vault};

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

type Store = Arc<dyn SecretStoreConnector>;

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

async fn get(store: &Store, path: &str) -> Result<String> {
    Ok(store.get(&name(path)).await?.expose().to_owned())
}

async fn set(store: &Store, path: &str, value: &str) -> Result<()> {
    store.management().unwrap().set(&name(path), &SecretValue::new(value)).await
}

async fn delete(store: &Store, path: &str) -> Result<()> {
    store.management().unwrap().delete(&name(path)).await
}

async fn list(store: &Store) -> Vec<String> {
    let names = store.management().unwrap().list().await.unwrap_or_else(|error| panic!("{error:?}"));
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

/// The error of a call that fails. It says what to do, except that there is nothing to do about a missing name.
async fn error(call: impl Future<Output = Result<impl Sized>>) -> Error {
    let Err(error) = call.await else { panic!("it succeeded") };
    assert!(error.help().is_some() || error.kind() == ErrorKind::NotFound, "{error:?}");
    error
}

async fn kind(call: impl Future<Output = Result<impl Sized>>) -> ErrorKind {
    error(call).await.kind()
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
