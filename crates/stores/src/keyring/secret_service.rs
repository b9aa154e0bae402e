//! The Secret Service (GNOME Keyring, `KWallet`, `KeePassXC`), over D-Bus.
//!
//! Spoken through the `secret-service` crate itself. The layer above it (`zbus-secret-service-keyring-store`)
//! takes an entry of a locked collection that the service does not search for a missing one, raises dialogs
//! with nobody there to answer, and makes entries that the Python `keyring` library duplicates when it
//! writes.
//!
//! A call is one conversation: a connection and a runtime of its own. It costs a few milliseconds, and there
//! is nothing that a restarted service, a fork or the end of the caller's runtime could break.
//! See <https://specifications.freedesktop.org/secret-service-spec/latest/>.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretValue};
use secret_service::{EncryptionType, Error as Failure, Item, SecretService};
use tokio::sync::Mutex;
use zbus::DBusError;

use super::{ambiguous, not_found, value_of};
use crate::{connector::OpenContext, environment::Environment};

/// The specification states no limit.
pub(super) const MAX_BYTES: Option<usize> = None;

/// How many names share a conversation.
pub(super) const BATCH: usize = 64;

/// How long the bus and the service may take for one answer. D-Bus starts a service that is not running, so
/// this covers its start; a person's answer to a dialog is not limited.
const ANSWER: Duration = Duration::from_secs(10);

/// The attributes by which the Python `keyring` library finds and replaces entries. It replaces those that
/// match all three alone, so entries of ours carry its name too: else it would put a second one beside ours.
const SERVICE: &str = "service";
const USER: &str = "username";
const APPLICATION: (&str, &str) = ("application", "Python keyring library");

/// Some services show values of another type as binary data.
const CONTENT_TYPE: &str = "text/plain";

const LOCKED_HELP: &str = "unlock the keyring: sign in to the desktop, open its password manager, \
    or run 'gnome-keyring-daemon --unlock'; then try again";

const ABSENT_HELP: &str = "start a Secret Service (GNOME Keyring, KWallet, KeePassXC) in this session; \
    where there is none, as in a container or over ssh, use the store modelmesh.age-file.v1";

/// One service's entries.
pub(super) struct Keyring {
    service: String,
    environment: Arc<dyn Environment>,
    /// Whether the unlock dialog may be shown. Held while one is open, so that there is one at a time.
    dialog: Mutex<bool>,
}

impl Keyring {
    pub(super) fn new(service: &str, context: &OpenContext) -> Self {
        Keyring {
            service: service.to_owned(),
            environment: Arc::clone(&context.environment),
            dialog: Mutex::new(context.prompt.is_some()),
        }
    }

