//! `google.secret-manager.v1`: Google Cloud Secret Manager.
//!
//! - One secret of the project is one secret here, and `get` reads its version `latest`.
//! - The calls are the REST API, version 1, through the client that all network stores share. Google's own library
//!   lets neither a certificate, a proxy nor a limit of the answer be set, and brings a framework of telemetry;
//!   seven calls do not need it. Credentials are another matter, and come from Google's library (`login.rs`).
//! - Google writes what it answers in JSON from Protocol Buffers: 64-bit numbers are text, bytes are base64, and
//!   empty fields are absent.

mod failure;
mod gcloud;
mod impersonation;
mod library;
mod login;
mod payload;
mod place;
mod user;

use std::{collections::HashSet, sync::Arc};

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, NameRule, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, Version, async_trait,
    setting::{ConnectorSpec, Price, Setting, SettingKind, Settings},
};
use reqwest::{Method, RequestBuilder, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};

use self::{
    failure::Asked,
    login::{Login, Shared},
    payload::{Accessed, Added},
    place::{LATEST, Place},
};
use crate::{
    connector::{Connector, OpenContext},
    network::{Answer, Endpoint, Http, malformed},
};

/// The largest payload: <https://cloud.google.com/secret-manager/quotas>.
const MAX_PAYLOAD: usize = 64 << 10;

/// How many names a page of a listing has at the most. Google takes more; this is well within the longest answer
/// that is read.
const PAGE: &str = "10000";

/// How many pages a listing has at the most: nobody else limits its time.
const MAX_PAGES: usize = 1000;

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new("google.secret-manager.v1", "Google Cloud Secret Manager")
        .writable()
        .over_network()
        .with_price(Price::new(3, "https://cloud.google.com/secret-manager/pricing", "2026-11-24"))
        .with_settings(&[
            Setting::new("project", SettingKind::Text, "the project's ID or number")
                .with_default("(GOOGLE_CLOUD_PROJECT, else that of the credentials, or of gcloud)"),
            Setting::new("location", SettingKind::Text, "the location of regional secrets")
                .with_default("(none: global secrets)"),
            Setting::new(
                "auth",
                SettingKind::Choice(&["application_default", "service_account", "anonymous"]),
                "how to log in: as Google's own tools do, with a service account's key, or not (emulators)",
            )
            .with_default("application_default"),
            // Its default is described with its meaning: that of a path is taken for one.
            Setting::new(
                "credentials_file",
                SettingKind::Path,
                "a file of credentials; if none, GOOGLE_APPLICATION_CREDENTIALS, gcloud's, or the machine's own",
            ),
            Setting::new("endpoint", SettingKind::Text, "the address of the service, where it is another one")
                .with_default("(Google's, in the location)"),
            Setting::new(
                "replication",
                SettingKind::TextList,
                "where a secret that 'set' makes is kept: 'automatic', or a list of locations",
            )
            .with_default("automatic"),
        ]),
    open: |settings, context| Ok(Arc::new(GoogleStore::open(settings, context)?)),
};

/// Secrets of a project in Google Cloud Secret Manager.
///
/// - `get` reads `latest`, the newest version that was made: `Disabled` if that one is disabled or destroyed, even
///   if an older one is not. It may lag behind a `set` by minutes; versions are ordered, so a caller sees which of
///   two values is the newer.
/// - `set` adds a version, and makes the secret if there is none.
/// - `list` holds every secret of the project and location, those without versions too.
/// - `delete` removes the secret with all its versions, for good.
/// - `expires_at` is not kept: Google's own expiry deletes the secret, and an annotation would cost each read a
///   second call and a permission that readers need not have.
#[derive(Debug)]
pub struct GoogleStore {
    http: Http,
    endpoint: Endpoint,
    location: Option<String>,
    /// What a listing has to hold.
    prefix: String,
    /// The body of `secrets.create`.
    made: Value,
    login: Login,
}

