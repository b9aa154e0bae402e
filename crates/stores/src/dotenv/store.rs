//! The store: a dotenv file, and the environment beside it.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, async_trait, printable,
    setting::{ConnectorSpec, Setting, SettingKind, Settings, WHOLE_STORE},
};
use zeroize::Zeroizing;

use super::{Change, Entry, KEYS, edit, edit::KEYS_HELP, parse, parse::winner};
use crate::{
    connector::{Connector, OpenContext},
    disk::{Codec, Document, FileStore},
    env,
    environment::Environment,
};

const DEFAULT_PATH: &str = ".env";

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new(
        "modelmesh.dotenv.v1",
        "a .env file beside the environment: edits keep comments, order and quotes, and `$VAR` in a \
                  value is not replaced",
    )
    .writable()
    .with_batch(WHOLE_STORE)
    .with_settings(&[
        Setting::new(
            "path",
            SettingKind::Path,
            "the file; one that is not there has no secrets, and the first `set` makes it",
        )
        .with_aliases(&["file_path", "file"])
        .with_default(DEFAULT_PATH),
        Setting::new(
            "override_env",
            SettingKind::Boolean,
            "whether the file wins over an environment variable of the same name; either is read where the \
                 other has no such name",
        )
        .with_aliases(&["override"])
        .with_default("false"),
    ]),
    open: |settings, context| Ok(Arc::new(DotenvStore::open(settings, context))),
};

/// A dotenv file, and the environment beside it.
///
/// - `get` reads the environment and then the file, or with `override_env` the file and then the environment.
///   Names are exact; a naming rule of the store maps `openai-key` to `OPENAI_KEY`.
/// - `set`, `list` and `delete` are about the file alone. Where the environment hides what they do, they warn.
/// - A missing file has no secrets. One that cannot be read is an error for all names, and is not written.
#[derive(Clone, Debug)]
pub struct DotenvStore {
    file: FileStore<DotenvFile>,
    environment: Arc<dyn Environment>,
    override_env: bool,
}

impl DotenvStore {
    fn open(settings: &Settings, context: &OpenContext) -> Self {
        let path = settings.path("path").unwrap_or(Path::new(DEFAULT_PATH));
        DotenvStore::new(path, Arc::clone(&context.environment))
            .with_override_env(settings.boolean("override_env").unwrap_or(false))
    }

    /// The store of the file at `path`; `environment` wins over it.
    pub fn new(path: impl Into<PathBuf>, environment: Arc<dyn Environment>) -> Self {
        let path = path.into();
        let codec = DotenvFile { path: path.clone() };
        DotenvStore { file: FileStore::new(path, codec), environment, override_env: false }
    }

    /// Sets whether the file wins over the environment.
    pub fn with_override_env(mut self, override_env: bool) -> Self {
        self.override_env = override_env;
        self
    }

    fn variable(&self, name: &SecretName) -> Result<Option<SecretValue>> {
        env::read(self.environment.as_ref(), name.as_str())
    }

    /// What the store says of `name`, given what the file does.
    fn resolve(&self, name: &SecretName, in_file: Result<SecretValue>) -> Result<SecretValue> {
        match in_file {
            Ok(value) => Ok(value),
            // A file that cannot be read does not lack the name.
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Err(error) => self.variable(name)?.ok_or(error),
        }
    }

    fn warn_if_hidden(&self, name: &SecretName) {
        if !self.override_env && self.environment.var(name.as_str()).is_some() {
            tracing::warn!(
                %name,
                path = %printable(&self.file.path().to_string_lossy()),
                "an environment variable of this name hides what the file holds; unset it, or set override_env"
            );
        }
    }
}

#[async_trait]
impl SecretResolution for DotenvStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        if !self.override_env
            && let Some(value) = self.variable(name)?
        {
            return Ok(value);
        }
        self.resolve(name, self.file.get(name).await)
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let in_file = self.file.get_many(names).await;
        let answer = |(name, in_file)| {
            if self.override_env {
                return self.resolve(name, in_file);
            }
            self.variable(name)?.map_or(in_file, Ok)
        };
        names.iter().zip(in_file).map(answer).collect()
    }
}

#[async_trait]
impl SecretManagement for DotenvStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.file.set(name, value).await.map_err(explain)?;
        self.warn_if_hidden(name);
        Ok(())
    }

    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        let written = |((name, _), result): (&(SecretName, _), Result<()>)| {
            result.map_err(explain)?;
            self.warn_if_hidden(name);
            Ok(())
        };
        secrets.iter().zip(self.file.set_many(secrets).await).map(written).collect()
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        self.file.list().await
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        // Past the rule for names that can be written: what can be read can be deleted.
        let removed = name.clone();
        let delete = move |_: &DotenvFile, text: &mut Text| {
            if text.remove(&removed)? { Ok(()) } else { Err(Error::not_found(removed.as_str())) }
        };
        self.file.change(delete).await.map_err(|error| error.with_name(name))?;
        self.warn_if_hidden(name);
        Ok(())
    }
}

