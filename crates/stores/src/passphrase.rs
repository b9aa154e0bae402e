//! Where the passphrase of a file comes from.

use std::sync::{Arc, Mutex, PoisonError};

use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, Result, SecretString};

use crate::{
    connector::{OpenContext, PassphrasePrompt},
    environment::{Environment, variable},
};

/// The setting, else `MODELMESH_PASSPHRASE`, else a person, who is asked once.
pub(crate) struct PassphraseSource {
    configured: Option<SecretString>,
    environment: Arc<dyn Environment>,
    prompt: Option<Arc<dyn PassphrasePrompt>>,
    /// What a person typed. A wrong one stays: fifty references must not ask fifty times.
    known: Mutex<Option<SecretString>>,
}

impl PassphraseSource {
    /// An empty passphrase is none: it is what an unset variable leaves in a configuration.
    pub(crate) fn new(configured: Option<&SecretString>, context: &OpenContext) -> Self {
        PassphraseSource {
            configured: configured.filter(|text| !text.expose_secret().is_empty()).cloned(),
            environment: Arc::clone(&context.environment),
            prompt: context.prompt.clone(),
            known: Mutex::new(None),
        }
    }

    /// Whether the configuration itself gives a passphrase.
    pub(crate) fn is_configured(&self) -> bool {
        self.configured.is_some()
    }

    /// The passphrase, unless a person would have to be asked for it.
    pub(crate) fn at_hand(&self) -> Result<Option<SecretString>> {
        if let Some(known) = &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Some(known.clone()));
        }
        if self.configured.is_some() {
            return Ok(self.configured.clone());
        }
        secret_variable(&*self.environment, variable::PASSPHRASE)
    }

    /// The passphrase. `what` completes "passphrase for …"; a `new` one is asked twice.
    ///
    /// Fails with `Locked` if there is none and nobody can be asked.
    pub(crate) fn get(&self, what: &str, new: bool) -> Result<SecretString> {
        if let Some(passphrase) = self.at_hand()? {
            return Ok(passphrase);
        }
        let prompt = self.prompt.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Locked, format!("there is no passphrase for {what}"))
                .with_help("set MODELMESH_PASSPHRASE, or run the command on a terminal")
        })?;
        let typed = prompt.passphrase(what, new)?;
        self.replace(typed.clone());
        Ok(typed)
    }

    /// Uses `passphrase` from now on.
    pub(crate) fn replace(&self, passphrase: SecretString) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(passphrase);
    }
}

/// The text of an environment variable that holds a secret; none if it is not set, or empty.
///
/// Fails with `InvalidConfig` if it is not UTF-8.
pub(crate) fn secret_variable(environment: &dyn Environment, name: &str) -> Result<Option<SecretString>> {
    match environment.var(name).map(std::ffi::OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) if text.is_empty() => Ok(None),
        Some(Ok(text)) => Ok(Some(text.into())),
        Some(Err(_)) => {
            Err(Error::new(ErrorKind::InvalidConfig, format!("the variable {name} does not hold UTF-8 text")))
        }
    }
}