impl GoogleStore {
    /// Checks the settings. Reads no credentials, and connects to nothing.
    fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let http = Http::open(settings, context)?;
        let location = settings.text("location").map(str::to_owned);
        location.as_deref().map_or(Ok(()), place::check_location)?;
        let service = place::service(location.as_deref());
        let endpoint = http.endpoint("endpoint", settings.text("endpoint").unwrap_or(&service))?;
        let made = replication(settings, location.is_some())?;
        let prefix = settings.text("prefix").unwrap_or_default().to_owned();
        let login = Login::new(settings, context, http.clone())?;
        Ok(GoogleStore { http, endpoint, location, prefix, made, login })
    }

    /// Asks Google, once more with a fresh login if it does not accept the one at hand.
    async fn ask(
        &self,
        asked: Asked,
        request: impl Fn(&Http, Place<'_>) -> Result<RequestBuilder> + Send + Sync,
    ) -> Result<Answer> {
        let login = self.login.current();
        let mut answer = self.ask_as(&login, &request).await?;
        if failure::is_unauthenticated(&answer) && self.login.can_log_in_anew() {
            self.login.forget(&login);
            answer = self.ask_as(&self.login.current(), &request).await?;
        }
        if answer.status.is_success() { Ok(answer) } else { Err(failure::of(&answer, asked)) }
    }

    async fn ask_as(
        &self,
        login: &Shared,
        request: impl Fn(&Http, Place<'_>) -> Result<RequestBuilder> + Send + Sync,
    ) -> Result<Answer> {
        let identity = self.login.ready(login).await?;
        let headers = self.login.headers(login).await?;
        let location = self.location.as_deref();
        let place = Place { endpoint: &self.endpoint, project: &identity.project, location };
        self.http.send(request(&self.http, place)?.headers(headers)).await
    }

    async fn access(&self, name: &SecretName, version: &str) -> Result<SecretValue> {
        place::check_name(name)?;
        let answer = self
            .ask(Asked::Access, |http, place| Ok(http.request(Method::GET, place.access(name, version)?)));
        answer.await?.json::<Accessed>()?.value(name)
    }

    async fn add_version(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        let body = payload::to_add(value);
        let answer = self.ask(Asked::AddVersion, |http, place| {
            let request = http.request(Method::POST, place.secret(name, ":addVersion")?);
            Ok(request.header(CONTENT_TYPE, "application/json").body(body.clone()))
        });
        // What is in between may answer with success, too: a write is done when Google says which version it made.
        answer.await?.json::<Added>()?.check(name)
    }

    /// Makes a secret without versions. That somebody else did so meanwhile is as good.
    async fn create(&self, name: &SecretName) -> Result<()> {
        let answer = self.ask(Asked::Create, |http, place| {
            let request = http.request(Method::POST, place.secrets()?).query(&[("secretId", name.as_str())]);
            Ok(request.header(CONTENT_TYPE, "application/json").body(self.made.to_string()))
        });
        match answer.await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn write(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        place::check_name(name)?;
        self.capabilities().check_value(value)?;
        // A secret is made once and changed often, by somebody who may not have the right to make one.
        match self.add_version(name, value).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            written => return written,
        }
        self.create(name).await?;
        self.add_version(name, value).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(ErrorKind::Conflict, "the secret was made, and is not there")
                .with_help(
                    "somebody else deletes it, or Google does not know of it everywhere yet: try again later",
                ),
            _ => error,
        })
    }

    async fn page(&self, token: &str) -> Result<Page> {
        let filter = format!("name:\"{}\"", self.prefix);
        // Labels and annotations may be long, and are of no use here.
        let mut query = vec![("pageSize", PAGE), ("fields", "secrets/name,nextPageToken")];
        query.extend((!self.prefix.is_empty()).then_some(("filter", filter.as_str())));
        query.extend((!token.is_empty()).then_some(("pageToken", token)));
        let answer = self
            .ask(Asked::List, |http, place| Ok(http.request(Method::GET, place.secrets()?).query(&query)));
        answer.await?.json()
    }
}

