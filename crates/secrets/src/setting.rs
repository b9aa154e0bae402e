//! Settings of connectors as tables: one table drives the parser, the schema, the catalogue and the docs.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use secrecy::SecretString;

use crate::config::Given;

/// One key of a store's entry under `secrets:`.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key, in `snake_case`.
    pub key: &'static str,
    /// Other spellings that are read, for files written for earlier packages.
    pub aliases: &'static [&'static str],
    /// What the key holds.
    pub kind: SettingKind,
    /// The default, as documentation shows it, in parentheses if it is described in words; none if the setting has
    /// no default that can be told.
    pub default: Option<&'static str>,
    /// One line of documentation.
    pub help: &'static str,
}

impl Setting {
    /// A setting without aliases or a default.
    pub const fn new(key: &'static str, kind: SettingKind, help: &'static str) -> Self {
        Setting { key, aliases: &[], kind, default: None, help }
    }

    /// Adds other spellings.
    pub const fn with_aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Adds the default that documentation shows.
    pub const fn with_default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// The key, and after it its other spellings.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.key).chain(self.aliases.iter().copied())
    }
}

/// What a setting holds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SettingKind {
    /// Text.
    Text,
    /// A credential: kept in a secret type, never printed.
    Secret,
    /// A path: relative to the configuration file; a leading `~/` is the home folder.
    Path,
    /// `true` or `false`.
    Boolean,
    /// A whole number in this range.
    Integer(u64, u64),
    /// A duration: `500ms`, `30s`, `1h30m`, or a bare number of seconds.
    Duration,
    /// A number from 0 to 1.
    Ratio,
    /// A list of texts; a single text is a list of one.
    TextList,
    /// A mapping of names to secret values.
    SecretMap,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A mapping with settings of its own.
    Group(&'static [Setting]),
}

/// What a connector is, apart from its code.
///
/// ```
/// use modelmesh_secrets::setting::{ConnectorSpec, Setting, SettingKind};
///
/// const SPEC: ConnectorSpec = ConnectorSpec::new("example.vault.v1", "an example")
///     .writable()
///     .with_batch(20)
///     .with_settings(&[Setting::new("region", SettingKind::Text, "the region")]);
/// assert!(SPEC.management && SPEC.cached);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "independent facts about a connector, not a state")]
pub struct ConnectorSpec {
    /// The ID, such as `modelmesh.age-file.v1`.
    pub id: &'static str,
    /// One line of documentation.
    pub summary: &'static str,
    /// Whether it can be written.
    pub management: bool,
    /// Whether the engine caches its values: not where a read costs nothing (the environment).
    pub cached: bool,
    /// How many names one backend call can fetch: [`Capabilities::batch`](crate::Capabilities::batch) of its
    /// stores. [`WHOLE_STORE`] where one call reads everything.
    pub batch: usize,
    /// What a backend call costs; none where the backend charges nothing for it.
    pub price: Option<Price>,
    /// Whether its backend is asked over a network: then it has [`NETWORK_SETTINGS`] too, and no call of it may
    /// take longer than `fetch_timeout`.
    pub network: bool,
    /// Environment variables that its stores take credentials from by themselves, as the vendor's own tools do: a
    /// program that gets what a store holds must not get these too.
    pub credential_variables: &'static [&'static str],
    /// Its settings, beyond those that it shares: [`all_settings`](ConnectorSpec::all_settings) has both.
    pub settings: &'static [Setting],
    /// Whether it is one of the program around this library, which alone knows its settings: whatever stands in its
    /// entry is kept as [`Settings::free_form`], and no naming rule applies to it.
    pub free_form: bool,
}

/// The [`batch`](ConnectorSpec::batch) of a store that is read as a whole, such as a file.
pub const WHOLE_STORE: usize = usize::MAX;

