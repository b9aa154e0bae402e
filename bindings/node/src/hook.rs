//! Stores whose hook is written in JavaScript.

use std::{fmt, sync::Arc};

use modelmesh_secrets::{
    Claim, Error, Result, SecretName, SecretResolution, SecretStoreConnector, SecretValue, async_trait,
    config::Given,
};
use modelmesh_stores::registry::HostConnectors;
use napi::bindgen_prelude::{Either, Either4};
use napi_derive::napi;

use crate::{
    failure::Failure,
    host::{Desk, HookAnswer},
    value::Secret,
    work::{Outcome, Work},
};

/// A hook as a connector: what the engine asks by itself.
pub(crate) struct HookConnector {
    pub(crate) desk: Arc<Desk>,
    pub(crate) hook: u32,
    pub(crate) id: String,
}

impl fmt::Debug for HookConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookConnector").field("id", &self.id).finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretResolution for HookConnector {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let answer = self.desk.resolve(self.hook, name.as_str()).await?;
        answer.ok_or_else(|| Error::not_found(name.as_str()))
    }
}

impl SecretStoreConnector for HookConnector {
    fn connector_id(&self) -> &str {
        &self.id
    }
}

impl Drop for HookConnector {
    fn drop(&mut self) {
        self.desk.release(self.hook);
    }
}

/// The connectors that JavaScript has registered, for configurations that name them.
pub(crate) struct Registered(pub(crate) Arc<Desk>);

#[async_trait]
impl HostConnectors for Registered {
    async fn open(&self, id: &str, settings: &[(String, Given)]) -> Result<Arc<dyn SecretStoreConnector>> {
        let hook = self.0.open(id, settings).await?;
        Ok(Arc::new(HookConnector { desk: Arc::clone(&self.0), hook, id: id.to_owned() }))
    }
}

/// The duty to call the hook, for everyone who waits for the value.
#[napi]
pub struct Landing {
    desk: Arc<Desk>,
    name: SecretName,
    duty: Option<modelmesh_secrets::Landing>,
}

#[napi]
impl Landing {
    /// Gives what the hook gave to everyone who waits; returns what this caller gets.
    #[napi]
    pub fn land(&mut self, answer: HookAnswer) -> Either<Secret, Failure> {
        let Some(duty) = self.duty.take() else {
            return Either::B(Error::not_found(self.name.as_str()).into());
        };
        let answer = answer.into_result(&self.desk);
        let answer = answer.and_then(|value| value.ok_or_else(|| Error::not_found(self.name.as_str())));
        secret_or_failure(duty.land(answer))
    }
}

/// A place among those who wait for a hook that somebody else calls.
#[napi]
pub struct Waiting {
    desk: Arc<Desk>,
    place: Option<modelmesh_secrets::Waiting>,
}

#[napi]
impl Waiting {
    /// Waits for the value.
    #[napi(ts_return_type = "Work<Secret | Failure>")]
    pub fn work(&mut self) -> Option<Work> {
        let place = self.place.take()?;
        Some(Work::new(&self.desk, async move {
            place.wait().await.map(|value| Outcome::Secret(Secret::from(&value))).into()
        }))
    }
}

/// What a claim comes to, for JavaScript.
pub(crate) fn claimed(
    claim: Result<Claim>,
    name: SecretName,
    desk: &Arc<Desk>,
) -> Either4<Secret, Failure, Landing, Waiting> {
    let desk = Arc::clone(desk);
    match claim {
        Ok(Claim::Answer(Ok(value))) => Either4::A(Secret::from(&value)),
        Ok(Claim::Answer(Err(error))) | Err(error) => Either4::B(error.into()),
        Ok(Claim::Lead(landing)) => Either4::C(Landing { desk, name, duty: Some(landing) }),
        Ok(Claim::Wait(waiting)) => Either4::D(Waiting { desk, place: Some(waiting) }),
    }
}

pub(crate) fn secret_or_failure(answer: Result<SecretValue>) -> Either<Secret, Failure> {
    match answer {
        Ok(value) => Either::A(Secret::from(&value)),
        Err(error) => Either::B(error.into()),
    }
}
