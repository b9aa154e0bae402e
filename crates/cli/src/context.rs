//! What a subcommand works on: the configuration, its stores, and a runtime to ask them with.

use std::{cell::OnceCell, path::Path, sync::Arc};

use modelmesh_secrets::{
    Error, ErrorKind, SecretStoreConnector,
    config::{Configuration, DEFAULT_STORE, StoreEntry},
    setting::ConnectorSpec,
};
use modelmesh_stores::{
    blocking, configuration,
    environment::ProcessEnvironment,
    open::StoreSet,
    registry::{OpenContext, PassphrasePrompt, catalogue},
};
use tokio::runtime::{Builder, Runtime};

use crate::{args::Global, failure::Result, process::Variables, prompt::TerminalPrompt};

/// The names that a configuration file may have, in the order in which messages list them.
pub(crate) const FILE_NAMES: [&str; 4] =
    ["modelmesh.yaml", "modelmesh.yml", "modelmesh.json", "modelmesh.toml"];

/// The configuration, the stores that were asked for, and a runtime that is made when it is first needed.
pub(crate) struct Context {
    configuration: Arc<Configuration>,
    catalogue: Vec<ConnectorSpec>,
    choice: Option<Choice>,
    outside: OpenContext,
    stores: OnceCell<StoreSet>,
    runtime: OnceCell<Runtime>,
}

/// The store that the command line names.
enum Choice {
    /// `--store`: a store's name, or a connector's ID.
    Store(String),
    /// `--env`: a store's name.
    Environment(String),
}

impl Context {
    /// Reads the configuration: `--config`, `MODELMESH_CONFIG`, or the nearest file; an empty one if there is
    /// none.
    ///
    /// What is wrong within the file fails nothing here, unless it cannot be parsed at all: see
    /// [`Configuration::problems`].
    pub(crate) fn load(global: &Global) -> Result<Self> {
        let catalogue = catalogue();
        let configuration = match &global.config {
            Some(path) => read(path, &path.display().to_string(), &catalogue)?,
            None => read_nearest(&catalogue)?,
        };
        let choice = match (&global.store, &global.env) {
            (Some(store), _) => Some(Choice::Store(store.clone())),
            (None, Some(env)) => Some(Choice::Environment(env.clone())),
            (None, None) => None,
        };
        let prompt = TerminalPrompt::available();
        Ok(Context {
            configuration: Arc::new(configuration),
            catalogue,
            choice,
            outside: OpenContext {
                environment: Arc::new(ProcessEnvironment),
                prompt: prompt.map(|prompt| Arc::new(prompt) as Arc<dyn PassphrasePrompt>),
                ..OpenContext::default()
            },
            stores: OnceCell::new(),
            runtime: OnceCell::new(),
        })
    }

    /// As [`load`](Context::load), for a subcommand that resolves references: those that name no store mean
    /// the one that `--store` or `--env` names.
    pub(crate) fn load_for_references(global: &Global) -> Result<Self> {
        let mut context = Context::load(global)?;
        if context.choice.is_some() {
            let entry = context.selected()?;
            let configuration = Arc::into_inner(context.configuration);
            let configuration = configuration.expect("nobody else has it yet").redirected(entry);
            context.configuration = Arc::new(configuration);
        }
        Ok(context)
    }

    /// The configuration, as far as it could be understood.
    pub(crate) fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The configuration, where a subcommand has nothing to do without a file.
    pub(crate) fn require_file(&self) -> Result<&Configuration> {
        if self.configuration.source().is_none() {
            return Err(invalid("there is no configuration file in this folder or those above".to_owned())
                .with_help("make one with 'modelmesh init', or name one with --config")
                .into());
        }
        Ok(&self.configuration)
    }

    /// The connectors of this build.
    pub(crate) fn catalogue(&self) -> &[ConnectorSpec] {
        &self.catalogue
    }

    /// What stores may use of this process.
    pub(crate) fn open_context(&self) -> &OpenContext {
        &self.outside
    }

    /// The store that `--store` or `--env` names, else the default one.
    ///
    /// Fails with `InvalidConfig` if there is none of that name.
    pub(crate) fn selected(&self) -> Result<StoreEntry> {
        let entry = match &self.choice {
            Some(Choice::Store(text)) => self.configuration.select(text, &self.catalogue)?,
            Some(Choice::Environment(name)) => self.named(name)?,
            None => self.named(DEFAULT_STORE)?,
        };
        Ok(entry)
    }

