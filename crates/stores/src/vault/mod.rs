//! `hashicorp.vault.v1`: the key/value secrets engines of HashiCorp Vault and OpenBao, versions 1 and 2.
//!
//! A path is a document, and one of its fields is the secret: `field`, or `#FIELD` in a reference where `field` is
//! `*`. The few calls go over the HTTP client that all network stores share: no client library of Vault renews tokens,
//! knows several addresses, and tells its errors apart.
//!
//! Written from the published API: <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>, and OpenBao's,
//! which is the same: <https://openbao.org/api-docs/secret/kv/kv-v2/>.

mod failure;
mod field;
mod keeper;
mod place;
mod reply;
mod servers;
mod session;
mod source;
mod variable;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use modelmesh_secrets::{
    Capabilities, Change, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, Version, async_trait,
    setting::{ConnectorSpec, Setting, SettingKind, Settings},
};
use reqwest::StatusCode;
use serde::Deserialize;
use tokio::{sync::OnceCell, time::sleep};

use self::{
    field::FieldRule,
    place::{Kv, Mount},
    reply::Held,
    servers::{Request, Servers},
    session::Session,
    source::{AUTH_SETTINGS, Source},
    variable::Variables,
};
use crate::{
    connector::{Connector, OpenContext},
    network::{Answer, malformed},
};

/// How often a write is made again that somebody else came before.
const ATTEMPTS: u32 = 8;

/// How many folders of a listing are asked for at a time.
const FOLDERS: usize = 4;

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new("hashicorp.vault.v1", "key/value engines of HashiCorp Vault and OpenBao")
        .writable()
        .over_network()
        .with_credential_variables(&variable::TOKEN)
        .with_settings(&[
            Setting::new("address", SettingKind::Text, "the address of the server")
                .with_default("(BAO_ADDR, else VAULT_ADDR)"),
            Setting::new(
                "addresses",
                SettingKind::TextList,
                "the addresses of the servers of a cluster: if one does not answer, the next is asked",
            ),
            Setting::new("token", SettingKind::Secret, "a token").with_default("(BAO_TOKEN, else VAULT_TOKEN)"),
            // Its default is described with its meaning: that of a path is taken for one.
            Setting::new(
                "token_file",
                SettingKind::Path,
                "a file with a token, read again when it is refused; if there is no token at all, ~/.vault-token",
            ),
            Setting::new("auth", SettingKind::Group(AUTH_SETTINGS), "how to log in, in place of a token"),
            Setting::new("namespace", SettingKind::Text, "the namespace of the mount and of the login")
                .with_default("(BAO_NAMESPACE, else VAULT_NAMESPACE)"),
            Setting::new("mount", SettingKind::Text, "where the key/value engine is mounted").with_default("secret"),
            Setting::new("kv_version", SettingKind::Integer(1, 2), "the version of the key/value engine")
                .with_default("(asked of the server once)"),
            Setting::new(
                "field",
                SettingKind::Text,
                "the field of a document that is the secret; '*' is the whole document, as JSON",
            )
            .with_default("value"),
        ]),
    open: |settings, context| Ok(Arc::new(VaultStore::open(settings, context)?)),
};

/// Documents of one mount.
///
/// - A version is the number that version 2 of the engine gives each write. It ends when the engine says that it will
///   delete it. Version 1 has neither numbers nor check-and-set.
/// - A write changes one field of a document and leaves the others alone. In version 2 it is check-and-set: one that
///   meets another is made again, so that each that is acknowledged is a version. In version 1 the later of two wins.
/// - A version that was deleted or destroyed is `Disabled`; `set` puts a newer one over it.
/// - `list` holds every path under the prefix, those whose newest version was deleted too.
/// - `delete` removes a path with all its fields and versions, for good.
#[derive(Debug)]
pub struct VaultStore {
    session: Arc<Session>,
    mount: Mount,
    /// The version of the engine, as it is set.
    kv_is_set: Option<Kv>,
    /// The version of the engine, as the server says.
    kv_is_told: OnceCell<Kv>,
    field: FieldRule,
    /// What a listing is narrowed to.
    prefix: String,
}

/// What became of a write.
enum Put {
    Done,
    /// Somebody else wrote before us.
    Overtaken,
}

