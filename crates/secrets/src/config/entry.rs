//! One store's entry under `secrets:`.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    bootstrap::Filler,
    draft::{self, Drafts},
    problem::Place,
    reader::{Reader, nearest, place_of_value, unknown_store_name},
};
use crate::{
    Error, ErrorKind, Naming, NamingRule, RESOLUTION_SETTINGS, ResolutionPolicy, Result,
    document::{Entry, Kind, NodeId},
    printable,
    reference::{Reference, is_store_name},
    setting::{ConnectorSpec, SECTION_SETTINGS, Setting, SettingKind, SettingValue, Settings},
};

/// The name of the store that references without a store name use.
pub const DEFAULT_STORE: &str = "default";
/// The name of the built-in store that reads the environment.
pub const ENV_STORE: &str = "env";

/// The connector of a configuration that names none.
pub(super) const ENV_CONNECTOR: &str = "modelmesh.env.v1";

/// One configured store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreEntry {
    /// Its name: `default`, `env`, or what stands under `secrets.stores`.
    pub name: Arc<str>,
    /// What is behind it.
    pub backing: Backing,
    /// How its values are cached.
    pub policy: ResolutionPolicy,
    /// Where it is configured; none for a built-in store.
    pub place: Option<Place>,
    pub(super) drafts: Drafts,
}

/// What is behind a store's name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Backing {
    /// A connector.
    Connector(ConnectorSpec),
    /// Other stores, asked in turn.
    Chain(Vec<Arc<str>>),
    /// Nothing that can be opened: its entry is wrong, and a problem says so.
    Broken,
}

impl StoreEntry {
    /// A store with nothing but defaults.
    pub fn of_connector(name: &str, spec: ConnectorSpec, policy: ResolutionPolicy) -> Self {
        StoreEntry {
            name: name.into(),
            backing: Backing::Connector(spec),
            policy,
            place: None,
            drafts: Drafts::default(),
        }
    }

    /// The connector, if there is one behind this store.
    pub fn connector(&self) -> Option<&ConnectorSpec> {
        match &self.backing {
            Backing::Connector(spec) => Some(spec),
            Backing::Chain(_) | Backing::Broken => None,
        }
    }

    /// The references in the store's own settings: their values are needed to open it.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.drafts.templates().flat_map(super::bootstrap::Template::references)
    }

    /// The environment variables from which the store's credentials are filled in, or which its connector reads by
    /// itself: a program that gets what the store holds must not get these too.
    pub fn credential_variables(&self) -> impl Iterator<Item = &str> {
        let of_connector = self.connector().map_or(&[][..], |spec| spec.credential_variables);
        let named = self.drafts.secret_templates().flat_map(super::bootstrap::Template::variables);
        named.chain(of_connector.iter().copied())
    }

    /// The places of those references.
    pub(super) fn reference_nodes(&self) -> impl Iterator<Item = (NodeId, &Reference)> {
        self.drafts
            .templates()
            .flat_map(|template| template.references().map(|reference| (template.node, reference)))
    }

    /// The settings, filled in. `InvalidConfig` if a variable is not set, or what was filled in does not fit.
    ///
    /// A default path is filled in too, for it is relative to the configuration file like all others.
    pub fn settings(&self, filler: &Filler<'_>) -> Result<Settings> {
        let mut settings =
            self.drafts.fill(filler).map_err(|error| error.with_store(Arc::clone(&self.name)))?;
        let table = self.connector().map_or(&[][..], |spec| spec.settings);
        for setting in table.iter().filter(|setting| matches!(setting.kind, SettingKind::Path)) {
            let default = setting.default.filter(|default| !default.starts_with('('));
            if let Some(default) = default.filter(|_| settings.path(setting.key).is_none()) {
                settings.insert(setting.key, SettingValue::Path(filler.absolute(default.as_ref())));
            }
        }
        Ok(settings)
    }

    /// The naming rule of filled-in settings.
    pub fn naming(settings: &Settings) -> Naming {
        let rule = settings.text("naming").and_then(NamingRule::from_text).unwrap_or_default();
        Naming::new(settings.text("prefix").unwrap_or_default(), rule)
    }

    /// The naming rule, as far as it can be told without filling anything in.
    pub(super) fn static_naming(&self) -> Option<Naming> {
        let nothing = std::collections::HashMap::new();
        let filler = Filler { variable: &|_| None, values: &nothing, base: std::path::Path::new("") };
        self.drafts.only(&["prefix", "naming"]).fill(&filler).ok().map(|settings| Self::naming(&settings))
    }

    /// Every store this one is made of or needs to open.
    pub fn needs(&self) -> BTreeSet<&str> {
        let mut needs: BTreeSet<&str> =
            self.references().map(|reference| reference.store.as_deref().unwrap_or(DEFAULT_STORE)).collect();
        if let Backing::Chain(links) = &self.backing {
            needs.extend(links.iter().map(|link| &**link));
        }
        needs
    }
}

