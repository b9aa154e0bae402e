//! `aws.secrets-manager.v1`: AWS Secrets Manager.
//!
//! - One secret of an account and region is one secret here, and `get` reads the version with the stage `AWSCURRENT`.
//! - The calls are made by Amazon's own library, over the client that all network stores share (`transport.rs`). It
//!   makes no retries.
//! - At trace level that library logs requests whole, with values and signatures. While it works, nobody listens: see
//!   `AwsStore::ask`.

mod batch;
mod failure;
mod login;
mod place;
mod secret;
mod transport;

use std::{collections::HashSet, error::Error as StdError, sync::Arc};

use aws_sdk_secretsmanager::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{Filter, FilterNameStringType},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, NameRule, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, Version, async_trait,
    setting::{ConnectorSpec, Price, Setting, SettingKind, Settings},
};

use self::{batch::Permission, failure::Asked, login::Login, place::Selector, secret::Held};
use crate::{
    connector::{Connector, OpenContext},
    network::{malformed, unheard},
};

/// The largest value: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>.
const MAX_VALUE: usize = 64 << 10;

/// How many names a page of a listing has at the most.
const PAGE: i32 = 100;

/// For how many days a deleted secret can be restored, unless the settings say otherwise.
const RECOVERY_WINDOW: u64 = 30;

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new("aws.secrets-manager.v1", "AWS Secrets Manager")
        .writable()
        .over_network()
        .with_credential_variables(login::CREDENTIALS)
        .with_batch(batch::MAX)
        .with_price(Price::new(5, "https://aws.amazon.com/secrets-manager/pricing/", "2026-11-25"))
        .with_settings(&[
            Setting::new("region", SettingKind::Text, "the region of the secrets, such as us-east-1")
                .with_default("(AWS_REGION, else that of the profile or of the machine)"),
            Setting::new("version_stage", SettingKind::Text, "the stage of the version that 'get' reads")
                .with_default(place::CURRENT),
            Setting::new(
                "auth",
                SettingKind::Choice(&["iam_role", "access_key", "profile"]),
                "where credentials come from: the machine's or pod's role, an access key, or a profile",
            )
            .with_default("(wherever Amazon's own tools find them)"),
            Setting::new("profile", SettingKind::Text, "a profile of ~/.aws, which is then the only place")
                .with_default("(AWS_PROFILE, else default)"),
            Setting::new("access_key_id", SettingKind::Text, "the ID of an access key")
                .with_default("(AWS_ACCESS_KEY_ID)"),
            Setting::new("secret_access_key", SettingKind::Secret, "the secret of 'access_key_id'")
                .with_default("(AWS_SECRET_ACCESS_KEY)"),
            Setting::new("session_token", SettingKind::Secret, "the session of a temporary access key")
                .with_default("(AWS_SESSION_TOKEN)"),
            Setting::new("role_arn", SettingKind::Text, "a role that is assumed with these credentials")
                .with_default("(none)"),
            Setting::new(
                "endpoint",
                SettingKind::Text,
                "the address of the service, where it is another one",
            )
            .with_default("(AWS_ENDPOINT_URL_SECRETS_MANAGER, else Amazon's in the region)"),
            Setting::new(
                "recovery_window_days",
                SettingKind::Integer(0, 30),
                "for how many days a deleted secret can be restored: 7 to 30, or 0 to delete it at once",
            )
            .with_default("30"),
        ]),
    open: |settings, context| Ok(Arc::new(AwsStore::open(settings, context)?)),
};

/// Secrets of an account and region in AWS Secrets Manager.
///
/// - `get` reads the version that has the stage of the settings: `Disabled` if the secret is marked for deletion.
///   Versions have IDs and no order.
/// - `get_many` asks for 20 secrets a call. Where that is denied, [`Capabilities::batch`] becomes 1.
/// - `set` adds a version with the stage `AWSCURRENT`, makes the secret if there is none, and restores one that is
///   marked for deletion. One `set` makes one version, even if parts of it are made twice.
/// - `list` holds every secret that is not marked for deletion, if its name is one here: one that starts with `/` is
///   read by its ARN alone. It may lag behind by minutes.
/// - `delete` marks a secret for deletion; it can be restored for `recovery_window_days`.
/// - `expires_at` is not kept.
#[derive(Debug)]
pub struct AwsStore {
    login: Login,
    /// The setting `version_stage`.
    stage: String,
    /// What a listing has to hold.
    prefix: String,
    /// The setting `recovery_window_days`.
    recovery_window: u64,
    batches: Permission,
}

