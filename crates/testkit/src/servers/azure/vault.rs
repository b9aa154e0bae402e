//! Vaults, and what is asked of their secrets: <https://learn.microsoft.com/en-us/rest/api/keyvault/secrets>.

use std::collections::{BTreeMap, HashSet};

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{
    http::Asked,
    listing::page,
    reply::{Outcome, Reply, conflict, invalid, not_found},
    secret::{Secret, State, Version},
};

/// How a vault answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// As it should.
    #[default]
    Well,
    /// With an error: its status, its code, its inner code.
    Failing(u16, &'static str, Option<&'static str>),
    /// With `Throttled`, and the seconds after which to come again.
    Throttling(u32),
    /// To no token at all, as if all were of another directory.
    Refusing,
    /// In a proxy's words and not its own, with this status.
    Interposed(u16),
    /// Naming this authority, such as `https://login.example.com/TENANT`, in its challenges.
    Challenging(String),
    /// Naming this origin, such as `https://vault.example.com`, in the links to further pages.
    Linking(String),
}

/// The vaults, by the first segment of their address; that of the server itself has none.
#[derive(Default)]
pub(super) struct Vaults(BTreeMap<String, Vault>);

#[derive(Default)]
pub(super) struct Vault {
    pub(super) condition: Condition,
    pub(super) requests: Vec<String>,
    /// Permissions that nobody has.
    pub(super) forbidden: HashSet<&'static str>,
    /// How many looks a deletion or a recovery takes.
    pub(super) slowness: usize,
    /// By the name in small letters.
    secrets: BTreeMap<String, Secret>,
}

impl Vaults {
    pub(super) fn make(&mut self) -> String {
        let id = format!("vault-{}", super::unique_id());
        self.0.insert(id.clone(), Vault::default());
        id
    }

    pub(super) fn of(&mut self, vault: &str) -> &mut Vault {
        self.find(vault).expect("a vault of this server")
    }

    pub(super) fn find(&mut self, vault: &str) -> Option<&mut Vault> {
        if vault.is_empty() {
            return Some(self.0.entry(String::new()).or_default());
        }
        self.0.get_mut(vault)
    }
}

/// The ID of the vault that is asked, and the path below it.
pub(super) fn split(path: &str) -> (String, Vec<String>) {
    let mut segments: Vec<String> = path
        .split('/')
        .skip(1)
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let is_of_server = matches!(segments[0].as_str(), "secrets" | "deletedsecrets");
    (if is_of_server { String::new() } else { segments.remove(0) }, segments)
}

impl Vault {
    /// Answers a caller who is known.
    pub(super) fn answer(&mut self, asked: &Asked, id: &str, path: &[String]) -> Outcome {
        if asked.parameter("api-version").is_none_or(str::is_empty) {
            return Err(invalid("The query parameter api-version is required."));
        }
        match &self.condition {
            Condition::Failing(status, code, inner) => {
                return Err(Reply::error(*status, code, *inner, "It was told to fail."));
            }
            Condition::Throttling(seconds) => {
                let message = "Request was not processed because too many requests were received. Reason: \
                               VaultRequestTypeLimitReached";
                let reply = Reply::error(429, "Throttled", None, message);
                return Err(reply.with_header("retry-after", seconds.to_string()));
            }
            _ => {}
        }
        let prefix = if id.is_empty() { String::new() } else { format!("/{id}") };
        let base = format!("https://{}{prefix}", asked.host);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (path.as_slice(), &asked.method) {
            (["secrets"], &Method::GET) => self.list(asked, &base, false),
            (["deletedsecrets"], &Method::GET) => self.list(asked, &base, true),
            (["secrets", name, "versions"], &Method::GET) => self.versions(asked, &base, name),
            (["secrets", name] | ["secrets", name, ""], method) => {
                self.secret(asked, method, &base, name, "")
            }
            (["secrets", name, version], method @ (&Method::GET | &Method::PATCH)) => {
                self.secret(asked, method, &base, name, version)
            }
            (["deletedsecrets", name], &Method::GET) => {
                self.permit("get")?;
                self.permit("get deleted")?;
                Ok(self.deleted(name)?.deleted(&base))
            }
            (["deletedsecrets", name], &Method::DELETE) => {
                self.permit("purge")?;
                self.deleted(name)?;
                self.secrets.remove(&name.to_ascii_lowercase());
                Err(Reply { body: None, ..Reply::new(204, Value::Null) })
            }
            (["deletedsecrets", name, "recover"], &Method::POST) => self.recover(&base, name),
            _ => Err(Reply::error(404, "ResourceNotFound", None, "There is no such resource.")),
        }
    }

