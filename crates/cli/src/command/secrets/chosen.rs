//! The store that a subcommand works on.

use std::{fmt, path::PathBuf, sync::Arc};

use modelmesh_secrets::{
    Error, ErrorKind, Naming, SecretManagement, SecretName, SecretStoreConnector, SecretValue,
    config::StoreEntry, printable, setting::Settings,
};
use modelmesh_stores::dotenv;

use crate::{
    context::Context,
    failure::{Failure, Result},
};

/// The store that the command line or the configuration names, opened.
pub(super) struct Chosen<'c> {
    context: &'c Context,
    entry: StoreEntry,
    store: Arc<dyn SecretStoreConnector>,
    /// None of a chain, which has no settings of its own.
    settings: Option<Settings>,
}

impl<'c> Chosen<'c> {
    pub(super) fn open(context: &'c Context) -> Result<Self> {
        let entry = context.selected()?;
        let store = context.open(&entry)?;
        let settings = match entry.connector() {
            Some(_) => Some(context.block_on(context.store_set()?.settings(&entry))??),
            None => None,
        };
        Ok(Chosen { context, entry, store, settings })
    }

    pub(super) fn context(&self) -> &'c Context {
        self.context
    }

    /// Its name in the configuration, or its connector's ID.
    pub(super) fn name(&self) -> &str {
        &self.entry.name
    }

    /// The ID of its connector.
    pub(super) fn connector_id(&self) -> &str {
        self.store.connector_id()
    }

    pub(super) fn store(&self) -> &dyn SecretStoreConnector {
        &*self.store
    }

    /// The settings, filled in. `Unsupported` for a chain.
    pub(super) fn settings(&self) -> Result<&Settings> {
        let chain = || self.named(Error::unsupported("be used so, for it is a chain of stores")).into();
        self.settings.as_ref().ok_or_else(chain)
    }

    /// The file that the store keeps its secrets in, if it is a store of that kind.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let settings = self.settings.as_ref()?;
        if let Some(path) = settings.path("path").or_else(|| settings.path("file_path")) {
            return Some(path.to_owned());
        }
        // A default stands in the connector's table, and not in the settings.
        let setting = self.entry.connector()?.settings.iter().find(|setting| setting.key == "path")?;
        setting.default.map(PathBuf::from)
    }

    /// How the store's names are made of logical ones.
    pub(super) fn naming(&self) -> Naming {
        self.settings.as_ref().map(StoreEntry::naming).unwrap_or_default()
    }

    /// The writing side. `Unsupported` if there is none, with the stores that have one.
    pub(super) fn management(&self) -> Result<&dyn SecretManagement> {
        if !self.store.capabilities().durable {
            let gone = "what is written to this store is gone when this command ends";
            let error = Error::new(ErrorKind::Unsupported, gone).with_help(self.writable_stores());
            return Err(self.named(error).into());
        }
        self.store.management().ok_or_else(|| {
            let unsupported = Error::new(
                ErrorKind::Unsupported,
                format!("a store of {} can only be read", printable(self.connector_id())),
            );
            self.named(unsupported.with_help(self.writable_stores())).into()
        })
    }

    fn writable_stores(&self) -> String {
        // What this store itself refused, another store of its connector refuses too.
        let is_writable = |entry: &&StoreEntry| {
            entry.connector().is_some_and(|spec| spec.management && spec.id != self.connector_id())
        };
        let stores = self.context.configuration().stores().filter(is_writable);
        let names: Vec<String> = stores.map(|entry| format!("--store {}", printable(&entry.name))).collect();
        if names.is_empty() {
            "run 'modelmesh init' to make a store that can be written, or name one with --store".to_owned()
        } else {
            format!("stores that can be written: {}", names.join(", "))
        }
    }

    /// What the store says beforehand of a secret that is to be written: `InvalidName` or `Unsupported`.
    pub(super) fn check(&self, name: &SecretName, value: Option<&SecretValue>) -> Result<(), Error> {
        let about = |error: Error| self.named(error.with_name(name));
        let capabilities = self.store.capabilities();
        if !capabilities.names.allows(name) {
            let error = Error::new(ErrorKind::InvalidName, "this store cannot hold a secret of this name");
            return Err(about(if capabilities.names == dotenv::KEYS {
                // The rule excludes dozens of characters: what it leaves is shorter to say.
                error.with_help(
                    "use letters, digits, '_', '.' and '-' alone, or set 'naming: screaming-snake' on the store",
                )
            } else {
                error.with_help(format!("it takes {}", capabilities.names))
            }));
        }
        self.naming().to_backend(name).map_err(about)?;
        value.map_or(Ok(()), |value| capabilities.check_value(value)).map_err(about)
    }

    /// Waits for an answer of the store. Its error says which store it is.
    pub(super) fn wait<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T> {
        Ok(self.context.block_on(answer)?.map_err(|error| self.named(error))?)
    }

    /// Waits for as many answers as there were questions.
    pub(super) fn wait_all<T>(
        &self,
        answers: impl Future<Output = Vec<Result<T, Error>>>,
    ) -> Result<Vec<Result<T, Error>>> {
        let answers = self.context.block_on(answers)?;
        Ok(answers.into_iter().map(|answer| answer.map_err(|error| self.named(error))).collect())
    }

    /// All secrets of the store, sorted by name. Fails with every secret that cannot be read.
    pub(super) fn all(&self) -> Result<Vec<(SecretName, SecretValue)>> {
        let names = self.wait(self.management()?.list())?;
        let mut secrets = Vec::with_capacity(names.len());
        let mut errors = Vec::new();
        let values = self.wait_all(self.store.stored(&names))?;
        for (name, value) in names.into_iter().zip(values) {
            match value {
                Ok(value) => secrets.push((name, value)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(secrets) } else { Err(Failure::from(errors)) }
    }

    /// Says of which store an error is.
    pub(super) fn named(&self, error: Error) -> Error {
        error.with_store(Arc::clone(&self.entry.name))
    }
}

/// `store 'default' (modelmesh.age-file.v1, secrets.age)`.
impl fmt::Display for Chosen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "store '{}'", printable(self.name()))?;
        let id = Some(self.connector_id()).filter(|id| *id != self.name()).map(str::to_owned);
        let path = self.path().map(|path| {
            // Somebody in the folder knows it by its short name.
            let here = std::env::current_dir().ok();
            let near = here.and_then(|here| path.strip_prefix(here).map(std::path::Path::to_owned).ok());
            near.unwrap_or(path).to_string_lossy().into_owned()
        });
        let parts: Vec<String> = id.into_iter().chain(path).collect();
        if parts.is_empty() { Ok(()) } else { write!(f, " ({})", printable(&parts.join(", "))) }
    }
}