/// What is known while entries are read.
pub(super) struct Known<'a> {
    pub(super) catalogue: &'a [ConnectorSpec],
    pub(super) stores: &'a BTreeSet<&'a str>,
}

/// The keys of an entry that belong to no connector.
const STRUCTURE: [&str; 5] = ["store", "connector", "config", "chain", "resolution"];

/// The prefixes under which a resolution parameter may stand flat.
const FLAT_PREFIXES: [&str; 3] = ["secret-store.resolution.", "resolution.", ""];

/// Reads the entry at `node`.
///
/// `inherited` is the policy around it. At the top, `secrets:` itself, `stores` and the settings of the section
/// are keys too, read elsewhere, and an entry that names no connector is the environment.
pub(super) fn read(
    reader: &mut Reader<'_>,
    name: &str,
    node: NodeId,
    inherited: &ResolutionPolicy,
    known: &Known<'_>,
) -> StoreEntry {
    let is_top = name == DEFAULT_STORE;
    let document = reader.document();
    let mut entry = StoreEntry {
        name: name.into(),
        backing: Backing::Broken,
        policy: inherited.clone(),
        place: Some(place_of_value(document, node)),
        drafts: Drafts::default(),
    };
    if !matches!(document.kind(node), Kind::Mapping) {
        let error = format!("a store's entry is a mapping, not {}", document.kind(node).describe());
        reader.problem(node, invalid(error).with_help("write 'store: <connector ID>' and its settings"));
        return entry;
    }

    let mut keys: Vec<Entry<'_>> = Vec::new();
    let mut nested: Vec<Entry<'_>> = Vec::new();
    let mut connector = None;
    let mut chain = None;
    let mut policy = Drafts::default();
    let mut resolution = None;
    for item in document.entries(node) {
        match item.key {
            "store" | "connector" if connector.is_some() => {
                reader.key_problem(
                    &item,
                    invalid("the connector is named twice: 'connector' is the same key as 'store'"),
                );
            }
            "store" | "connector" => connector = Some(item.value),
            "chain" => chain = Some(item),
            "resolution" => resolution = Some(item.value),
            "stores" if is_top => {}
            key if draft::find(SECTION_SETTINGS, key).is_some() && is_top => {}
            key if draft::find(SECTION_SETTINGS, key).is_some() => one_for_all(reader, &item),
            "config" => nested.extend(nested_settings(reader, item.value)),
            _ => keys.push(item),
        }
    }
    if let Some(node) = resolution {
        read_policy(reader, &mut policy, node);
    }

    let spec = match (connector, &chain) {
        (Some(node), None) => read_connector(reader, node, known),
        (Some(_), Some(chain)) => {
            reader.key_problem(chain, invalid("an entry is either a chain or a connector's store, not both"));
            None
        }
        (None, Some(chain)) => {
            entry.backing = read_chain(reader, chain, known);
            None
        }
        (None, None) if is_top => known.catalogue.iter().find(|spec| spec.id == ENV_CONNECTOR).copied(),
        (None, None) => {
            let error = invalid("this entry names no connector").with_help("add 'store: <connector ID>'");
            reader.problem(node, error);
            None
        }
    };

    let names_connector = connector.is_some();
    if let Some(spec) = spec.filter(|spec| spec.free_form) {
        read_free_form(reader, &mut entry.drafts, &mut policy, keys, nested);
        entry.backing = Backing::Connector(spec);
        entry.policy = apply_policy(reader, entry.policy, &policy, node);
        return entry;
    }
    for item in keys.into_iter().chain(nested) {
        if let Some(setting) = flat_policy(item.key) {
            read_parameter(reader, &mut policy, setting, &item);
            continue;
        }
        let Some(spec) = &spec else {
            // Of a connector that is not known, nothing can be said of its settings.
            if chain.is_some() {
                reader.unknown_key(&item, STRUCTURE.into_iter());
            }
            continue;
        };
        let setting = draft::find(spec.all_settings(), item.key);
        match setting {
            Some(setting) if entry.drafts.has(setting.key) => {
                reader.key_problem(&item, set_twice(setting, &item));
            }
            Some(setting) => entry.drafts.read(reader, setting, item.value),
            None if is_top && !names_connector => {
                let error = invalid(format!("unknown key '{}'", printable(item.key)))
                    .with_help("name the connector first, with 'store: <connector ID>'");
                reader.key_problem(&item, error);
            }
            None => unknown_setting(reader, &item, spec, is_top),
        }
    }
    if let Some(spec) = spec {
        entry.backing = Backing::Connector(spec);
    }
    entry.policy = apply_policy(reader, entry.policy, &policy, node);
    entry
}