    fn named(&self, name: &str) -> Result<StoreEntry, Error> {
        self.configuration.store(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.configuration.stores().map(|entry| &*entry.name).collect();
            Error::new(ErrorKind::InvalidConfig, format!("there is no environment '{name}'")).with_help(
                format!(
                    "name it under 'secrets.stores' of the configuration; known are '{}'",
                    known.join("', '")
                ),
            )
        })
    }

    /// The stores of the configuration.
    ///
    /// Fails with all that is wrong under `secrets:`; mistakes elsewhere do not matter here.
    pub(crate) fn store_set(&self) -> Result<&StoreSet> {
        if let Some(stores) = self.stores.get() {
            return Ok(stores);
        }
        let stores = StoreSet::new(Arc::clone(&self.configuration), self.outside.clone())?.without_cache();
        Ok(self.stores.get_or_init(|| stores))
    }

    /// The environment of a program that this one starts: the credentials of every configured store are kept
    /// from it.
    pub(crate) fn variables(&self, allowed: &[String]) -> Variables {
        let mut variables = Variables::allowing(allowed);
        for store in self.configuration.stores() {
            store.credential_variables().for_each(|name| variables.remove(name));
        }
        variables
    }

    /// Opens a store.
    pub(crate) fn open(&self, entry: &StoreEntry) -> Result<Arc<dyn SecretStoreConnector>> {
        let stores = self.store_set()?;
        Ok(self.block_on(stores.open(entry))??)
    }

    /// Runs `future` to its end on this thread.
    ///
    /// Fails if the system gives no runtime; the future's own outcome is what is returned.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        let runtime = if let Some(runtime) = self.runtime.get() {
            runtime
        } else {
            let new = Builder::new_current_thread().enable_all().build().map_err(|error| {
                Error::new(ErrorKind::Io, "the system refuses an event queue").with_source(error)
            })?;
            self.runtime.get_or_init(|| new)
        };
        // Nothing else is to be done meanwhile, and a thread less is to end before `run` becomes its program.
        Ok(blocking::allowed(|| runtime.block_on(future)))
    }
}

/// Reads the nearest configuration file, from the working folder up to the one with `.git`.
fn read_nearest(catalogue: &[ConnectorSpec]) -> Result<Configuration> {
    let here = std::env::current_dir()
        .map_err(|error| Error::new(ErrorKind::Io, "the working folder is gone").with_source(error))?;
    for folder in here.ancestors() {
        let found: Vec<&str> = FILE_NAMES.into_iter().filter(|name| folder.join(name).exists()).collect();
        match found[..] {
            [] if folder.join(".git").exists() => break,
            [] => {}
            [name] => {
                let path = folder.join(name);
                if folder == here {
                    return read(&path, name, catalogue);
                }
                require_trusted(&path)?;
                return read(&path, &path.display().to_string(), catalogue);
            }
            _ => {
                let message = format!(
                    "there are several configuration files in '{}': {}",
                    folder.display(),
                    found.join(", ")
                );
                return Err(invalid(message)
                    .with_help("remove all but one, or name one with --config")
                    .into());
            }
        }
    }
    Ok(Configuration::empty(here, catalogue))
}

/// Refuses a file of somebody else in a folder above: in `/tmp`, say, anyone can put one in everybody's way.
fn require_trusted(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    if is_trusted(configuration::metadata(path)?.uid(), rustix::process::geteuid().as_raw()) {
        return Ok(());
    }
    let message =
        format!("the configuration file nearest to here, '{}', belongs to someone else", path.display());
    Err(invalid(message).with_help("if you trust it, name it with --config"))
}

/// Whether the user `me` can rely on what the user `owner` wrote. Root could do anything in any case.
fn is_trusted(owner: u32, me: u32) -> bool {
    owner == 0 || owner == me
}

/// Reads the configuration file at `path`. Messages call it `name`.
fn read(path: &Path, name: &str, catalogue: &[ConnectorSpec]) -> Result<Configuration> {
    let text = configuration::read_text(path).map_err(|error| match path.try_exists() {
        Ok(false) => error.with_help("check --config, or MODELMESH_CONFIG in the environment"),
        _ => error,
    })?;
    let format = configuration::format_of(path)?;
    Ok(Configuration::parse(name, configuration::base_of(path), &text, format, catalogue)?)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_above_is_trusted_if_it_is_the_users_own_or_roots() {
        assert!(is_trusted(1000, 1000) && is_trusted(0, 1000));
        assert!(!is_trusted(1001, 1000) && !is_trusted(1000, 0));
    }
}
