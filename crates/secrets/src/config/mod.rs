//! The configuration file: its stores, its providers, and the references in it.
//!
//! Reading never stops at the first mistake. A [`Configuration`] keeps what could be understood and the
//! [`problems`](Configuration::problems) with the rest, so that a command can report all of them at once, and
//! so that a mistake under `providers:` does not keep anyone from storing a secret.

mod bootstrap;
mod draft;
mod entry;
mod free;
mod given;
mod graph;
mod problem;
mod reader;
mod schema;
mod usage;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

pub use bootstrap::Filler;
pub use entry::{Backing, DEFAULT_STORE, ENV_STORE, StoreEntry};
pub use given::Given;
pub use problem::{Place, Problem, Report, Severity, Source};
pub use schema::json_schema;
pub use usage::{Part, Template, Usage};

pub(crate) use self::reader::nearest;

use self::{
    draft::Drafts,
    entry::{ENV_CONNECTOR, Known},
    reader::Reader,
};
use crate::{
    Error, ErrorKind, ResolutionPolicy, Result,
    document::{Document, Format, Kind, Limits, NodeId},
    printable,
    reference::Reference,
    setting::{ConnectorSpec, SECTION_SETTINGS},
};

/// A configuration, as far as it could be understood.
#[derive(Debug)]
pub struct Configuration {
    source: Option<Source>,
    base: PathBuf,
    stores: BTreeMap<Arc<str>, StoreEntry>,
    providers: Vec<Provider>,
    env: Vec<EnvVariable>,
    usage: Usage,
    policy: ResolutionPolicy,
    section: Drafts,
    problems: Vec<Problem>,
    secrets_span: std::ops::Range<usize>,
}

/// An entry under `providers:`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Provider {
    /// Its key in the mapping, or its `id` or `name` in a list.
    pub id: String,
    /// Its settings.
    pub node: NodeId,
}

/// A variable under `env:`, which `run` gives to the child.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EnvVariable {
    /// The variable's name.
    pub name: String,
    /// The text it gets, with references in it.
    pub node: NodeId,
}

impl Configuration {
    /// Reads the text of a configuration file.
    ///
    /// - `name` is the file's name in messages; `base` the folder to which paths in it are relative.
    /// - `catalogue` lists the connectors that exist.
    /// - Fails only if the text is not a document of `format`. Everything else that is wrong is listed by
    ///   [`problems`](Configuration::problems).
    pub fn parse(
        name: &str,
        base: PathBuf,
        text: &str,
        format: Format,
        catalogue: &[ConnectorSpec],
    ) -> Result<Self, Box<Report>> {
        let document = Document::parse(text, format, &Limits::default())
            .map_err(|error| Box::new(Report::of_syntax(name, text, error)))?;
        let mut reader = Reader::new(&document);
        let sections = Sections::read(&mut reader, catalogue);
        let problems = reader.into_problems();
        let Sections { stores, providers, env, usage, policy, section, secrets } = sections;
        let secrets_span = secrets.map_or(0..0, |node| {
            let key = document.key_span(node);
            key.map_or(0, |key| key.start)..document.span(node).end
        });
        Ok(Configuration {
            base,
            stores,
            providers,
            env,
            usage,
            policy,
            section,
            problems,
            secrets_span,
            source: Some(Source::parsed(name, document)),
        })
    }

    /// The configuration of a folder without a file: the environment is the store.
    pub fn empty(base: PathBuf, catalogue: &[ConnectorSpec]) -> Self {
        let policy = ResolutionPolicy::default();
        Configuration {
            source: None,
            base,
            stores: built_in_stores(catalogue, &policy),
            providers: Vec::new(),
            env: Vec::new(),
            usage: Usage::default(),
            policy,
            section: Drafts::default(),
            problems: Vec::new(),
            secrets_span: 0..0,
        }
    }

    /// The file; none if there is none.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// The document; none if there is no file.
    pub fn document(&self) -> Option<&Document> {
        self.source.as_ref()?.document()
    }

    /// The folder to which paths in the file are relative.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Every store by name, `default` and `env` included.
    pub fn stores(&self) -> impl Iterator<Item = &StoreEntry> {
        self.stores.values()
    }