impl ConnectorSpec {
    /// A connector that is only read, one name a call, is cached, and has no settings of its own.
    pub const fn new(id: &'static str, summary: &'static str) -> Self {
        ConnectorSpec {
            id,
            summary,
            management: false,
            cached: true,
            batch: 1,
            price: None,
            network: false,
            credential_variables: &[],
            settings: &[],
            free_form: false,
        }
    }

    /// A connector of the program around this library, whose settings are known to that program alone.
    pub const fn of_host(id: &'static str, summary: &'static str) -> Self {
        let mut spec = ConnectorSpec::new(id, summary);
        spec.free_form = true;
        spec
    }

    /// It can be written.
    pub const fn writable(mut self) -> Self {
        self.management = true;
        self
    }

    /// Its values are not cached.
    pub const fn uncached(mut self) -> Self {
        self.cached = false;
        self
    }

    /// One backend call can fetch this many names.
    pub const fn with_batch(mut self, names: usize) -> Self {
        self.batch = names;
        self
    }

    /// Its backend charges for each call.
    pub const fn with_price(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// Its backend is asked over a network.
    pub const fn over_network(mut self) -> Self {
        self.network = true;
        self
    }

    /// Its stores take credentials from these environment variables, where no setting gives them.
    pub const fn with_credential_variables(mut self, names: &'static [&'static str]) -> Self {
        self.credential_variables = names;
        self
    }

    /// Its settings.
    pub const fn with_settings(mut self, settings: &'static [Setting]) -> Self {
        self.settings = settings;
        self
    }

    /// Every setting of a store of this kind: its own, [`NETWORK_SETTINGS`] where they apply, and
    /// [`COMMON_SETTINGS`]. Of a [free-form](ConnectorSpec::free_form) one there are none.
    pub fn all_settings(&self) -> impl Iterator<Item = &'static Setting> + Clone + use<> {
        let network = if self.network { NETWORK_SETTINGS } else { &[] };
        let common = if self.free_form { &[] } else { COMMON_SETTINGS };
        self.settings.iter().chain(network).chain(common)
    }
}

/// What a backend's vendor charges for a call, by its price list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Price {
    /// Millionths of a US dollar for one call: money is counted, not measured.
    pub micro_usd_a_call: u64,
    /// The page of the price list.
    pub source: &'static str,
    /// The day on which it was read, as `2026-11-23`.
    pub as_of: &'static str,
}

impl Price {
    /// A price of so many millionths of a US dollar for one call: 5 where 10,000 calls cost 0.05.
    pub const fn new(micro_usd_a_call: u64, source: &'static str, as_of: &'static str) -> Self {
        Price { micro_usd_a_call, source, as_of }
    }

    /// What so many calls cost, in millionths of a US dollar.
    pub const fn of(self, calls: u64) -> u64 {
        calls.saturating_mul(self.micro_usd_a_call)
    }
}

/// The settings that every store has.
pub const COMMON_SETTINGS: &[Setting] = &[
    Setting::new("prefix", SettingKind::Text, "put before a logical name to make the backend's name")
        .with_default("(none)"),
    Setting::new(
        "naming",
        SettingKind::Choice(&["as-is", "screaming-snake", "kebab"]),
        "how a logical name becomes the backend's name",
    )
    .with_default("as-is"),
];

/// The settings that every store behind a network has.
pub const NETWORK_SETTINGS: &[Setting] = &[
    Setting::new(
        "ca_cert",
        SettingKind::Path,
        "a PEM file of certificates that are trusted besides those of the system",
    )
    .with_default("(none)"),
    Setting::new(
        "allow_http",
        SettingKind::Boolean,
        "whether 'http://' is allowed to other machines: whoever is in between reads secrets and credentials",
    )
    .with_default("false"),
];

/// The settings of `secrets:` itself: one for all its stores.
pub const SECTION_SETTINGS: &[Setting] = &[Setting::new(
    "audit_log",
    SettingKind::Path,
    "a file to which a line is appended for each fetch, write and rotation, without values",
)
.with_default("(none)")];