    pub(super) fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.converse(async |bus| self.read(bus, name).await)
    }

    pub(super) fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let answers = self.converse(async |bus| {
            let mut answers = Vec::with_capacity(names.len());
            for name in names {
                answers.push(self.read(bus, name).await);
            }
            Ok(answers)
        });
        answers.unwrap_or_else(|error| names.iter().map(|_| Err(error.clone())).collect())
    }

    pub(super) fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.converse(async |bus| self.write(bus, name, value).await)
    }

    pub(super) fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        let answers = self.converse(async |bus| {
            let mut answers = Vec::with_capacity(secrets.len());
            for (name, value) in secrets {
                answers.push(self.write(bus, name, value).await);
            }
            Ok(answers)
        });
        answers.unwrap_or_else(|error| secrets.iter().map(|_| Err(error.clone())).collect())
    }

    pub(super) fn delete(&self, name: &SecretName) -> Result<()> {
        self.converse(async |bus| match self.entry(bus, name).await? {
            Some(item) => item.delete().await.map_err(item_failure),
            None => Err(not_found()),
        })
    }

    /// The user names of all entries.
    pub(super) fn users(&self) -> Result<Vec<String>> {
        self.converse(async |bus| {
            let mut users = Vec::new();
            for item in self.search(bus, None).await? {
                match item.get_attributes().await.map_err(item_failure) {
                    Ok(mut attributes) => users.extend(attributes.remove(USER)),
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(users)
        })
    }

    async fn read(&self, bus: &SecretService<'_>, name: &SecretName) -> Result<SecretValue> {
        match self.entry(bus, name).await? {
            Some(item) => value_of(item.get_secret().await.map_err(item_failure)?),
            None => Err(not_found()),
        }
    }

    async fn write(&self, bus: &SecretService<'_>, name: &SecretName, value: &SecretValue) -> Result<()> {
        let bytes = value.expose().as_bytes();
        if let Some(item) = self.entry(bus, name).await? {
            // In place: the entry keeps its collection, its label and the attributes of its maker.
            match item.set_secret(bytes, CONTENT_TYPE).await.map_err(item_failure) {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                done => return done,
            }
        }
        let label = format!("{}: {name}", self.service);
        let mut attributes = self.attributes(Some(name));
        attributes.insert(APPLICATION.0, APPLICATION.1);
        let collection = bus.get_default_collection().await.map_err(failure)?;
        // Replacing, for another writer may have made the entry since we looked.
        let created = collection.create_item(&label, attributes, bytes, true, CONTENT_TYPE).await;
        created.map(drop).map_err(failure)
    }

    async fn entry<'s>(&self, bus: &'s SecretService<'_>, name: &SecretName) -> Result<Option<Item<'s>>> {
        let mut items = self.search(bus, Some(name)).await?;
        match items.len() {
            0 | 1 => Ok(items.pop()),
            _ => Err(ambiguous()),
        }
    }

    fn attributes<'s>(&'s self, name: Option<&'s SecretName>) -> HashMap<&'s str, &'s str> {
        let mut attributes = HashMap::from([(SERVICE, self.service.as_str())]);
        attributes.extend(name.map(|name| (USER, name.as_str())));
        attributes
    }

    /// The items of `name`, or of all names, in every collection; each unlocked.
    async fn search<'s>(
        &self,
        bus: &'s SecretService<'_>,
        name: Option<&SecretName>,
    ) -> Result<Vec<Item<'s>>> {
        let found = bus.search_items(self.attributes(name)).await.map_err(failure)?;
        if name.is_some() && found.locked.is_empty() && !found.unlocked.is_empty() {
            return Ok(found.unlocked);
        }
        // Some services do not look into a locked collection: that something was not found says nothing until
        // the collection that new entries go to is open.
        let home = bus.get_default_collection().await.map_err(failure)?;
        let home_locked = home.is_locked().await.map_err(failure)?;
        if found.locked.is_empty() && !home_locked {
            return Ok(found.unlocked);
        }
        let mut dialog = self.dialog.lock().await;
        if !*dialog {
            return Err(locked());
        }
        // A refusal stands: a command that needs ten secrets does not ask ten times.
        *dialog = false;
        if home_locked {
            home.unlock().await.map_err(failure)?;
        }
        if !found.locked.is_empty() {
            bus.unlock_all(&found.locked.iter().collect::<Vec<_>>()).await.map_err(failure)?;
        }
        *dialog = true;
        let found = bus.search_items(self.attributes(name)).await.map_err(failure)?;
        if found.locked.is_empty() { Ok(found.unlocked) } else { Err(locked()) }
    }

    /// Connects, opens an encrypted session, and runs `conversation`. Blocks until it is over.
    fn converse<T>(&self, conversation: impl AsyncFnOnce(&SecretService<'static>) -> Result<T>) -> Result<T> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                Error::new(ErrorKind::Io, "cannot start talking to the session bus").with_source(error)
            })?;
        runtime.block_on(async {
            let connecting = connect(bus_address(&*self.environment));
            let bus = tokio::time::timeout(ANSWER, connecting).await.map_err(|_| no_answer())??;
            conversation(&bus).await
        })
    }
}

async fn connect(address: String) -> Result<SecretService<'static>> {
    let connection = async {
        zbus::connection::Builder::address(&*address)?.method_timeout(ANSWER).build().await
    }
    .await
    .map_err(|_| Error::new(ErrorKind::Unavailable, "there is no session bus").with_help(ABSENT_HELP))?;
    SecretService::connect_with_existing(EncryptionType::Dh, connection).await.map_err(failure)
}

/// Where the session bus listens: what every D-Bus library does with the process environment.
fn bus_address(environment: &dyn Environment) -> String {
    let set = |name| environment.var(name).filter(|value| !value.is_empty());
    if let Some(address) = set("DBUS_SESSION_BUS_ADDRESS") {
        return address.to_string_lossy().into_owned();
    }
    let runtime_directory = set("XDG_RUNTIME_DIR").map_or_else(
        || PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw())),
        PathBuf::from,
    );
    format!("unix:path={}", runtime_directory.join("bus").display())
}

fn locked() -> Error {
    Error::new(ErrorKind::Locked, "the keyring is locked").with_help(LOCKED_HELP)
}

fn no_answer() -> Error {
    Error::new(ErrorKind::Unavailable, "the Secret Service does not answer").with_help(ABSENT_HELP)
}

