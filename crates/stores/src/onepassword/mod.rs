//! `1password.connect.v1`: items of a 1Password vault, through a Connect server.
//!
//! A secret is an item, found by its title, and its value is one of the item's fields. The slashes of a name are
//! part of the title: were `db/password` also read as the field `password` of an item `db`, then a secret that is
//! deleted would turn into another one. A field is named by the setting `field`, or by `#FIELD` in a reference
//! where `field` is `*` and an item is a document.
//!
//! Written from the published API:
//! <https://developer.1password.com/docs/connect/api-reference>.

mod connect;
mod failure;
mod field;
mod item;

use std::{fmt, sync::Arc};

use modelmesh_secrets::{
    Capabilities, Error, ErrorKind, ExposeSecret as _, Result, SecretManagement, SecretName,
    SecretResolution, SecretStoreConnector, SecretValue, async_trait,
    setting::{ConnectorSpec, Setting, SettingKind, Settings},
};
use tokio::sync::Mutex;

use self::{
    connect::{Connect, is_id},
    field::FieldRule,
    item::{Item, State},
};
use crate::connector::{Connector, OpenContext};

/// Where the vendor's own libraries read the address, the token and the vault from.
mod variable {
    pub(super) const HOST: &str = "OP_CONNECT_HOST";
    pub(super) const TOKEN: &str = "OP_CONNECT_TOKEN";
    pub(super) const VAULT: &str = "OP_VAULT";
}

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new("1password.connect.v1", "items of a 1Password vault, through a Connect server")
        .writable()
        .over_network()
        .with_credential_variables(&[variable::TOKEN])
        .with_settings(&[
            Setting::new("server_url", SettingKind::Text, "the address of the Connect server")
                .with_aliases(&["host"])
                .with_default("(OP_CONNECT_HOST)"),
            Setting::new("vault_id", SettingKind::Text, "the vault: its ID of 26 characters, or its title")
                .with_aliases(&["vault"])
                .with_default("(OP_VAULT)"),
            Setting::new("token", SettingKind::Secret, "a Connect token that may use the vault")
                .with_default("(OP_CONNECT_TOKEN)"),
            Setting::new(
                "field",
                SettingKind::Text,
                "the field that is a secret's value: its ID, its label, or SECTION/LABEL; '*' is all of them, as JSON",
            )
            .with_default("(password, else credential)"),
        ]),
    open: |settings, context| Ok(Arc::new(ConnectStore::open(settings, context)?)),
};

/// Items of one vault.
///
/// - A name is an item's title, or its ID. Several items of one title are a `Conflict`, never a guess; an item
///   that is archived is `Disabled`, unless another of its title is not.
/// - A value's version is the item's ID and its version number: an item that is made anew counts from 1 again.
///   Connect gives no older version.
/// - A write changes one field of the item and leaves the others alone. Connect has no check-and-set, so writers
///   in other processes may undo each other; writes of this store are made one after another.
/// - `delete` removes the whole item, for good.
pub struct ConnectStore {
    connect: Connect,
    field: FieldRule,
    /// Held from looking an item up to changing it: two writers that both find no item would make two of one title.
    writing: Mutex<()>,
}