impl AwsStore {
    /// Checks the settings. Reads no credentials, and connects to nothing.
    fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let invalid = |what: &'static str| Error::new(ErrorKind::InvalidConfig, what);
        let recovery_window = settings.integer("recovery_window_days").unwrap_or(RECOVERY_WINDOW);
        if (1..7).contains(&recovery_window) {
            return Err(invalid("'recovery_window_days' is 0, or from 7 to 30")
                .with_help("Amazon keeps a deleted secret for a week at least, or not at all"));
        }
        let stage = settings.text("version_stage").unwrap_or(place::CURRENT).to_owned();
        if !matches!(Selector::of(&Version::from(stage.as_str()))[..], [.., Selector::Stage(_)]) {
            return Err(
                invalid("'version_stage' cannot be a stage").with_help("such as AWSCURRENT or AWSPREVIOUS")
            );
        }
        Ok(AwsStore {
            login: Login::new(settings, context)?,
            stage,
            prefix: settings.text("prefix").unwrap_or_default().to_owned(),
            recovery_window,
            batches: Permission::default(),
        })
    }

    /// Asks Amazon, once more with a fresh login if it does not accept the one at hand.
    ///
    /// Nothing that the library logs meanwhile is heard: at trace level it shows values, tokens and signatures, and
    /// of its errors what it shows is not ours to judge. What this crate logs of a call is logged around it.
    async fn ask<T, E, F>(&self, asked: Asked, call: impl Fn(Client) -> F + Send + Sync) -> Result<T>
    where
        T: Send,
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    {
        // The library's futures are of some 30 KB.
        let asking = Box::pin(async {
            let login = self.login.current();
            let error = match call(self.login.ready(&login).await?.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if failure::lacks_credentials(&error) {
                // What was looked for may be there the next time.
                self.login.forget(&login);
            }
            if !failure::refuses_login(&error) {
                return Err(failure::of(&error, asked));
            }
            if !failure::clocks_differ(&error) {
                self.login.forget(&login);
            }
            let login = self.login.current();
            let answer = call(self.login.ready(&login).await?.clone()).await;
            answer.map_err(|error| failure::of(&error, asked))
        });
        unheard(asking).await
    }

    async fn read(&self, name: &SecretName, selector: Selector<'_>) -> Result<SecretValue> {
        let (stage, id) = match selector {
            Selector::Stage(stage) => (Some(stage.to_owned()), None),
            Selector::Id(id) => (None, Some(id.to_owned())),
        };
        let answer = self.ask(Asked::Get, |client| {
            let request = client.get_secret_value().secret_id(name.as_str());
            request.set_version_stage(stage.clone()).set_version_id(id.clone()).send()
        });
        Held::from(answer.await?).value(name)
    }

    async fn read_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        let mut result = Err(Error::new(ErrorKind::NotFound, "there can be no such version")
            .with_help("a version is a stage, such as AWSPREVIOUS, or an ID, which is a UUID"));
        for selector in Selector::of(version) {
            result = self.read(name, selector).await;
            if !matches!(&result, Err(error) if error.kind() == ErrorKind::NotFound) {
                break;
            }
        }
        result
    }

    async fn write(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        place::check_name(name)?;
        self.capabilities().check_value(value)?;
        // One token for all parts of this write: Amazon makes one version for it, however often it is sent.
        let token = token()?;
        // A secret is made once and changed often, by somebody who may not have the right to make one.
        let error = match self.put(name, value, &token).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::NotFound if place::is_arn(name.as_str()) => {
                Err(Error::unsupported("make a secret under an ARN")
                    .with_help("there is none with this ARN; make it under a name, and Amazon gives it one"))
            }
            ErrorKind::NotFound => match self.create(name, value, &token).await {
                // Somebody else has made it meanwhile.
                Err(error) if error.kind() == ErrorKind::Conflict => self.put(name, value, &token).await,
                created => created,
            },
            ErrorKind::Disabled => {
                self.restore(name).await?;
                self.put(name, value, &token).await
            }
            _ => Err(error),
        }
    }

    async fn put(&self, name: &SecretName, value: &SecretValue, token: &str) -> Result<()> {
        let answer = self.ask(Asked::Put, |client| {
            let request = client.put_secret_value().secret_id(name.as_str()).client_request_token(token);
            request.secret_string(value.expose()).send()
        });
        let answer = answer.await?;
        place::check_answer(name, answer.name(), answer.arn())?;
        place::check_made(answer.version_id())
    }

    async fn create(&self, name: &SecretName, value: &SecretValue, token: &str) -> Result<()> {
        if place::ends_like_an_arn(name.as_str()) {
            tracing::warn!(
                %name,
                "the name ends in a hyphen and six characters, as ARNs do: refer to it by its name or its whole ARN"
            );
        }
        let answer = self.ask(Asked::Create, |client| {
            let request = client.create_secret().name(name.as_str()).client_request_token(token);
            request.secret_string(value.expose()).send()
        });
        let answer = answer.await?;
        place::check_answer(name, answer.name(), answer.arn())?;
        place::check_made(answer.version_id())
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        let answer =
            self.ask(Asked::Restore, |client| client.restore_secret().secret_id(name.as_str()).send());
        let answer = answer.await?;
        place::check_answer(name, answer.name(), answer.arn())
    }

    async fn remove(&self, name: &SecretName) -> Result<()> {
        place::check_name(name)?;
        let is_forced = self.recovery_window == 0;
        if is_forced {
            // A forced deletion of what is not there succeeds.
            let found =
                self.ask(Asked::Describe, |client| client.describe_secret().secret_id(name.as_str()).send());
            let found = found.await?;
            place::check_answer(name, found.name(), found.arn())?;
        }
        let window = i64::try_from(self.recovery_window).ok().filter(|_| !is_forced);
        let answer = self.ask(Asked::Delete, |client| {
            let request = client.delete_secret().secret_id(name.as_str()).set_recovery_window_in_days(window);
            request.set_force_delete_without_recovery(is_forced.then_some(true)).send()
        });
        let answer = answer.await?;
        place::check_answer(name, answer.name(), answer.arn())
    }

    /// A page of the listing, and the token of the next. A secret whose name is none here, such as `/prod/db`, is left
    /// out: it can be asked for by its ARN.
    async fn page(&self, token: Option<String>) -> Result<(Vec<SecretName>, Option<String>)> {
        let filter = (!self.prefix.is_empty())
            .then(|| Filter::builder().key(FilterNameStringType::Name).values(&self.prefix).build());
        let answer = self.ask(Asked::List, |client| {
            let request = client.list_secrets().max_results(PAGE).set_next_token(token.clone());
            request.set_filters(filter.clone().map(|filter| vec![filter])).send()
        });
        let answer = answer.await?;
        // An empty list is written as one.
        let secrets = answer.secret_list.ok_or_else(|| malformed("is not what the store sends"))?;
        let mut names = Vec::with_capacity(secrets.len());
        for secret in secrets {
            let name = secret.name.ok_or_else(|| malformed("lists what is no secret"))?;
            names.extend(SecretName::new(name).ok());
        }
        Ok((names, answer.next_token.filter(|token| !token.is_empty())))
    }
}