/// The failure of a call on an item that was found a moment ago. `Conflict` if it is gone: whether its name is
/// gone too, only a search could tell.
fn item_failure(error: Failure) -> Error {
    match error_name(&error).as_deref() {
        // GNOME Keyring answers for a removed object with the second, as GLib does for any object.
        Some(
            "org.freedesktop.Secret.Error.NoSuchObject"
            | "org.freedesktop.DBus.Error.UnknownMethod"
            | "org.freedesktop.DBus.Error.UnknownObject",
        ) => Error::new(ErrorKind::Conflict, "another program removed the entry at this moment")
            .with_help("try again"),
        _ => failure(error),
    }
}

/// Decides by variants and by the names of D-Bus errors. No cause is kept: a service words its errors freely.
fn failure(error: Failure) -> Error {
    match error {
        Failure::Locked | Failure::Prompt => locked(),
        Failure::NoResult => {
            Error::new(ErrorKind::Unavailable, "the Secret Service has no default collection")
                .with_help("open or create one in the desktop's password manager")
        }
        Failure::Crypto(_) | Failure::Zvariant(_) => {
            Error::new(ErrorKind::Malformed, "the Secret Service sent an answer that cannot be read")
        }
        error => error_name(&error).map_or_else(no_answer, |name| named_failure(&name)),
    }
}

/// The D-Bus name of an error that somebody on the bus sent; none if nobody answered.
fn error_name(error: &Failure) -> Option<String> {
    use zbus::{Error as Bus, fdo::Error as Standard};

    match error {
        Failure::Zbus(Bus::MethodError(name, ..))
        | Failure::ZbusFdo(Standard::ZBus(Bus::MethodError(name, ..))) => Some(name.to_string()),
        Failure::Zbus(Bus::FDO(error)) => Some(error.name().to_string()),
        Failure::ZbusFdo(Standard::ZBus(_)) => None,
        Failure::ZbusFdo(error) => Some(error.name().to_string()),
        _ => None,
    }
}

fn named_failure(name: &str) -> Error {
    match name {
        "org.freedesktop.Secret.Error.IsLocked" => locked(),
        "org.freedesktop.DBus.Error.AccessDenied" => {
            Error::new(ErrorKind::Denied, "the session bus refuses access to the Secret Service")
        }
        "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => {
            Error::new(ErrorKind::Unavailable, "this session has no Secret Service").with_help(ABSENT_HELP)
        }
        other => Error::new(ErrorKind::Unavailable, format!("the Secret Service failed with {other}"))
            .with_help(ABSENT_HELP),
    }
}

#[cfg(test)]
mod tests {
    use zbus::fdo::Error as Standard;

    use super::*;
    use crate::environment::FixedEnvironment;

    #[test]
    fn kinds_follow_the_names_of_errors() {
        for (error, kind) in [
            (Failure::Locked, ErrorKind::Locked),
            (Failure::Prompt, ErrorKind::Locked),
            (Failure::PromptDisconnected, ErrorKind::Unavailable),
            (Failure::NoResult, ErrorKind::Unavailable),
            (Failure::Crypto("padding"), ErrorKind::Malformed),
            (Failure::ZbusFdo(Standard::AccessDenied("no".into())), ErrorKind::Denied),
            (Failure::ZbusFdo(Standard::ServiceUnknown("no".into())), ErrorKind::Unavailable),
            (Failure::Zbus(Standard::NoReply("no".into()).into()), ErrorKind::Unavailable),
        ] {
            assert_eq!(failure(error).kind(), kind);
        }
        assert_eq!(named_failure("org.freedesktop.Secret.Error.IsLocked").kind(), ErrorKind::Locked);
    }

    #[test]
    fn an_item_that_is_gone_is_no_missing_name() {
        let gone = || Failure::ZbusFdo(Standard::UnknownMethod("no such object".into()));
        assert_eq!(item_failure(gone()).kind(), ErrorKind::Conflict);
        assert_eq!(failure(gone()).kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn words_of_the_service_are_not_repeated() {
        let error = failure(Failure::ZbusFdo(Standard::Failed("canary".into())));
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert!(error.to_string().contains("org.freedesktop.DBus.Error.Failed"), "{error}");
    }

    #[test]
    fn the_bus_is_where_the_environment_says() {
        let address = |pairs: &[(&str, &str)]| bus_address(&FixedEnvironment::new(pairs.iter().copied()));
        let runtime = ("XDG_RUNTIME_DIR", "/r");
        assert_eq!(address(&[("DBUS_SESSION_BUS_ADDRESS", "unix:path=/b"), runtime]), "unix:path=/b");
        assert_eq!(address(&[("DBUS_SESSION_BUS_ADDRESS", ""), runtime]), "unix:path=/r/bus");
        assert!(address(&[]).starts_with("unix:path=/run/user/"));
    }
}
