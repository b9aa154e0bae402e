//! The private keys at hand: where they are looked for, and how they are read.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, Result, SecretString, printable};

use super::{cipher::Sealed, identity};
use crate::{
    connector::OpenContext,
    disk::read_bounded,
    environment::{Environment, variable},
    passphrase::{PassphraseSource, secret_variable},
};

/// The longest identity file that is read: an RSA key has some 3 KiB.
const MAX_BYTES: u64 = 1 << 20;

type Key = Box<dyn age::Identity + Send + Sync>;

/// Private keys, with the public key of each.
pub(super) struct Identities {
    keys: Vec<Key>,
    recipients: Vec<String>,
}

impl Identities {
    pub(super) fn as_age(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|key| &**key as &dyn age::Identity)
    }

    /// The public keys.
    pub(super) fn recipients(&self) -> &[String] {
        &self.recipients
    }

    /// Reads the text of an identity file: age identities, a line each, or one SSH private key.
    ///
    /// `ask` is called for the passphrase of a protected SSH key. `whence` completes "… holds no identity".
    /// No text of the file is repeated in an error.
    pub(super) fn parse(text: &str, whence: &str, ask: &dyn Fn() -> Result<SecretString>) -> Result<Self> {
        if text.trim_start().starts_with("-----BEGIN") {
            ssh(text, whence, ask)
        } else {
            age_keys(text, whence)
        }
    }
}

fn age_keys(text: &str, whence: &str) -> Result<Identities> {
    let mut found = Identities { keys: Vec::new(), recipients: Vec::new() };
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key: age::x25519::Identity = line.parse().map_err(|_| {
            Error::new(ErrorKind::Malformed, format!("line {number} of {whence} is not an identity"))
                .with_help("an identity is 'AGE-SECRET-KEY-1…'; plugins and hybrid keys are not supported")
        })?;
        found.recipients.push(key.to_public().to_string());
        found.keys.push(Box::new(key));
    }
    if found.keys.is_empty() {
        return Err(Error::new(ErrorKind::Malformed, format!("{whence} holds no identity"))
            .with_help("run 'modelmesh init' to make one"));
    }
    Ok(found)
}

fn ssh(text: &str, whence: &str, ask: &dyn Fn() -> Result<SecretString>) -> Result<Identities> {
    let unfit = |what: &str| {
        Error::new(ErrorKind::Malformed, format!("{whence} {what}"))
            .with_help("use an SSH key of type ssh-ed25519 or ssh-rsa, or an age identity")
    };
    let key = age::ssh::Identity::from_buffer(text.as_bytes(), None)
        .map_err(|_| unfit("is not a private key that can be read"))?;
    let key = match key {
        age::ssh::Identity::Encrypted(protected) => {
            let unlocked = protected.decrypt(ask()?).map_err(|_| {
                Error::new(ErrorKind::Locked, format!("the passphrase does not open {whence}"))
            })?;
            age::ssh::Identity::from(unlocked)
        }
        other => other,
    };
    let recipient = age::ssh::Recipient::try_from(key.clone())
        .map_err(|_| unfit("is an SSH key of a type that age cannot use"))?;
    Ok(Identities { recipients: vec![recipient.to_string()], keys: vec![Box::new(key)] })
}

/// Where a store looks for its identities.
pub(super) struct IdentitySource {
    configured: Option<PathBuf>,
    environment: Arc<dyn Environment>,
    /// Of the identity itself, if it is protected by one.
    passphrase: PassphraseSource,
    known: Mutex<Option<Arc<Identities>>>,
}

impl IdentitySource {
    pub(super) fn new(configured: Option<&Path>, context: &OpenContext) -> Self {
        IdentitySource {
            configured: configured.map(Path::to_owned),
            environment: Arc::clone(&context.environment),
            passphrase: PassphraseSource::new(None, context),
            known: Mutex::new(None),
        }
    }

    /// Whether the configuration itself names an identity.
    pub(super) fn is_configured(&self) -> bool {
        self.configured.is_some()
    }

