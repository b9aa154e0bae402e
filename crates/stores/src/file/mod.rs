//! `modelmesh.json-secrets.v1`, and [`FileSecretStore`] that it is: files of secrets that others write.

mod render;
mod tree;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, Result, SecretName, SecretResolution, SecretStoreConnector, SecretValue,
    async_trait, document,
    setting::{ConnectorSpec, Setting, SettingKind, Settings, WHOLE_STORE},
};
use zeroize::Zeroizing;

use self::tree::Tree;
use crate::{
    connector::{Connector, OpenContext},
    disk::{self, Codec, FileStore},
    dotenv::Text,
};

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new(
        "modelmesh.json-secrets.v1",
        "a JSON file, read-only: dotted names walk the tree; also YAML, TOML and dotenv files",
    )
    .with_batch(WHOLE_STORE)
    .with_settings(&[
        Setting::new("file_path", SettingKind::Path, "the file; required, and an error if it is not there")
            .with_aliases(&["path", "file"]),
        Setting::new(
            "json_path",
            SettingKind::Text,
            "the mapping that names are looked up in, as a dotted path such as `secrets.production`",
        )
        .with_default("(the whole file)"),
        Setting::new(
            "format",
            SettingKind::Choice(&["json", "yaml", "toml", "env", "dotenv"]),
            "the file's format",
        )
        .with_default("(by the file's name, else json)"),
    ]),
    open,
};

fn open(settings: &Settings, _: &OpenContext) -> Result<Arc<dyn SecretStoreConnector>> {
    let path = settings.path("file_path").ok_or_else(|| {
        Error::new(ErrorKind::InvalidConfig, "'file_path' is missing")
            .with_help("set 'file_path' to the file that holds the secrets")
    })?;
    let format = match settings.text("format") {
        Some(text) => FileFormat::from_text(text).ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "'format' is none of json, yaml, toml and env")
        })?,
        None => FileFormat::from_path(path).unwrap_or(FileFormat::Json),
    };
    let store = FileSecretStore::new(path, format);
    Ok(Arc::new(match settings.text("json_path").filter(|scope| !scope.is_empty()) {
        Some(_) if format == FileFormat::Env => {
            return Err(Error::new(ErrorKind::InvalidConfig, "'json_path' has no meaning in a dotenv file")
                .with_help("remove 'json_path', or set 'format'"));
        }
        Some(scope) => store.with_scope(scope),
        None => store,
    }))
}

/// The formats that a [`FileSecretStore`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// `KEY=value` lines: see [`dotenv::parse`](crate::dotenv::parse).
    Env,
    /// JSON.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

impl FileFormat {
    /// The format that configuration calls `text`: `env` or `dotenv`, `json`, `toml`, `yaml` or `yml`.
    pub fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "env" | "dotenv" => FileFormat::Env,
            "json" => FileFormat::Json,
            "toml" => FileFormat::Toml,
            "yaml" | "yml" => FileFormat::Yaml,
            _ => return None,
        })
    }

    /// The format that a file's name tells: its extension, or a name like `.env` and `.env.local`.
    pub fn from_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        if name == ".env" || name.starts_with(".env.") {
            return Some(FileFormat::Env);
        }
        FileFormat::from_text(&path.extension()?.to_str()?.to_ascii_lowercase())
    }
}

/// A file of secrets that somebody else writes: dotenv, JSON, TOML or YAML.
///
/// - A dotted name walks the tree: `openai.key` is `key` in `openai`. At each level the longest key that
///   leads on is taken, so a key that holds dots itself is found too, and found first.
/// - Text is the value as it is; a number or a truth value is what JSON writes (`true`, `0.5`); a list or a
///   mapping is its JSON text, with the keys sorted, so that a reference can take a field of it.
/// - `null` is `NotFound`, as is a name that leads nowhere.
/// - A file that is not there is an error of kind `Io`, for every name: a store that is only read has no use
///   without its file. A file that cannot be understood is `Malformed`, with line and column.
/// - The file is looked at in each call and read again when it has changed.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use modelmesh_secrets::{SecretName, SecretResolution as _};
/// use modelmesh_stores::file::{FileFormat, FileSecretStore};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("secrets.json");
/// # #[allow(clippy::disallowed_methods)]
/// std::fs::write(&path, r#"{"prod": {"openai": {"key": "sk-1"}}}"#)?;
///
/// let store = FileSecretStore::new(path, FileFormat::Json).with_scope("prod");
/// assert_eq!(store.get(&SecretName::new("openai.key")?).await?.expose(), "sk-1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileSecretStore(FileStore<SecretsFile>);

