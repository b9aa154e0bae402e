//! The login of a person: Azure's own command line tools give a token of theirs.

use std::{
    ffi::OsStr,
    io,
    process::{Output, Stdio},
    sync::Arc,
};

use azure_core::credentials::{AccessToken, TokenCredential};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions, Executor,
};
use modelmesh_secrets::{Error, ErrorKind, Result, async_trait};
use tokio::process::Command;

use crate::{connector::OpenContext, environment::Environment};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// The Azure CLI.
    Az,
    /// The Azure Developer CLI.
    Azd,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Tool::Az => "az",
            Tool::Azd => "azd",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Tool::Az => "run 'az login', with '--tenant' if the vault is in another directory than your own",
            Tool::Azd => {
                "run 'azd auth login', with '--tenant-id' if the vault is in another directory than your own"
            }
        }
    }

    /// Whether it is installed.
    pub(super) fn is_there(self, environment: &dyn Environment) -> bool {
        let Some(path) = environment.var("PATH") else { return false };
        let files = if cfg!(windows) {
            ["exe", "cmd"].map(|end| format!("{}.{end}", self.name())).to_vec()
        } else {
            vec![self.name().to_owned()]
        };
        std::env::split_paths(&path).any(|folder| files.iter().any(|file| folder.join(file).is_file()))
    }

    /// A token of the person who logged in with it.
    pub(super) async fn token(
        self,
        context: &OpenContext,
        tenant_id: Option<String>,
        scope: &str,
    ) -> Result<AccessToken> {
        if !self.is_there(&*context.environment) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("'{}' is not on the PATH", self.name()),
            )
            .with_help("install it, or choose another 'auth'"));
        }
        let executor: Option<Arc<dyn Executor>> = Some(Arc::new(Contained(Arc::clone(&context.environment))));
        // What the tool prints, the library's error holds: it is dropped.
        let no_token = || {
            Error::new(ErrorKind::StoreAuth, format!("'{}' gives no token", self.name()))
                .with_help(self.help())
        };
        let credential: Arc<dyn TokenCredential> = match self {
            Tool::Az => {
                let options = AzureCliCredentialOptions { executor, tenant_id, ..Default::default() };
                AzureCliCredential::new(Some(options)).map_err(|_| no_token())?
            }
            Tool::Azd => {
                let options = AzureDeveloperCliCredentialOptions { executor, tenant_id };
                AzureDeveloperCliCredential::new(Some(options)).map_err(|_| no_token())?
            }
        };
        credential.get_token(&[scope], None).await.map_err(|_| no_token())
    }
}

/// Runs a tool with the environment of the store, and ends it when nobody waits for it any more.
#[derive(Debug)]
struct Contained(Arc<dyn Environment>);

#[async_trait]
impl Executor for Contained {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let names = self.0.names();
        let variables = names.iter().filter_map(|name| Some((name, self.0.var(name.to_str()?)?)));
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(variables).stdin(Stdio::null()).kill_on_drop(true);
        command.output().await
    }
}