    /// The store with this name.
    pub fn store(&self, name: &str) -> Option<&StoreEntry> {
        self.stores.get(name)
    }

    /// The store that `text` names: a named store, or the ID of the one store that has it.
    ///
    /// An ID that no store has means that connector with its defaults. `InvalidConfig` if several stores have
    /// it, or if it is neither a name nor an ID.
    pub fn select(&self, text: &str, catalogue: &[ConnectorSpec]) -> Result<StoreEntry> {
        if let Some(entry) = self.stores.get(text) {
            return Ok(entry.clone());
        }
        let id = text.strip_prefix("secret-store.").unwrap_or(text);
        let Some(spec) = catalogue.iter().find(|spec| spec.id == id) else {
            let known = self.stores.keys().map(|name| &**name).chain(catalogue.iter().map(|spec| spec.id));
            let message = format!("there is no store and no connector '{}'", printable(text));
            let error = Error::new(ErrorKind::InvalidConfig, message);
            return Err(match nearest(text, known) {
                Some(near) => error.with_help(format!("did you mean '{near}'?")),
                None => error.with_help("'modelmesh stores' lists the stores and connectors there are"),
            });
        };
        let owners: Vec<&StoreEntry> = self
            .stores
            .values()
            .filter(|entry| entry.connector().is_some_and(|spec| spec.id == id))
            // The built-in `env` stands aside where a store of that connector is configured.
            .filter(|entry| entry.place.is_some() || id != ENV_CONNECTOR)
            .collect();
        match owners[..] {
            [] => Ok(StoreEntry::of_connector(id, *spec, self.policy.clone())),
            [entry] => Ok(entry.clone()),
            _ => {
                let names: Vec<&str> = owners.iter().map(|entry| &*entry.name).collect();
                Err(Error::new(ErrorKind::InvalidConfig, format!("several stores are of connector '{id}'"))
                    .with_help(format!("name one of '{}'", names.join("', '"))))
            }
        }
    }

    /// This configuration, where references that name no store mean the store `entry`.
    ///
    /// That is so outside `secrets:` alone: what the settings of a store refer to stays what the file says.
    #[must_use]
    pub fn redirected(mut self, entry: StoreEntry) -> Self {
        self.usage.redirect(&entry.name);
        self.stores.entry(Arc::clone(&entry.name)).or_insert(entry);
        self
    }

    /// The entries under `providers:`, in the order of the file.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The variables under `env:`, in the order of the file.
    pub fn env(&self) -> &[EnvVariable] {
        &self.env
    }

    /// The references outside `secrets:`, and where they stand.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The resolution parameters of the whole file.
    pub fn policy(&self) -> &ResolutionPolicy {
        &self.policy
    }

