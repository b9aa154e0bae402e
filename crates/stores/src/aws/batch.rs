//! Several secrets in one call: `BatchGetSecretValue`.
//!
//! It is an action of its own to IAM, and many who may read secrets may not ask so. The first call finds that out, and
//! what it finds is kept for the life of the store.

use aws_sdk_secretsmanager::{
    operation::batch_get_secret_value::BatchGetSecretValueOutput, types::ApiErrorType,
};
use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretResolution as _, SecretValue};
use tokio::sync::OnceCell;

use super::{
    AwsStore,
    failure::{Asked, Refusal},
    place,
    secret::Held,
};

/// How many secrets one call names at the most.
pub(super) const MAX: usize = 20;

/// Whether the caller may ask for several secrets in one call; nothing while that is not known.
#[derive(Debug, Default)]
pub(super) struct Permission(OnceCell<bool>);

impl Permission {
    /// Whether the service has denied it.
    pub(super) fn is_denied(&self) -> bool {
        self.0.get() == Some(&false)
    }
}

/// What a call brought, or that it has to be made otherwise.
enum Brought {
    Answers(BatchGetSecretValueOutput),
    /// The caller may not ask so.
    Denied,
}

impl AwsStore {
    /// The current versions of up to [`MAX`] secrets.
    ///
    /// `Unsupported` for each if they have to be asked for one by one: whoever calls this has the limit of concurrent
    /// calls, and spreads them.
    pub(super) async fn get_batch(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let mut asked: Vec<&SecretName> =
            names.iter().filter(|name| place::check_name(name).is_ok()).collect();
        asked.sort_unstable();
        asked.dedup();
        if asked.is_empty() {
            return names.iter().map(|name| Err(refused_name(name))).collect();
        }
        match self.ask_batch(&asked).await {
            Ok(Brought::Answers(answers)) => self.sort_out(names, answers).await,
            Ok(Brought::Denied) => names.iter().map(|name| Err(one_by_one().with_name(name))).collect(),
            // A name that spoils the call must not hide the others' values.
            Err(error) if is_of_a_name(&error) => {
                names.iter().map(|name| Err(one_by_one().with_name(name))).collect()
            }
            Err(error) => names.iter().map(|name| Err(error.clone().with_name(name))).collect(),
        }
    }

    /// Makes one call. While it is not known whether it is denied, one caller finds out and the others wait.
    async fn ask_batch(&self, names: &[&SecretName]) -> Result<Brought> {
        let mut brought = None;
        let is_allowed = self.batches.0.get_or_try_init(|| async {
            match self.call_batch(names).await {
                Err(error) if is_of_the_call(&error) => Ok(false),
                answers => {
                    brought = Some(answers?);
                    Ok(true)
                }
            }
        });
        if !*is_allowed.await? {
            return Ok(Brought::Denied);
        }
        let answers = match brought {
            Some(answers) => answers,
            None => self.call_batch(names).await?,
        };
        Ok(Brought::Answers(answers))
    }

    async fn call_batch(&self, names: &[&SecretName]) -> Result<BatchGetSecretValueOutput> {
        let ids: Vec<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
        self.ask(Asked::GetMany, |client| {
            client.batch_get_secret_value().set_secret_id_list(Some(ids.clone())).send()
        })
        .await
    }

    /// The answer to each name, of answers that come in any order.
    async fn sort_out(
        &self,
        names: &[SecretName],
        answers: BatchGetSecretValueOutput,
    ) -> Vec<Result<SecretValue>> {
        let held: Vec<Held> = answers.secret_values.unwrap_or_default().into_iter().map(Held::from).collect();
        let errors = answers.errors.unwrap_or_default();
        let mut sorted = Vec::with_capacity(names.len());
        for name in names {
            let answer = if place::check_name(name).is_err() {
                Err(refused_name(name))
            } else if let Some(held) = held.iter().find(|held| held.is_answer_to(name)) {
                held.value(name)
            } else if let Some(error) = errors.iter().find(|error| is_about(error, name)) {
                Err(Refusal::of_one(error.error_code()))
            } else {
                // Long answers are cut short, and the rest is not told of.
                self.get(name).await
            };
            sorted.push(answer.map_err(|error| error.with_name(name)));
        }
        sorted
    }
}

fn is_about(error: &ApiErrorType, name: &SecretName) -> bool {
    let id = error.secret_id();
    id == Some(name.as_str()) || place::is_answer_to(name.as_str(), id, id)
}

/// Whether the error is that of asking so, whatever is asked for. An emulator may not know the call.
fn is_of_the_call(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unsupported)
}

/// Whether the error of a whole call may be that of one of its names.
fn is_of_a_name(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Disabled | ErrorKind::InvalidConfig)
}

fn refused_name(name: &SecretName) -> Error {
    place::check_name(name).err().unwrap_or_else(one_by_one).with_name(name)
}

fn one_by_one() -> Error {
    Error::unsupported("be asked for several secrets in one call")
        .with_help("it takes secretsmanager:BatchGetSecretValue; without it, ask for one after another")
}