/// A fresh token of a write: a random UUID (RFC 9562, section 5.4), which becomes the ID of the version.
fn token() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|_| Error::new(ErrorKind::Io, "the system gives no random numbers"))?;
    let bits = u128::from_be_bytes(bytes);
    let bits = bits & !(0xf << 76) | 0x4 << 76;
    let bits = bits & !(0x3 << 62) | 0x2 << 62;
    let hex = format!("{bits:032x}");
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[async_trait]
impl SecretResolution for AwsStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let read = async {
            place::check_name(name)?;
            self.read(name, Selector::Stage(&self.stage)).await
        };
        read.await.map_err(|error: Error| error.with_name(name))
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        let read = async {
            place::check_name(name)?;
            self.read_version(name, version).await
        };
        read.await.map_err(|error: Error| error.with_name(name))
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let batch = self.capabilities().batch;
        let mut answers = Vec::with_capacity(names.len());
        for names in names.chunks(batch) {
            match names {
                [name] => answers.push(self.get(name).await),
                names => answers.extend(self.get_batch(names).await),
            }
        }
        answers
    }
}

#[async_trait]
impl SecretManagement for AwsStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.write(name, value).await.map_err(|error| error.with_name(name))
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        // No name can hold other characters, and to a filter some of them are signs.
        if !self.prefix.is_empty() && !place::is_name(&self.prefix) {
            return Ok(Vec::new());
        }
        let (mut names, mut tokens) = (Vec::new(), HashSet::new());
        let mut next = None;
        loop {
            let (page, token) = self.page(next).await?;
            names.extend(page);
            let Some(token) = token else { break };
            if !tokens.insert(token.clone()) {
                return Err(malformed("repeats a page of the listing"));
            }
            next = Some(token);
        }
        names.sort_unstable();
        // A secret that was made while pages were read may be on two of them.
        names.dedup();
        Ok(names)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        self.remove(name).await.map_err(|error| error.with_name(name))
    }
}

#[async_trait]
impl SecretStoreConnector for AwsStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.empty = false;
        capabilities.max_bytes = Some(MAX_VALUE);
        capabilities.names = NameRule::Only(place::NAME_CHARACTERS);
        capabilities.versions = true;
        let can_batch = self.stage == place::CURRENT && !self.batches.is_denied();
        capabilities.batch = if can_batch { batch::MAX } else { 1 };
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::{config::Configuration, document::Format};

    use super::*;

    #[test]
    fn the_variables_that_hold_credentials_are_known() {
        let text = "secrets: { store: aws.secrets-manager.v1, secret_access_key: '${env:NAMED}' }";
        let parsed =
            Configuration::parse("m.yaml", ".".into(), text, Format::Yaml, &[CONNECTOR.spec]).unwrap();
        let variables: Vec<&str> = parsed.store("default").unwrap().credential_variables().collect();
        let of_amazon = [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        ];
        assert_eq!((variables[0], &variables[1..]), ("NAMED", &of_amazon[..]));
    }

    #[test]
    fn a_token_is_the_id_of_a_version_and_never_the_same() {
        let tokens: HashSet<String> = (0..100).map(|_| token().unwrap()).collect();
        assert_eq!(tokens.len(), 100);
        for token in &tokens {
            assert_eq!(Selector::of(&Version::from(token.as_str())), [Selector::Id(token)]);
            assert!(token[14..].starts_with('4') && token[19..].starts_with(['8', '9', 'a', 'b']), "{token}");
        }
    }
}