impl FileSecretStore {
    /// The store of the file at `path`, which is not touched before the first call.
    pub fn new(path: impl Into<PathBuf>, format: FileFormat) -> Self {
        let path = path.into();
        FileSecretStore(FileStore::new(path.clone(), SecretsFile { path, format, scope: None }))
    }

    /// Looks names up in the mapping at this dotted path. A dotenv file has none.
    pub fn with_scope(self, scope: impl Into<String>) -> Self {
        let file = self.0.codec().clone();
        let path = file.path.clone();
        FileSecretStore(FileStore::new(path, SecretsFile { scope: Some(scope.into()), ..file }))
    }

    /// The names of all secrets, sorted: a mapping's entries by their dotted names, and a list as one secret.
    ///
    /// The store offers no [`list`](modelmesh_secrets::SecretManagement::list), which only stores that can be
    /// written have.
    pub async fn names(&self) -> Result<Vec<SecretName>> {
        let contents = self.0.document().await?;
        let mut names: Vec<_> = match &*contents {
            Contents::Lines(text) => text.keys().into_iter().flat_map(SecretName::new).collect(),
            Contents::Tree(tree) => tree.names().into_iter().flat_map(SecretName::new).collect(),
        };
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

#[async_trait]
impl SecretResolution for FileSecretStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.0.get(name).await
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        self.0.get_many(names).await
    }
}

#[async_trait]
impl SecretStoreConnector for FileSecretStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn revision(&self) -> Result<Option<u64>> {
        self.0.revision().await
    }
}

/// The formats on top of [`disk`], for reading alone.
#[derive(Clone, Debug)]
struct SecretsFile {
    path: PathBuf,
    format: FileFormat,
    scope: Option<String>,
}

impl Codec for SecretsFile {
    type Document = Contents;

    const ID: &'static str = CONNECTOR.spec.id;

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.batch = CONNECTOR.spec.batch;
        capabilities.watch = true;
        capabilities
    }

    fn blank(&self) -> Result<Contents> {
        Err(Error::new(ErrorKind::Io, format!("'{}' does not exist", self.path.display()))
            .with_help("check the path; this store only reads, so the file must be there"))
    }

    fn decode(&self, bytes: &[u8], holding: bool) -> Result<Contents> {
        let format = match self.format {
            FileFormat::Env => return Text::decode(bytes, holding, &self.path).map(Contents::Lines),
            FileFormat::Json => document::Format::Json,
            FileFormat::Toml => document::Format::Toml,
            FileFormat::Yaml => document::Format::Yaml,
        };
        let tree = Tree::decode(bytes, format, self.scope.as_deref(), holding, &self.path)?;
        Ok(Contents::Tree(Arc::new(tree)))
    }

    fn encode(&self, _: &Contents) -> Result<Zeroizing<Vec<u8>>> {
        Err(read_only())
    }
}

fn read_only() -> Error {
    Error::unsupported("be written")
}

#[derive(Clone)]
enum Contents {
    Lines(Text),
    Tree(Arc<Tree>),
}

impl disk::Document for Contents {
    fn get(&self, name: &SecretName) -> Option<Result<SecretValue>> {
        match self {
            Contents::Lines(text) => text.value(name.as_str()).map(Ok),
            Contents::Tree(tree) => tree.value(name.as_str()),
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Contents::Lines(text) => text.keys(),
            Contents::Tree(tree) => tree.keys(),
        }
    }

    fn check_writable(&self) -> Result<()> {
        Err(read_only())
    }

    fn set(&mut self, _: &SecretName, _: &SecretValue) -> Result<()> {
        Err(read_only())
    }

    fn remove(&mut self, _: &SecretName) -> Result<bool> {
        Err(read_only())
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