impl VaultStore {
    /// Checks the settings, and connects to nothing.
    fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let variables = Variables(Arc::clone(&context.environment));
        let servers = Servers::open(settings, context, &variables)?;
        let source = Source::of(settings, &variables)?;
        let kv = match settings.integer("kv_version") {
            Some(1) => Some(Kv::V1),
            Some(_) => Some(Kv::V2),
            None => None,
        };
        Ok(VaultStore {
            session: Arc::new(Session::new(servers, source)),
            mount: Mount::parse("mount", settings.text("mount").unwrap_or("secret"))?,
            kv_is_set: kv,
            kv_is_told: OnceCell::new(),
            field: FieldRule::parse(settings.text("field"))?,
            prefix: settings.text("prefix").unwrap_or_default().to_owned(),
        })
    }

    /// The version of the engine: as set, or as the server says when it is first asked.
    async fn kv(&self) -> Result<Kv> {
        match self.kv_is_set {
            Some(kv) => Ok(kv),
            None => match self.told_kv().await {
                // It is refused for a mount that is not there as for one in which nothing is allowed. The request
                // itself tells the two apart.
                Err(error) if error.kind() == ErrorKind::Denied => Ok(Kv::V2),
                told => told,
            },
        }
    }

    /// As [`kv`](Self::kv), before a write: an engine of the other version takes it for one of something else.
    async fn kv_to_write(&self) -> Result<Kv> {
        let Some(set) = self.kv_is_set else { return self.kv().await };
        match self.told_kv().await {
            Ok(told) if told != set => Err(failure::wrong_version()),
            // It may not be told, or be an engine that is no key/value store and is written in the same way.
            Err(error) if !matches!(error.kind(), ErrorKind::Denied | ErrorKind::InvalidConfig) => Err(error),
            _ => Ok(set),
        }
    }

    /// The version of the engine, as the server says. It is asked once.
    async fn told_kv(&self) -> Result<Kv> {
        let asked = self.kv_is_told.get_or_try_init(|| async {
            let path = ["sys", "internal", "ui", "mounts"].into_iter().chain(self.mount.segments());
            let answer = self.session.ask(&Request::get(path)).await?;
            if answer.status.is_success() {
                reply::engine(&answer, self.mount.as_str())
            } else {
                Err(failure::of(&answer))
            }
        });
        asked.await.copied()
    }

    /// The answer to a read: a success, or a 404, which [`Held`] reads.
    async fn fetch(&self, kv: Kv, name: &SecretName, version: Option<&str>) -> Result<Answer> {
        let mut request = Request::get(self.mount.data(kv, name));
        request.query.extend(version.map(|version| ("version", version)));
        let answer = self.session.ask(&request).await?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND {
            Ok(answer)
        } else {
            Err(failure::of(&answer))
        }
    }

    async fn read(&self, name: &SecretName, version: Option<&Version>) -> Result<SecretValue> {
        place::check_name(name)?;
        let version = version.map(place::check_version).transpose()?;
        let kv = self.kv().await?;
        if version.is_some() && kv == Kv::V1 {
            return Err(Error::unsupported("fetch versions").with_help("version 1 of the engine keeps none"));
        }
        let answer = self.fetch(kv, name, version).await?;
        Held::of(&answer, kv)?.value(&self.field)
    }

    /// Writes the document in the place of `held`, if that is still there.
    async fn put(&self, kv: Kv, name: &SecretName, held: &Held<'_>, value: &SecretValue) -> Result<Put> {
        let cas = (kv == Kv::V2).then(|| held.version());
        let body = self.field.body(held, value, cas)?;
        let request = Request::post(self.mount.data(kv, name), body);
        let request = if cas.is_some() { request } else { request.once() };
        let answer = self.session.ask(&request).await?;
        if answer.status.is_success() {
            reply::check_written(&answer, kv)?;
            return Ok(Put::Done);
        }
        // What the server refuses of a write that is well-formed is its check-and-set; nothing but its prose says so.
        if cas.is_some() && answer.status == StatusCode::BAD_REQUEST && failure::is_its_own(&answer) {
            return Ok(Put::Overtaken);
        }
        Err(failure::of(&answer))
    }

    async fn write(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        place::check_name(name)?;
        let kv = self.kv_to_write().await?;
        let mut before = None;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let answer = self.fetch(kv, name, None).await?;
            let held = Held::of(&answer, kv)?;
            if self.is_ours(before, &held, value) {
                return Ok(());
            }
            before = Some(held.version());
            match self.put(kv, name, &held, value).await? {
                Put::Done => return Ok(()),
                Put::Overtaken => {}
            }
        }
        Err(failure::contended())
    }

    /// Whether what is held now is what we wrote over `before`: the answer was lost on its way, and the request made
    /// again, at another server.
    fn is_ours(&self, before: Option<u64>, held: &Held<'_>, value: &SecretValue) -> bool {
        before.is_some_and(|before| held.version() == before + 1)
            && held.value(&self.field).is_ok_and(|now| now.same_value(value))
    }

    async fn remove(&self, name: &SecretName) -> Result<()> {
        place::check_name(name)?;
        let kv = self.kv().await?;
        // The server does not say whether there was anything to remove.
        let answer = self.fetch(kv, name, None).await?;
        if matches!(Held::of(&answer, kv)?, Held::Nothing) {
            return Err(failure::not_found());
        }
        let request = Request::delete(self.mount.metadata(kv, name.as_str()));
        let answer = self.session.ask(&request).await?;
        if answer.status.is_success() { reply::check_done(&answer) } else { Err(failure::of(&answer)) }
    }

    /// One change, made only if the secret is still what the caller saw.
    async fn change(&self, change: &Change) -> Result<()> {
        let Change { name, before, after } = change;
        place::check_name(name)?;
        let kv = self.kv_to_write().await?;
        let answer = self.fetch(kv, name, None).await?;
        let held = Held::of(&answer, kv)?;
        change.check(held.value(&self.field))?;
        match (before, after) {
            (_, Some(value)) => match self.put(kv, name, &held, value).await? {
                Put::Done => Ok(()),
                Put::Overtaken => {
                    let answer = self.fetch(kv, name, None).await?;
                    let is_ours = self.is_ours(Some(held.version()), &Held::of(&answer, kv)?, value);
                    if is_ours { Ok(()) } else { Err(failure::contended()) }
                }
            },
            (Some(_), None) => self.remove(name).await,
            (None, None) => Ok(()),
        }
    }

    /// The entries of one folder, as paths from the mount; folders end with a slash.
    async fn folder(&self, kv: Kv, folder: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Listing {
            data: Keys,
        }
        #[derive(Deserialize)]
        struct Keys {
            keys: Vec<String>,
        }
        let request = Request::list(self.mount.metadata(kv, folder.trim_end_matches('/')));
        let answer = self.session.ask(&request).await?;
        if failure::is_nothing(&answer) {
            return Ok(Vec::new());
        }
        if answer.status == StatusCode::NOT_FOUND && !failure::is_its_own(&answer) {
            // A warning, of an engine that is asked by the paths of the other version.
            return Err(Held::of(&answer, kv).err().unwrap_or_else(|| malformed("is not a listing")));
        }
        if !answer.status.is_success() {
            return Err(failure::of(&answer));
        }
        let keys = answer.json::<Listing>()?.data.keys;
        // One without a name would be the folder itself, and that be listed for ever.
        let named = keys.iter().filter(|key| !key.trim_end_matches('/').is_empty());
        Ok(named.map(|key| format!("{folder}{key}")).collect())
    }

    /// Whether a path is under the prefix, or a folder on the way to it.
    fn is_wanted(&self, path: &str) -> bool {
        path.starts_with(&self.prefix) || (path.ends_with('/') && self.prefix.starts_with(path))
    }

    /// Every path under the prefix. The server lists one folder at a time.
    async fn walk(&self) -> Result<Vec<SecretName>> {
        let kv = self.kv().await?;
        // The folder that the prefix names, if it can be one.
        let start = self.prefix.rfind('/').map_or("", |end| &self.prefix[..=end]);
        if !start.is_empty() && SecretName::new(start.trim_end_matches('/')).is_err() {
            return Ok(Vec::new());
        }
        let (mut names, mut folders) = (Vec::new(), vec![start.to_owned()]);
        while !folders.is_empty() {
            let listed = stream::iter(folders).map(|folder| async move { self.folder(kv, &folder).await });
            let listed: Vec<Vec<String>> = listed.buffer_unordered(FOLDERS).try_collect().await?;
            let wanted = listed.into_iter().flatten().filter(|path| self.is_wanted(path));
            // What is no name for us (a '//' in it, say) cannot be asked for either.
            let (deeper, found): (Vec<String>, Vec<String>) = wanted
                .filter(|path| SecretName::new(path.strip_suffix('/').unwrap_or(path)).is_ok())
                .partition(|path| path.ends_with('/'));
            names.extend(found.into_iter().filter_map(|path| SecretName::new(path).ok()));
            folders = deeper;
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Waits a little before a write is made again, longer each time, so that writers that met part.
async fn pause(attempt: u32) {
    if attempt > 0 {
        let mut random = [0];
        // Without randomness, all wait for the same time.
        let _ = getrandom::fill(&mut random);
        sleep(Duration::from_millis(u64::from(random[0] / 8) << attempt.min(4))).await;
    }
}

#[async_trait]
impl SecretResolution for VaultStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.read(name, None).await.map_err(|error| error.with_name(name))
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        self.read(name, Some(version)).await.map_err(|error| error.with_name(name))
    }
}