    /// The file that the audit log is appended to; none if there is to be none.
    ///
    /// `variable` reads the environment: the path may hold `${env:VAR}`, and start with `~/`. `InvalidConfig`
    /// if a variable is not set.
    pub fn audit_log(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<PathBuf>> {
        let nothing = HashMap::new();
        let settings = self.section.fill(&Filler { variable, values: &nothing, base: &self.base })?;
        Ok(settings.path("audit_log").map(Path::to_owned))
    }

    /// Everything that is wrong, in no order.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// `problems` about this configuration's file, as one report.
    pub fn report(&self, problems: Vec<Problem>) -> Report {
        Report::new(self.source.clone(), problems)
    }

    /// An error if anything is wrong anywhere.
    pub fn require_valid(&self) -> Result<(), Box<Report>> {
        self.require(|_| true)
    }

    /// An error if anything is wrong under `secrets:`, so that a store might be another than was meant.
    pub fn require_valid_stores(&self) -> Result<(), Box<Report>> {
        self.require(|problem| {
            problem.place.as_ref().is_none_or(|place| self.secrets_span.contains(&place.span.start))
        })
    }

    fn require(&self, concerns: impl Fn(&Problem) -> bool) -> Result<(), Box<Report>> {
        let problems: Vec<Problem> =
            self.problems.iter().filter(|problem| concerns(problem)).cloned().collect();
        let report = self.report(problems);
        if report.has_errors() { Err(Box::new(report)) } else { Ok(()) }
    }

    /// Whether `error` says that the secret is missing, where its store allows that (`fail_on_missing: false`).
    pub fn may_be_missing(&self, reference: &Reference, error: &Error) -> bool {
        let store = reference.store.as_deref().unwrap_or(DEFAULT_STORE);
        let policy = self.store(store).map_or(&self.policy, |entry| &entry.policy);
        error.kind() == ErrorKind::NotFound && !policy.fail_on_missing
    }

    /// The place of a value, which is not shown: its key is.
    pub fn place_of_value(&self, node: NodeId) -> Option<Place> {
        Some(reader::place_of_value(self.document()?, node))
    }

    /// The place of a reference, for problems found while resolving.
    pub fn place_of(&self, node: NodeId, span: std::ops::Range<usize>) -> Option<Place> {
        Some(reader::place_of_reference(self.document()?, node, span))
    }
}

fn built_in_stores(catalogue: &[ConnectorSpec], policy: &ResolutionPolicy) -> BTreeMap<Arc<str>, StoreEntry> {
    let spec = catalogue.iter().find(|spec| spec.id == ENV_CONNECTOR);
    [DEFAULT_STORE, ENV_STORE]
        .into_iter()
        .filter_map(|name| Some((name.into(), StoreEntry::of_connector(name, *spec?, policy.clone()))))
        .collect()
}

/// The sections of a document, read one after another.
struct Sections {
    stores: BTreeMap<Arc<str>, StoreEntry>,
    providers: Vec<Provider>,
    env: Vec<EnvVariable>,
    usage: Usage,
    policy: ResolutionPolicy,
    section: Drafts,
    secrets: Option<NodeId>,
}

impl Sections {
    fn read(reader: &mut Reader<'_>, catalogue: &[ConnectorSpec]) -> Self {
        let document = reader.document();
        let root = document.root();
        if !matches!(document.kind(root), Kind::Mapping) {
            let error = format!("a configuration is a mapping, not {}", document.kind(root).describe());
            reader.problem(root, Error::new(ErrorKind::InvalidConfig, error));
        }
        let secrets = document.get(root, "secrets");
        let inherited = read_top_level_policy(reader);
        let (stores, policy) = read_stores(reader, secrets, inherited, catalogue);
        let section = read_section(reader, secrets);
        graph::check(reader, &stores);
        let usage = usage::read(reader, secrets, &stores);
        let providers = read_providers(reader);
        let env = read_env(reader);
        Sections { stores, providers, env, usage, policy, section, secrets }
    }
}

/// Parameters that stand outside `secrets:`: `secret-store.resolution.cache_ttl: 60s`,
/// `secret-store: {resolution: …}`, `secrets.cache_ttl: 60s`.
fn read_top_level_policy(reader: &mut Reader<'_>) -> ResolutionPolicy {
    let document = reader.document();
    let root = document.root();
    let mut drafts = Drafts::default();
    for item in document.entries(root) {
        if item.key == "secret-store" {
            for inner in document.entries(item.value) {
                if inner.key == "resolution" {
                    entry::read_policy(reader, &mut drafts, inner.value);
                } else {
                    reader.unknown_key(&inner, ["resolution"].into_iter());
                }
            }
        } else if item.key.starts_with("secret-store.") || item.key.starts_with("secrets.") {
            let bare = item.key.strip_prefix("secrets.").unwrap_or(item.key);
            match entry::flat_policy(bare) {
                Some(setting) => entry::read_parameter(reader, &mut drafts, setting, &item),
                None => {
                    reader.unknown_key(&item, crate::RESOLUTION_SETTINGS.iter().map(|setting| setting.key));
                }
            }
        }
    }
    entry::apply_policy(reader, ResolutionPolicy::default(), &drafts, root)
}

fn read_stores(
    reader: &mut Reader<'_>,
    secrets: Option<NodeId>,
    inherited: ResolutionPolicy,
    catalogue: &[ConnectorSpec],
) -> (BTreeMap<Arc<str>, StoreEntry>, ResolutionPolicy) {
    let mut stores = built_in_stores(catalogue, &inherited);
    let document = reader.document();
    let Some(secrets) = secrets.filter(|&node| !matches!(document.kind(node), Kind::Null)) else {
        return (stores, inherited);
    };
    let items: Vec<_> = match document.get(secrets, "stores") {
        Some(node) if matches!(document.kind(node), Kind::Mapping) => document.entries(node).collect(),
        Some(node) if !matches!(document.kind(node), Kind::Null) => {
            let error = format!(
                "'stores' takes a mapping of names to entries, not {}",
                document.kind(node).describe()
            );
            reader.problem(node, Error::new(ErrorKind::InvalidConfig, error));
            Vec::new()
        }
        _ => Vec::new(),
    };
    let names: BTreeSet<&str> = items.iter().map(|item| item.key).chain([DEFAULT_STORE, ENV_STORE]).collect();
    let known = Known { catalogue, stores: &names };

    let default = entry::read(reader, DEFAULT_STORE, secrets, &inherited, &known);
    let policy = default.policy.clone();
    if let Some(env) = stores.get_mut(ENV_STORE) {
        env.policy = policy.clone();
    }
    stores.insert(DEFAULT_STORE.into(), default);
    for item in &items {
        entry::check_name(reader, item);
        let read = entry::read(reader, item.key, item.value, &policy, &known);
        if item.key != DEFAULT_STORE && item.key != ENV_STORE {
            stores.insert(item.key.into(), read);
        }
    }
    (stores, policy)
}

/// Reads the settings of `secrets:` itself.
fn read_section(reader: &mut Reader<'_>, secrets: Option<NodeId>) -> Drafts {
    let document = reader.document();
    let mut section = Drafts::default();
    for item in secrets.into_iter().flat_map(|node| document.entries(node)) {
        let Some(setting) = draft::find(SECTION_SETTINGS, item.key) else { continue };
        section.read(reader, setting, item.value);
    }
    // They are needed before any store is open.
    for template in section.templates().filter(|template| template.references().next().is_some()) {
        let error = Error::new(ErrorKind::InvalidConfig, "this setting cannot be a secret")
            .with_help("write it out, or fill it in from the environment with ${env:VAR}");
        reader.problem(template.node, error);
    }
    section
}

fn read_providers(reader: &mut Reader<'_>) -> Vec<Provider> {
    let document = reader.document();
    let Some(node) = document.get(document.root(), "providers") else { return Vec::new() };
    match document.kind(node) {
        Kind::Mapping => document
            .entries(node)
            .map(|item| Provider { id: item.key.to_owned(), node: item.value })
            .collect(),
        Kind::Sequence => {
            let named = |&(at, item): &(usize, NodeId)| {
                let id = ["id", "name"].iter().find_map(|key| document.string(document.get(item, key)?));
                Provider { id: id.map_or_else(|| format!("[{at}]"), str::to_owned), node: item }
            };
            let items: Vec<(usize, NodeId)> = document.items(node).iter().copied().enumerate().collect();
            items.iter().map(named).collect()
        }
        Kind::Null => Vec::new(),
        kind => {
            let error = format!("'providers' takes a mapping or a list, not {}", kind.describe());
            reader.problem(node, Error::new(ErrorKind::InvalidConfig, error));
            Vec::new()
        }
    }
}

fn read_env(reader: &mut Reader<'_>) -> Vec<EnvVariable> {
    let document = reader.document();
    let Some(node) = document.get(document.root(), "env") else { return Vec::new() };
    match document.kind(node) {
        Kind::Mapping => {}
        Kind::Null => return Vec::new(),
        kind => {
            let error = format!("'env' takes a mapping of variables to texts, not {}", kind.describe());
            reader.problem(node, Error::new(ErrorKind::InvalidConfig, error));
            return Vec::new();
        }
    }
    let mut variables = Vec::new();
    for item in document.entries(node) {
        if item.key.is_empty() || item.key.contains(['=', '\0']) {
            let error =
                Error::new(ErrorKind::InvalidConfig, "a variable's name is not empty and holds no '='");
            reader.key_problem(&item, error);
            continue;
        }
        match document.kind(item.value) {
            Kind::Text(_) | Kind::Number(_) | Kind::Boolean(_) => {
                variables.push(EnvVariable { name: item.key.to_owned(), node: item.value });
            }
            kind => {
                let error = format!("a variable takes text, not {}", kind.describe());
                reader.problem(item.value, Error::new(ErrorKind::InvalidConfig, error));
            }
        }
    }
    variables
}

#[cfg(test)]
mod tests;