    fn secret(&mut self, asked: &Asked, method: &Method, base: &str, name: &str, version: &str) -> Outcome {
        let is_name =
            (1..=127).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_name {
            return Err(invalid("The request URI contains an invalid name."));
        }
        match *method {
            Method::PUT => {
                self.permit("set")?;
                self.set(&asked.json()?, base, name)
            }
            Method::GET => {
                self.permit("get")?;
                let secret = self.live(name)?;
                let name = secret.name.clone();
                secret.version(version)?.read(base, &name)
            }
            Method::PATCH => {
                self.permit("set")?;
                let secret = self.live(name)?;
                let name = secret.name.clone();
                let version = secret.version(version)?;
                version.change(&asked.json()?)?;
                Ok(version.properties(base, &name))
            }
            Method::DELETE => {
                self.permit("delete")?;
                let slowness = self.slowness;
                let secret = self.live(name)?;
                secret.state = if slowness == 0 { State::Deleted } else { State::Deleting(slowness - 1) };
                Ok(secret.deleted(base))
            }
            _ => Err(Reply::error(405, "MethodNotAllowed", None, "The method is not allowed.")),
        }
    }

    fn set(&mut self, body: &Value, base: &str, name: &str) -> Outcome {
        match self.look(name) {
            Some(State::Deleted) => {
                return Err(conflict(
                    "ObjectIsDeletedButRecoverable",
                    &format!(
                        "Secret {name} is currently in a deleted but recoverable state, and its name cannot be \
                         reused; in this state, the secret can only be recovered or purged."
                    ),
                ));
            }
            Some(State::Deleting(_)) => {
                let message = format!(
                    "Secret {name} is currently being deleted and cannot be re-created; retry later."
                );
                return Err(conflict("ObjectIsBeingDeleted", &message));
            }
            Some(State::Recovering(_)) => {
                let message = format!(
                    "Secret {name} is currently being recovered and cannot be re-created; retry later."
                );
                return Err(conflict("ObjectIsBeingRecovered", &message));
            }
            Some(State::Live) | None => {}
        }
        let version = Version::made(body)?;
        let secret = self.secrets.entry(name.to_ascii_lowercase()).or_insert_with(|| Secret::new(name));
        secret.versions.push(version);
        let name = secret.name.clone();
        Ok(secret.version("")?.bundle(base, &name))
    }

    fn recover(&mut self, base: &str, name: &str) -> Outcome {
        self.permit("recover")?;
        let slowness = self.slowness;
        let secret = self.deleted(name)?;
        secret.state = if slowness == 0 { State::Live } else { State::Recovering(slowness - 1) };
        let name = secret.name.clone();
        Ok(secret.version("")?.properties(base, &name))
    }

    fn list(&mut self, asked: &Asked, base: &str, deleted: bool) -> Outcome {
        self.permit("list")?;
        let wanted = if deleted { State::Deleted } else { State::Live };
        let held = self.secrets.iter().filter(|(_, secret)| secret.state == wanted);
        let items = held.map(|(key, secret)| {
            (key.clone(), if deleted { secret.deleted_item(base) } else { secret.item(base) })
        });
        page(asked, &self.linked_origin(asked), items.collect())
    }

    fn versions(&mut self, asked: &Asked, base: &str, name: &str) -> Outcome {
        self.permit("list")?;
        let origin = self.linked_origin(asked);
        let secret = self.live(name)?;
        // In the order of their IDs, which is none.
        let mut items: Vec<_> = secret
            .versions
            .iter()
            .map(|version| (version.id.clone(), version.properties(base, &secret.name)))
            .collect();
        items.sort_by(|(one, _), (other, _)| one.cmp(other));
        page(asked, &origin, items)
    }

    fn linked_origin(&self, asked: &Asked) -> String {
        match &self.condition {
            Condition::Linking(origin) => origin.clone(),
            _ => format!("https://{}", asked.host),
        }
    }

    fn permit(&self, permission: &str) -> Result<(), Reply> {
        if !self.forbidden.contains(permission) {
            return Ok(());
        }
        let message = format!(
            "The user, group or application 'appid=x;oid=y;iss=z' does not have secrets {permission} permission on \
             this key vault. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287"
        );
        Err(Reply::error(403, "Forbidden", Some("AccessDenied"), &message))
    }

    /// The state of a secret as this request finds it; the next one may find another.
    fn look(&mut self, name: &str) -> Option<State> {
        let secret = self.secrets.get_mut(&name.to_ascii_lowercase())?;
        let found = secret.state;
        secret.state = found.looked_at();
        Some(found)
    }

    fn live(&mut self, name: &str) -> Result<&mut Secret, Reply> {
        if self.look(name) == Some(State::Live) { Ok(self.held(name)) } else { Err(not_found(name)) }
    }

    fn deleted(&mut self, name: &str) -> Result<&mut Secret, Reply> {
        if self.look(name) == Some(State::Deleted) {
            return Ok(self.held(name));
        }
        Err(Reply::error(404, "SecretNotFound", None, &format!("Deleted Secret not found: {name}")))
    }

    /// A secret in whatever state, which is known to be there.
    pub(super) fn held(&mut self, name: &str) -> &mut Secret {
        self.secrets.get_mut(&name.to_ascii_lowercase()).expect("a secret of this vault")
    }

    /// Makes a version as the body of a PUT says.
    pub(super) fn add_version(&mut self, name: &str, body: &Value) -> String {
        let version = Version::made(body).unwrap_or_else(|reply| panic!("{reply:?}"));
        let id = version.id.clone();
        let secret = self.secrets.entry(name.to_ascii_lowercase()).or_insert_with(|| Secret::new(name));
        secret.versions.push(version);
        id
    }
}