    /// The identities: of the configured file, else of `MODELMESH_IDENTITY`, else of the file that
    /// `MODELMESH_IDENTITY_FILE` names, else of the user's own. They are read once and kept.
    ///
    /// Fails with `Locked` if there are none, or a passphrase is missing; with `Malformed` or `Io`.
    pub(super) fn load(&self) -> Result<Arc<Identities>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let identities = Arc::new(self.find()?);
        *known = Some(Arc::clone(&identities));
        Ok(identities)
    }

    /// Reads them again when they are next needed: the ones at hand did not fit.
    pub(super) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn find(&self) -> Result<Identities> {
        if let Some(path) = &self.configured {
            return self.read(path, "check the setting 'identity', or run 'modelmesh init'");
        }
        if let Some(text) = secret_variable(&*self.environment, variable::IDENTITY)? {
            let whence = format!("the variable {}", variable::IDENTITY);
            return Identities::parse(text.expose_secret(), &whence, &|| self.ask(&whence));
        }
        let named = self.environment.var(variable::IDENTITY_FILE).filter(|path| !path.is_empty());
        if let Some(path) = named {
            return self.read(Path::new(&path), "check the variable MODELMESH_IDENTITY_FILE");
        }
        let default = identity::default_path(&*self.environment)?;
        self.read(&default, "run 'modelmesh init' to make one, or set MODELMESH_IDENTITY_FILE")
    }

    fn read(&self, path: &Path, help: &'static str) -> Result<Identities> {
        let whence = format!("'{}'", path.display());
        let Some(contents) = read_bounded(path, MAX_BYTES)? else {
            return Err(
                Error::new(ErrorKind::Locked, format!("there is no identity {whence}")).with_help(help)
            );
        };
        if let Some(mode) = contents.wide_mode {
            // Not refused: mounted secrets of containers have mode 0644, and nobody there can change it.
            tracing::warn!(
                path = %printable(&path.to_string_lossy()),
                mode = format_args!("{mode:03o}"),
                "others may read this identity; make it private with 'chmod 600'"
            );
        }
        let not_text = |_| {
            Error::new(ErrorKind::Malformed, format!("{whence} is not an identity file"))
                .with_help("check the path: it holds bytes that are not text")
        };
        if is_age_file(&contents.bytes) {
            let passphrase = self.ask(&whence)?;
            let sealed = Sealed::parse(&contents.bytes).map_err(|error| error_at(&whence, &error))?;
            if !sealed.needs_passphrase() {
                return Err(Error::new(
                    ErrorKind::Malformed,
                    format!("{whence} is an age file for another identity, not an identity"),
                )
                .with_help(help));
            }
            let text = sealed.open_by_passphrase(passphrase).map_err(|error| error_at(&whence, &error))?;
            let text = std::str::from_utf8(&text).map_err(not_text)?;
            return Identities::parse(text, &whence, &|| self.ask(&whence));
        }
        let text = std::str::from_utf8(&contents.bytes).map_err(not_text)?;
        Identities::parse(text, &whence, &|| self.ask(&whence))
    }

    fn ask(&self, whence: &str) -> Result<SecretString> {
        self.passphrase.get(whence, false)
    }
}

fn is_age_file(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption.org/")
        || bytes.trim_ascii_start().starts_with(b"-----BEGIN AGE ENCRYPTED FILE")
}

/// `error`, whose message completes `subject`, with the subject.
pub(super) fn error_at(subject: &str, error: &Error) -> Error {
    let located = Error::new(error.kind(), format!("{subject} {}", error.message()));
    match error.help() {
        Some(help) => located.with_help(help.to_owned()),
        None => located,
    }
}

/// The recipients of the identity file at `path`, if it can be read without asking anybody.
pub(super) fn recipients_of(path: &Path) -> Result<Vec<String>> {
    let context = OpenContext {
        environment: Arc::new(crate::environment::FixedEnvironment::default()),
        prompt: None,
        ..OpenContext::default()
    };
    let source = IdentitySource::new(Some(path), &context);
    source.load().map(|identities| identities.recipients.clone())
}