/// A page of a listing.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    secrets: Vec<Listed>,
    next_page_token: String,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
}

/// The answer to `secrets.delete`.
#[derive(Deserialize)]
struct Nothing {}

/// What `replication` says, as the body of `secrets.create`.
fn replication(settings: &Settings, is_regional: bool) -> Result<Value> {
    let invalid = |what: &'static str| Error::new(ErrorKind::InvalidConfig, what);
    let locations = settings.text_list("replication").unwrap_or_default();
    if is_regional && !locations.is_empty() {
        return Err(invalid("'replication' is of no use with 'location'")
            .with_help("a regional secret is kept in its location alone"));
    }
    if is_regional {
        return Ok(json!({}));
    }
    if locations.is_empty() || locations == ["automatic"] {
        return Ok(json!({ "replication": { "automatic": {} } }));
    }
    if locations.iter().any(|location| location == "automatic") {
        return Err(invalid("'replication' is 'automatic' or a list of locations, and not both"));
    }
    locations.iter().try_for_each(|location| place::check_location(location))?;
    let replicas: Vec<Value> = locations.iter().map(|location| json!({ "location": location })).collect();
    Ok(json!({ "replication": { "userManaged": { "replicas": replicas } } }))
}

#[async_trait]
impl SecretResolution for GoogleStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.access(name, LATEST).await.map_err(|error| error.with_name(name))
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        place::check_version(version).map_err(|error| error.with_name(name))?;
        self.access(name, version.as_str()).await.map_err(|error| error.with_name(name))
    }
}

#[async_trait]
impl SecretManagement for GoogleStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.write(name, value).await.map_err(|error| error.with_name(name))
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        // No name can hold other characters, and a filter must not.
        if !self.prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) {
            return Ok(Vec::new());
        }
        let (mut names, mut tokens) = (Vec::new(), HashSet::new());
        let mut token = String::new();
        loop {
            let page = self.page(&token).await?;
            for Listed { name } in &page.secrets {
                let name = place::secret_of(name).and_then(|name| SecretName::new(name).ok());
                names.push(name.ok_or_else(|| malformed("lists what is no secret"))?);
            }
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
            if tokens.len() == MAX_PAGES || !tokens.insert(token.clone()) {
                return Err(malformed("is a listing without an end"));
            }
        }
        names.sort_unstable();
        // A secret that was made while pages were read may be on two of them.
        names.dedup();
        Ok(names)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let delete = async {
            place::check_name(name)?;
            let answer = self
                .ask(Asked::Delete, |http, place| Ok(http.request(Method::DELETE, place.secret(name, "")?)));
            answer.await?.json::<Nothing>().map(drop)
        };
        delete.await.map_err(|error: Error| error.with_name(name))
    }
}

#[async_trait]
impl SecretStoreConnector for GoogleStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.empty = false;
        capabilities.max_bytes = Some(MAX_PAYLOAD);
        capabilities.names = NameRule::Only(place::NAME_CHARACTERS);
        capabilities.versions = true;
        capabilities.ordered_versions = true;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::setting::SettingValue;

    use super::*;

    fn made(locations: &[&str], is_regional: bool) -> Result<Value> {
        let locations = locations.iter().map(|&location| location.to_owned()).collect();
        let settings = Settings::default().with("replication", SettingValue::TextList(locations));
        replication(&settings, is_regional)
    }

    #[test]
    fn a_secret_is_kept_where_replication_says() {
        let automatic = json!({ "replication": { "automatic": {} } });
        assert_eq!(made(&[], false).unwrap(), automatic);
        assert_eq!(made(&["automatic"], false).unwrap(), automatic);
        assert_eq!(made(&[], true).unwrap(), json!({}));
        let replicas = json!([{ "location": "europe-west1" }, { "location": "europe-west4" }]);
        let managed = json!({ "replication": { "userManaged": { "replicas": replicas } } });
        assert_eq!(made(&["europe-west1", "europe-west4"], false).unwrap(), managed);
    }
}