/// The settings under `config`.
fn nested_settings<'d>(reader: &mut Reader<'d>, node: NodeId) -> Vec<Entry<'d>> {
    let document = reader.document();
    match document.kind(node) {
        Kind::Mapping => document.entries(node).collect(),
        Kind::Null => Vec::new(),
        kind => {
            reader.problem(node, invalid(format!("'config' takes a mapping, not {}", kind.describe())));
            Vec::new()
        }
    }
}

fn unknown_setting(reader: &mut Reader<'_>, item: &Entry<'_>, spec: &ConnectorSpec, is_top: bool) {
    let settings = spec.all_settings().chain(RESOLUTION_SETTINGS);
    let known = settings.flat_map(Setting::spellings).chain(STRUCTURE);
    let section = SECTION_SETTINGS.iter().map(|setting| setting.key).chain(["stores"]);
    reader.unknown_key(item, known.chain(section.filter(|_| is_top)));
}

/// The parameters of resolution that constructors of stores take too, in every language.
const OF_CONSTRUCTORS: [&str; 3] = ["cache_enabled", "cache_ttl_ms", "fail_on_missing"];

/// Reads the entry of a connector whose settings are not known here. What stands under `config` is all its own; of
/// what stands flat, the parameters of resolution are not.
fn read_free_form(
    reader: &mut Reader<'_>,
    drafts: &mut Drafts,
    policy: &mut Drafts,
    flat: Vec<Entry<'_>>,
    nested: Vec<Entry<'_>>,
) {
    let flat = flat.into_iter().map(|item| (item, false));
    for (item, is_nested) in flat.chain(nested.into_iter().map(|item| (item, true))) {
        let parameter = flat_policy(item.key);
        if let Some(setting) = parameter.filter(|_| !is_nested || OF_CONSTRUCTORS.contains(&item.key)) {
            read_parameter(reader, policy, setting, &item);
        }
        if drafts.has_free(item.key) {
            reader.key_problem(&item, invalid(format!("'{}' is set twice", printable(item.key))));
        } else if is_nested || parameter.is_none() {
            drafts.read_free(reader, item.key, item.value);
        }
    }
}

/// Reads resolution parameters from the mapping at `node`.
pub(super) fn read_policy(reader: &mut Reader<'_>, policy: &mut Drafts, node: NodeId) {
    let document = reader.document();
    match document.kind(node) {
        Kind::Mapping => {}
        Kind::Null => return,
        kind => {
            let error = format!("'resolution' takes a mapping, not {}", kind.describe());
            return reader.problem(node, invalid(error));
        }
    }
    for item in document.entries(node) {
        match flat_policy(item.key) {
            Some(setting) => read_parameter(reader, policy, setting, &item),
            None => reader.unknown_key(&item, RESOLUTION_SETTINGS.iter().map(|setting| setting.key)),
        }
    }
}

