//! The stores: the reference store, with the flaw where it belongs.

use std::{collections::BTreeMap, fmt, sync::Mutex};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, Version,
};
use tokio::task::yield_now;

use super::Flaw;
use crate::reference_store::{ReferenceBacking, ReferenceStore};

/// A store with one [`Flaw`], otherwise correct.
pub struct BrokenStore {
    inner: ReferenceStore,
    flaw: Flaw,
    /// What this handle alone knows: reads that it remembers, or writes that it buffers.
    own: Mutex<BTreeMap<SecretName, SecretValue>>,
}

impl fmt::Debug for BrokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("BrokenStore");
        shown.field("flaw", &self.flaw);
        if self.flaw == Flaw::ShowsValuesInDebug {
            shown.field("contents", &self.contents());
        }
        shown.finish_non_exhaustive()
    }
}

impl BrokenStore {
    /// A store on `backing`.
    pub fn new(backing: ReferenceBacking, flaw: Flaw) -> Self {
        BrokenStore { inner: ReferenceStore::new(backing), flaw, own: Mutex::default() }
    }

    /// Everything the store has, as text: what no store should show.
    fn contents(&self) -> String {
        let secrets = self.inner.backing().snapshot();
        let lines: Vec<String> =
            secrets.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        lines.join("\n")
    }

    /// The value as this store keeps it.
    fn kept(&self, value: &SecretValue) -> SecretValue {
        let text = value.expose();
        let kept = match self.flaw {
            Flaw::TrimsValues => text.trim().to_owned(),
            Flaw::DropsFinalNewline => text.strip_suffix('\n').unwrap_or(text).to_owned(),
            Flaw::ConvertsLineEnds => text.replace("\r\n", "\n"),
            Flaw::NormalizesValues => composed(text),
            Flaw::TruncatesValues => text.chars().take(4096).collect(),
            Flaw::CutsAtNul => text.split('\0').next().unwrap_or_default().to_owned(),
            Flaw::ResolvesReferences => text.replace("${secrets:other}", "resolved").replace("$$", "$"),
            Flaw::ParsesScalars => text.parse().map_or(text.to_owned(), |number: f64| number.to_string()),
            Flaw::ClaimsExpiry => return SecretValue::new(value.secret().clone()),
            _ => return value.clone(),
        };
        match value.expires_at() {
            Some(at) => SecretValue::new(kept).with_expires_at(at),
            None => SecretValue::new(kept),
        }
    }

    /// The name under which this store keeps a secret.
    fn key(&self, name: &SecretName) -> SecretName {
        let text = name.as_str();
        let key = match self.flaw {
            Flaw::NormalizesNames => composed(text),
            Flaw::FoldsNameCase => text.to_lowercase(),
            Flaw::DecodesNames => text.replace("%20", " "),
            _ => return name.clone(),
        };
        SecretName::new(key).expect("the key of a name is a name")
    }

    fn remember(&self, name: &SecretName, value: &SecretValue) {
        self.own.lock().expect("nothing panics here").insert(name.clone(), value.clone());
    }

    fn remembered(&self, name: &SecretName) -> Option<SecretValue> {
        self.own.lock().expect("nothing panics here").get(name).cloned()
    }

    /// What this store makes of an error of the backend.
    fn misread(&self, error: Error, name: &SecretName) -> Result<SecretValue> {
        let not_found = || Error::new(ErrorKind::NotFound, "not found").with_name(name);
        let missing = error.kind() == ErrorKind::NotFound;
        Err(match self.flaw {
            Flaw::TakesDeniedForMissing if error.kind() == ErrorKind::Denied => not_found(),
            Flaw::TakesOutageForMissing if error.kind() == ErrorKind::Unavailable => not_found(),
            Flaw::TakesMissingForDenied if missing => {
                Error::new(ErrorKind::Denied, "refused").with_name(name)
            }
            Flaw::PanicsOnMissing if missing => panic!("no such secret"),
            Flaw::GivesEmptyForMissing if missing => return Ok(SecretValue::new("")),
            Flaw::NamesNothingInErrors if missing => Error::new(ErrorKind::NotFound, "not found"),
            Flaw::ShoutsInErrors if missing => Error::new(ErrorKind::NotFound, "Not found.").with_name(name),
            Flaw::QuotesValuesInErrors if missing => {
                Error::new(ErrorKind::NotFound, format!("not found in {}", self.contents())).with_name(name)
            }
            Flaw::EncodesValuesInHelp if missing => not_found().with_help(STANDARD.encode(self.contents())),
            _ => error,
        })
    }

    async fn tear(&self, name: &SecretName, value: &SecretValue) {
        let old = self.inner.get(name).await.map(|old| old.expose().to_owned()).unwrap_or_default();
        let half = value.expose().chars().take(value.expose().chars().count() / 2);
        let rest = old.chars().skip(old.chars().count() / 2);
        self.inner.backing().put(name, &SecretValue::new(half.chain(rest).collect::<String>()));
        yield_now().await;
        self.inner.backing().put(name, value);
    }