impl ConnectStore {
    fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let variable = |name| {
            let value = context.environment.var(name)?.into_string().ok()?;
            Some(value).filter(|value| !value.is_empty())
        };
        let missing = |key: &str, variable: &str| {
            Error::new(ErrorKind::InvalidConfig, format!("'{key}' is missing"))
                .with_help(format!("set it, or the variable {variable}"))
        };
        let text = |key: &'static str, name| {
            let set = settings.text(key).map(str::to_owned).filter(|text| !text.is_empty());
            set.or_else(|| variable(name)).ok_or_else(|| missing(key, name))
        };
        let token = settings.secret("token").filter(|token| !token.expose_secret().is_empty()).cloned();
        let token = token.or_else(|| variable(variable::TOKEN).map(Into::into));
        let token = token.ok_or_else(|| missing("token", variable::TOKEN))?;
        let server = text("server_url", variable::HOST)?;
        let vault = text("vault_id", variable::VAULT)?;
        Ok(ConnectStore {
            connect: Connect::open(settings, context, &server, vault, &token)?,
            field: FieldRule::parse(settings.text("field"))?,
            writing: Mutex::default(),
        })
    }

    /// What there is under `name`.
    async fn look_up(&self, name: &SecretName) -> Result<Found> {
        let name = name.as_str();
        // As the vendor's libraries do: what looks like an ID is one, unless no item has it.
        if is_id(name)
            && let Some(item) = self.connect.item(name).await?
        {
            return Ok(match item.state() {
                State::Active => Found::Item(item.into()),
                State::Archived => return Err(failure::archived()),
                State::Deleted => Found::Nothing,
            });
        }
        let mut active = None;
        let mut is_archived = false;
        for summary in self.connect.items_titled(name).await? {
            match summary.state() {
                State::Active if active.is_some() => return Err(failure::ambiguous()),
                State::Active => active = Some(summary),
                State::Archived => is_archived = true,
                State::Deleted => {}
            }
        }
        Ok(match active {
            Some(summary) => match self.connect.item(&summary.id).await? {
                Some(item) if item.title == name && item.state() == State::Active => Found::Item(item.into()),
                _ => Found::Changing,
            },
            None if is_archived => Found::Archived,
            None => Found::Nothing,
        })
    }

    async fn read(&self, name: &SecretName) -> Result<SecretValue> {
        match self.look_up(name).await? {
            Found::Item(item) => Ok(SecretValue::new(self.field.read(&item)?).with_version(item.version())),
            // What is asked again may well be answered.
            Found::Changing => Err(failure::changing()),
            Found::Archived => Err(failure::archived()),
            Found::Nothing => Err(Error::not_found(name.as_str())),
        }
    }

    async fn write(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.capabilities().check_value(value)?;
        let _turn = self.writing.lock().await;
        match self.look_up(name).await? {
            Found::Item(item) => self.connect.patch(&item.id, &self.field.change(&item, value)?).await,
            // A new item could be a second one.
            Found::Changing => Err(failure::overtaken()),
            // An archived item cannot be brought back through Connect; a new one of its title stands before it.
            Found::Archived | Found::Nothing => self.create(name, value).await,
        }
    }

    /// Makes an item, and looks whether another writer made one of this title at the same time. Then ours is taken
    /// back: with two, neither could be read.
    async fn create(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        let vault = self.connect.vault().await?;
        let made = self.connect.create(&vault, &self.field.new_item(&vault, name, value)?).await?;
        let of_title = self.connect.items_titled(name.as_str()).await?;
        let mut active = of_title.iter().filter(|summary| summary.state() == State::Active);
        if active.all(|summary| summary.id == made.id) {
            return Ok(());
        }
        // Unless somebody has written to it already, who saw it alone.
        if of_title.iter().all(|summary| summary.id != made.id || summary.version == made.version) {
            self.connect.delete(&made.id).await?;
        }
        Err(Error::new(ErrorKind::Conflict, "somebody else made an item of this title at the same time")
            .with_help("look at what it holds now, and set it again"))
    }

    async fn remove(&self, name: &SecretName) -> Result<()> {
        let _turn = self.writing.lock().await;
        match self.look_up(name).await? {
            Found::Item(item) if self.connect.delete(&item.id).await? => Ok(()),
            Found::Item(_) | Found::Nothing => Err(Error::not_found(name.as_str())),
            Found::Changing => Err(failure::overtaken()),
            Found::Archived => Err(failure::archived()),
        }
    }
}

/// What there is under a name.
enum Found {
    Item(Box<Item>),
    /// One that was listed and is not there, or is another one: somebody is changing it, or two servers behind one
    /// address know different things.
    Changing,
    /// Nothing but items that somebody has put away.
    Archived,
    Nothing,
}

impl fmt::Debug for ConnectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectStore")
            .field("connect", &self.connect)
            .field("field", &self.field)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretResolution for ConnectStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        self.read(name).await.map_err(|error| error.with_name(name))
    }
}

#[async_trait]
impl SecretManagement for ConnectStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        self.write(name, value).await.map_err(|error| error.with_name(name))
    }

    /// The titles of the items, without those that are archived and those whose title is no [`SecretName`] (it is
    /// empty, or holds a control character): the latter are found by their IDs.
    async fn list(&self) -> Result<Vec<SecretName>> {
        let items = self.connect.items().await?;
        let active = items.into_iter().filter(|summary| summary.state() == State::Active);
        let mut names: Vec<_> = active.filter_map(|summary| SecretName::new(summary.title).ok()).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        self.remove(name).await.map_err(|error| error.with_name(name))
    }
}

#[async_trait]
impl SecretStoreConnector for ConnectStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        // A field without a value is one that nobody has filled in.
        capabilities.empty = false;
        // Nothing says that NUL survives the way to 1Password and back.
        capabilities.nul = false;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use modelmesh_secrets::{config::Configuration, document::Format};

    use crate::registry::catalogue;

    #[test]
    fn the_variables_that_hold_a_token_are_known() {
        let text = "secrets: { store: 1password.connect.v1, token: '${env:NAMED}' }";
        let parsed = Configuration::parse("m.yaml", ".".into(), text, Format::Yaml, &catalogue()).unwrap();
        let variables: Vec<&str> = parsed.store("default").unwrap().credential_variables().collect();
        assert_eq!(variables, ["NAMED", "OP_CONNECT_TOKEN"]);
    }
}