/// Reads one resolution parameter, unless another spelling set it already.
pub(super) fn read_parameter(
    reader: &mut Reader<'_>,
    policy: &mut Drafts,
    setting: &'static Setting,
    item: &Entry<'_>,
) {
    if policy.has(setting.key) {
        reader.key_problem(item, set_twice(setting, item));
    } else {
        policy.read(reader, setting, item.value);
    }
}

/// A setting of the section, in the entry of one store.
fn one_for_all(reader: &mut Reader<'_>, item: &Entry<'_>) {
    let error = invalid(format!("'{}' is one for all stores", item.key));
    reader.key_problem(item, error.with_help("put it under 'secrets' itself"));
}

fn set_twice(setting: &Setting, item: &Entry<'_>) -> Error {
    invalid(format!("'{}' is set twice: '{}' is the same setting", setting.key, printable(item.key)))
}

pub(super) fn apply_policy(
    reader: &mut Reader<'_>,
    policy: ResolutionPolicy,
    drafts: &Drafts,
    node: NodeId,
) -> ResolutionPolicy {
    let nothing = std::collections::HashMap::new();
    let filler = Filler { variable: &|_| None, values: &nothing, base: std::path::Path::new("") };
    match drafts.fill(&filler) {
        Ok(settings) => policy.with_settings(&settings),
        Err(error) => {
            reader.problem(node, error.with_help("resolution parameters are written out, not filled in"));
            policy
        }
    }
}

/// The resolution parameter that a flat key names.
pub(super) fn flat_policy(key: &str) -> Option<&'static Setting> {
    FLAT_PREFIXES.iter().find_map(|prefix| draft::find(RESOLUTION_SETTINGS, key.strip_prefix(prefix)?))
}

fn read_connector(reader: &mut Reader<'_>, node: NodeId, known: &Known<'_>) -> Option<ConnectorSpec> {
    let Some(id) = reader.document().string(node) else {
        let error = format!("a connector's ID is text, not {}", reader.document().kind(node).describe());
        reader.problem(node, invalid(error));
        return None;
    };
    let bare = id.strip_prefix("secret-store.").unwrap_or(id);
    let spec = known.catalogue.iter().find(|spec| spec.id == bare);
    if spec.is_none() {
        // An ID is no secret, but a key may stand here by mistake: only what looks like an ID is repeated.
        let looks_right = bare.len() <= 64
            && bare.contains('.')
            && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let shown = if looks_right { format!(" '{}'", printable(bare)) } else { String::new() };
        let error = invalid(format!("there is no connector{shown}"));
        let near = nearest(bare, known.catalogue.iter().map(|spec| spec.id));
        reader.problem(
            node,
            match near {
                Some(near) => error.with_help(format!("did you mean '{near}'?")),
                None => error.with_help(
                    "'modelmesh stores' lists the connectors of this build; a small build leaves some out",
                ),
            },
        );
    }
    spec.copied()
}

fn read_chain(reader: &mut Reader<'_>, chain: &Entry<'_>, known: &Known<'_>) -> Backing {
    let document = reader.document();
    let items = document.items(chain.value);
    if items.is_empty() {
        reader.problem(chain.value, invalid("a chain is a list of the names of stores, at least one"));
        return Backing::Broken;
    }
    let mut links: Vec<Arc<str>> = Vec::with_capacity(items.len());
    for &item in items {
        match document.string(item) {
            Some(link) if known.stores.contains(link) => links.push(link.into()),
            // Anything else is not repeated: it may be a key, or a reference with a fallback.
            Some(link) if is_store_name(link) => {
                reader.problem(item, unknown_store_name(link, known.stores.iter().copied()));
            }
            _ => reader.problem(item, invalid("a chain lists the names of stores")),
        }
    }
    if links.len() == items.len() { Backing::Chain(links) } else { Backing::Broken }
}

/// Checks the name of a named store.
pub(super) fn check_name(reader: &mut Reader<'_>, item: &Entry<'_>) {
    if item.key == DEFAULT_STORE || item.key == ENV_STORE {
        let error = format!("the store '{}' is built in", item.key);
        reader.key_problem(item, invalid(error).with_help("choose another name"));
    } else if !is_store_name(item.key) {
        let error =
            "a store's name holds letters, digits, '_' and '-' alone, so that a reference can name it";
        reader.key_problem(item, invalid(error));
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}
