//! How the tests of what is peculiar to a store open it, and ask it.

use std::sync::Arc;

use modelmesh_secrets::{
    Error, ErrorKind, Result, SecretName, SecretStoreConnector, SecretValue, StoreSource as _,
    config::Configuration, document::Format,
};
use modelmesh_stores::{
    environment::FixedEnvironment,
    open::StoreSet,
    registry::{OpenContext, catalogue},
};

use crate::backend;

pub(crate) type Store = Arc<dyn SecretStoreConnector>;

/// A store of an entry, without a cache, with the variables of `pairs` and no others.
pub(crate) async fn open(entry: &str, more: &str, variables: &[(&str, &str)]) -> Result<Store> {
    let text = backend::configuration(entry, more);
    let parsed = Configuration::parse("modelmesh.yaml", ".".into(), &text, Format::Yaml, &catalogue());
    let parsed = parsed.unwrap_or_else(|report| panic!("{report}"));
    let environment = Arc::new(FixedEnvironment::new(variables.iter().copied()));
    let context = OpenContext { environment, ..OpenContext::default() };
    let stores = StoreSet::new(Arc::new(parsed), context).unwrap_or_else(|report| panic!("{report}"));
    stores.without_cache().store("s").await
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

/// The name of a test that needs but one.
pub(crate) fn key() -> SecretName {
    name("openai-key")
}

pub(crate) async fn get(store: &Store, name: &str) -> Result<String> {
    Ok(store.get(&self::name(name)).await?.expose().to_owned())
}

pub(crate) async fn set(store: &Store, name: &str, value: &str) -> Result<()> {
    store.management().unwrap().set(&self::name(name), &SecretValue::new(value)).await
}

pub(crate) async fn delete(store: &Store, name: &str) -> Result<()> {
    store.management().unwrap().delete(&self::name(name)).await
}

/// The error of a call that fails. It says what to do, except that there is nothing to do about a missing name.
pub(crate) async fn error(call: impl Future<Output = Result<impl Sized>>) -> Error {
    let Err(error) = call.await else { panic!("it succeeded") };
    assert!(error.help().is_some() || error.kind() == ErrorKind::NotFound, "{error:?}");
    error
}

pub(crate) async fn kind(call: impl Future<Output = Result<impl Sized>>) -> ErrorKind {
    error(call).await.kind()
}

pub(crate) async fn kind_of_get(store: &Store) -> ErrorKind {
    kind(store.get(&key())).await
}