    async fn overwrite_all(&self, name: &SecretName, value: &SecretValue) {
        let mut all = self.inner.backing().snapshot();
        yield_now().await;
        let version = all.get(name).and_then(|old| old.version()?.as_str().parse().ok()).unwrap_or(0u64) + 1;
        all.insert(name.clone(), value.clone().with_version(version));
        self.inner.backing().restore(all);
    }

    fn log(&self, value: &SecretValue) {
        match self.flaw {
            Flaw::LogsValues => tracing::trace!(value = value.expose(), "writing"),
            Flaw::LogsValuesFromAThread => {
                let value = value.clone();
                let logging = std::thread::spawn(move || tracing::trace!("writing {:?}", value.expose()));
                logging.join().expect("logging does not panic");
            }
            _ => {}
        }
    }
}

fn without_version(value: &SecretValue) -> SecretValue {
    let bare = SecretValue::new(value.secret().clone());
    match value.expires_at() {
        Some(at) => bare.with_expires_at(at),
        None => bare,
    }
}

/// What Unicode's composed form makes of the one letter that the suite decomposes.
fn composed(text: &str) -> String {
    text.replace("e\u{301}", "\u{e9}")
}

#[async_trait]
impl SecretResolution for BrokenStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        if let Some(own) = self.remembered(name) {
            return Ok(own);
        }
        let value = match self.inner.get(&self.key(name)).await {
            Ok(value) => value,
            Err(error) => return self.misread(error.renamed(name), name),
        };
        if self.flaw == Flaw::RemembersReads {
            self.remember(name, &value);
        }
        Ok(if self.flaw == Flaw::ClaimsVersions { without_version(&value) } else { value })
    }

    async fn get_version(&self, name: &SecretName, version: &Version) -> Result<SecretValue> {
        if self.flaw == Flaw::ClaimsVersions {
            return Err(Error::unsupported("fetch versions").with_name(name));
        }
        self.inner.get_version(&self.key(name), version).await.map_err(|error| error.renamed(name))
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let mut asked = names.to_vec();
        if self.flaw == Flaw::ReordersBatches {
            asked.sort();
        }
        let mut results = Vec::with_capacity(asked.len());
        for name in &asked {
            results.push(self.get(name).await);
        }
        match self.flaw {
            Flaw::FailsWholeBatch => match results.iter().find_map(|result| result.as_ref().err().cloned()) {
                Some(error) => names.iter().map(|_| Err(error.clone())).collect(),
                None => results,
            },
            Flaw::ShortensBatches => {
                results.retain(|result| {
                    !result.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound)
                });
                results
            }
            _ => results,
        }
    }
}

#[async_trait]
impl SecretManagement for BrokenStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.log(value);
        let (key, kept) = (self.key(name), self.kept(value));
        match self.flaw {
            Flaw::BuffersWrites => self.remember(name, &without_version(value)),
            Flaw::DropsEmptyValues if value.expose().is_empty() => {}
            Flaw::TearsWrites => self.tear(&key, &kept).await,
            Flaw::LosesUpdates => self.overwrite_all(&key, &kept).await,
            Flaw::RemembersReads => {
                self.inner.set(&key, &kept).await?;
                self.own.lock().expect("nothing panics here").remove(name);
            }
            _ => self.inner.set(&key, &kept).await?,
        }
        Ok(())
    }

    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        let mut results = Vec::with_capacity(secrets.len());
        for (at, (name, value)) in secrets.iter().enumerate() {
            let skip = self.flaw == Flaw::SkipsLastOfMany && at + 1 == secrets.len();
            results.push(if skip { Ok(()) } else { self.set(name, value).await });
        }
        results
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        let mut names = self.inner.list().await?;
        match self.flaw {
            Flaw::ListsUnsorted => names.reverse(),
            Flaw::ListsTwice => names = names.iter().flat_map(|name| [name.clone(), name.clone()]).collect(),
            Flaw::ListsOnePage => names.truncate(100),
            Flaw::ListsValues => {
                let secrets = self.inner.backing().snapshot();
                names = secrets
                    .iter()
                    .map(|(name, value)| {
                        SecretName::new(format!("{name}={}", value.expose())).unwrap_or(name.clone())
                    })
                    .collect();
            }
            Flaw::BuffersWrites => {
                names.extend(self.own.lock().expect("nothing panics here").keys().cloned());
                names.sort();
                names.dedup();
            }
            _ => {}
        }
        Ok(names)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let own = self.own.lock().expect("nothing panics here").remove(name);
        let deleted = self.inner.delete(&self.key(name)).await.map_err(|error| error.renamed(name));
        match self.flaw {
            Flaw::BuffersWrites if own.is_some() => Ok(()),
            Flaw::DeletesUnknownNames => Ok(()),
            _ => deleted,
        }
    }
}

#[async_trait]
impl SecretStoreConnector for BrokenStore {
    fn connector_id(&self) -> &'static str {
        "testkit.broken.v1"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        capabilities.nul = self.flaw != Flaw::CutsAtNul;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }

    async fn revision(&self) -> Result<Option<u64>> {
        if self.flaw == Flaw::ClaimsWatch {
            return Ok(Some(0));
        }
        self.inner.revision().await
    }
}