#[async_trait]
impl SecretManagement for VaultStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.write(name, value).await.map_err(|error| error.with_name(name))
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        self.walk().await
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        self.remove(name).await.map_err(|error| error.with_name(name))
    }
}

#[async_trait]
impl SecretStoreConnector for VaultStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    /// Those of version 2 of the engine, until version 1 is known to be there.
    fn capabilities(&self) -> Capabilities {
        let has_versions = self.kv_is_set.or(self.kv_is_told.get().copied()) != Some(Kv::V1);
        let mut capabilities = Capabilities::default();
        capabilities.names = place::NAMES;
        capabilities.cas = has_versions;
        capabilities.versions = has_versions;
        capabilities.ordered_versions = has_versions;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }

    async fn exchange(&self, changes: &[Change]) -> Vec<Result<()>> {
        let mut results = Vec::with_capacity(changes.len());
        let mut refused = None::<Error>;
        for change in changes {
            let outcome = match &refused {
                // What comes after a refusal is not made, as in a store that writes all at once.
                Some(refused) => Err(refused.clone()),
                None => self.change(change).await,
            };
            let outcome = outcome.map_err(|error| error.with_name(&change.name));
            refused = refused.or_else(|| outcome.as_ref().err().cloned());
            results.push(outcome);
        }
        results
    }
}