#[async_trait]
impl SecretStoreConnector for DotenvStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        self.file.capabilities()
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }

    /// Of the file: the environment is not ours to change.
    async fn stored(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.file.get_many(names).await
    }

    async fn exchange(&self, changes: &[modelmesh_secrets::Change]) -> Vec<Result<()>> {
        let told = |(change, result): (&modelmesh_secrets::Change, Result<()>)| {
            result.map_err(explain)?;
            self.warn_if_hidden(&change.name);
            Ok(())
        };
        changes.iter().zip(self.file.exchange(changes).await).map(told).collect()
    }

    /// Of the file: the environment of a process is set before it starts.
    async fn revision(&self) -> Result<Option<u64>> {
        self.file.revision().await
    }
}

/// Adds to a refused name what can be done.
fn explain(error: Error) -> Error {
    if error.kind() == ErrorKind::InvalidName { error.with_help(KEYS_HELP) } else { error }
}

/// The dotenv dialect as a file format.
#[derive(Clone, Debug)]
pub struct DotenvFile {
    /// For messages.
    path: PathBuf,
}

impl Codec for DotenvFile {
    type Document = Text;

    const ID: &'static str = CONNECTOR.spec.id;

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.nul = false;
        capabilities.names = KEYS;
        capabilities.cas = true;
        capabilities.batch = CONNECTOR.spec.batch;
        capabilities.watch = true;
        capabilities
    }

    fn blank(&self) -> Result<Text> {
        Ok(Text::default())
    }

    fn decode(&self, bytes: &[u8], holding: bool) -> Result<Text> {
        Text::decode(bytes, holding, &self.path)
    }

    /// A file without secrets is one line break: zero bytes are what another reader sees of a file that an
    /// editor is about to write.
    fn encode(&self, document: &Text) -> Result<Zeroizing<Vec<u8>>> {
        let text = if document.text.is_empty() { "\n" } else { document.text.as_str() };
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    }
}

/// A dotenv text, understood.
#[derive(Clone, Default)]
#[allow(missing_debug_implementations, reason = "it holds values")]
pub struct Text {
    text: Zeroizing<String>,
    entries: Vec<Entry>,
}

impl Text {
    pub(crate) fn decode(bytes: &[u8], holding: bool, path: &Path) -> Result<Self> {
        let shown = path.display();
        if bytes.is_empty() && holding {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("'{shown}' is empty, and held secrets a moment ago"),
            )
            .with_help("if its secrets are meant to be gone, leave an empty line in it"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            // The lines before the first byte that is no text can be counted.
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            Error::new(ErrorKind::Malformed, format!("'{shown}' line {line}: not UTF-8 text"))
                .with_help("save the file as UTF-8")
        })?;
        Text::read(Zeroizing::new(text.to_owned())).map_err(|error| {
            let located = Error::new(error.kind(), format!("'{shown}' {}", error.message()));
            match error.help() {
                Some(help) => located.with_help(help.to_owned()),
                None => located,
            }
        })
    }

    fn read(text: Zeroizing<String>) -> Result<Self> {
        let entries = parse(&text)?;
        Ok(Text { text, entries })
    }

    /// The keys that have a value, each once, in the order of the file.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let keys =
            self.entries.iter().filter(|entry| entry.value.is_some()).map(|entry| entry.key(&self.text));
        keys.filter(|key| seen.insert(*key)).collect()
    }

    pub(crate) fn value(&self, key: &str) -> Option<SecretValue> {
        let value = winner(&self.entries, &self.text, key)?.value(&self.text)?;
        // A copy of the right size: to shrink the buffer would leave one behind that is not wiped.
        Some(SecretValue::new(value.as_str()))
    }
}

impl Document for Text {
    fn get(&self, name: &SecretName) -> Option<Result<SecretValue>> {
        self.value(name.as_str()).map(Ok)
    }

    fn names(&self) -> Vec<&str> {
        self.keys()
    }

    fn set(&mut self, name: &SecretName, value: &SecretValue) -> Result<()> {
        *self = Text::read(edit(&self.text, [(name, Change::Set(value.expose()))])?)?;
        Ok(())
    }

    fn remove(&mut self, name: &SecretName) -> Result<bool> {
        let found = winner(&self.entries, &self.text, name.as_str()).is_some();
        if found {
            *self = Text::read(edit(&self.text, [(name, Change::Delete)])?)?;
        }
        Ok(found)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