/// A store's settings, checked against its table: spelled right, of the right kind, references resolved.
///
/// Every getter is asked with the key of the table, never with an alias.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    known: BTreeMap<&'static str, SettingValue>,
    free: Vec<(String, Given)>,
}

/// The value of one setting.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SettingValue {
    /// Of a [`SettingKind::Text`] or a [`SettingKind::Choice`].
    Text(String),
    /// Of a [`SettingKind::Secret`].
    Secret(SecretString),
    /// Of a [`SettingKind::Path`]: absolute, or relative to the working directory.
    Path(PathBuf),
    /// Of a [`SettingKind::Boolean`].
    Boolean(bool),
    /// Of a [`SettingKind::Integer`].
    Integer(u64),
    /// Of a [`SettingKind::Duration`].
    Duration(Duration),
    /// Of a [`SettingKind::Ratio`].
    Ratio(f64),
    /// Of a [`SettingKind::TextList`].
    TextList(Vec<String>),
    /// Of a [`SettingKind::SecretMap`].
    SecretMap(BTreeMap<String, SecretString>),
    /// Of a [`SettingKind::Group`].
    Group(Settings),
}

/// The settings that a table describes.
impl IntoIterator for Settings {
    type Item = (&'static str, SettingValue);
    type IntoIter = std::collections::btree_map::IntoIter<&'static str, SettingValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.known.into_iter()
    }
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $variant:ident($held:ty) -> $shown:ty = $view:expr;)*) => {
        $($(#[$doc])*
        pub fn $name(&self, key: &str) -> Option<$shown> {
            let view: fn(&$held) -> $shown = $view;
            match self.known.get(key)? {
                SettingValue::$variant(value) => Some(view(value)),
                _ => None,
            }
        })*
    };
}

impl Settings {
    /// Puts a value under a key of the table. Code that opens a store without a file uses this.
    pub fn with(mut self, key: &'static str, value: SettingValue) -> Self {
        self.known.insert(key, value);
        self
    }

    /// As [`with`](Settings::with), in place.
    pub fn insert(&mut self, key: &'static str, value: SettingValue) {
        self.known.insert(key, value);
    }

    /// Puts a value under a key of a connector that no table describes.
    pub fn insert_free(&mut self, key: String, value: Given) {
        self.free.push((key, value));
    }

    /// What stands in the entry of a [free-form](ConnectorSpec::free_form) connector, in the order of the file.
    pub fn free_form(&self) -> &[(String, Given)] {
        &self.free
    }

    /// Takes over what `other` sets, where this does not set it already.
    pub fn fill_from(&mut self, other: &Settings) {
        for (key, value) in &other.known {
            self.known.entry(key).or_insert_with(|| value.clone());
        }
    }

    /// Whether there is a value under `key`.
    pub fn has(&self, key: &str) -> bool {
        self.known.contains_key(key)
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && self.free.is_empty()
    }

    getters! {
        /// The text under `key`.
        text: Text(String) -> &str = |text| text;
        /// The credential under `key`.
        secret: Secret(SecretString) -> &SecretString = |secret| secret;
        /// The path under `key`.
        path: Path(PathBuf) -> &std::path::Path = |path| path;
        /// The truth value under `key`.
        boolean: Boolean(bool) -> bool = |value| *value;
        /// The number under `key`.
        integer: Integer(u64) -> u64 = |value| *value;
        /// The duration under `key`.
        duration: Duration(Duration) -> Duration = |value| *value;
        /// The ratio under `key`.
        ratio: Ratio(f64) -> f64 = |ratio| *ratio;
        /// The list under `key`.
        text_list: TextList(Vec<String>) -> &[String] = |list| list;
        /// The secret values under `key`, by name.
        secret_map: SecretMap(BTreeMap<String, SecretString>) -> &BTreeMap<String, SecretString> = |map| map;
        /// The group of settings under `key`.
        group: Group(Settings) -> &Settings = |group| group;
    }
}
