//! Settings that a program gives, in place of a file: the same tables judge them.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    draft::{Drafts, find, wrong_kind},
    entry::{StoreEntry, flat_policy},
    reader::nearest,
};
use crate::{
    Error, ErrorKind, RESOLUTION_SETTINGS, ResolutionPolicy, Result, printable,
    setting::{ConnectorSpec, Setting, SettingKind, SettingValue, Settings},
};

/// The value of a setting, as a program has it: one that it gives in place of a file, or one that a file gives to it,
/// where it alone knows the setting.
#[derive(Clone)]
#[non_exhaustive]
pub enum Given {
    /// Nothing: the setting has its default.
    Nothing,
    /// Text. It may be a credential, so it is kept as one; nothing in it is expanded.
    Text(SecretString),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// A list.
    List(Vec<Given>),
    /// A mapping.
    Map(Vec<(String, Given)>),
}

/// Shows no value.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

impl Given {
    fn describe(&self) -> &'static str {
        match self {
            Given::Nothing => "nothing",
            Given::Text(_) => "a text",
            Given::Integer(_) | Given::Number(_) => "a number",
            Given::Boolean(_) => "a truth value",
            Given::List(_) => "a list",
            Given::Map(_) => "a mapping",
        }
    }

    /// A scalar as a file would spell it.
    fn text(&self) -> Option<SecretString> {
        match self {
            Given::Text(text) => Some(text.clone()),
            Given::Integer(number) => Some(number.to_string().into()),
            Given::Number(number) => Some(number.to_string().into()),
            Given::Boolean(value) => Some(value.to_string().into()),
            Given::Nothing | Given::List(_) | Given::Map(_) => None,
        }
    }
}

impl StoreEntry {
    /// A store from settings that a program gives: those of the connector's table and the resolution parameters, by
    /// their keys or aliases. What is not given has its default.
    ///
    /// `InvalidConfig` for a key that is in neither, or given twice, and for a value of another kind.
    pub fn given(
        name: &str,
        spec: ConnectorSpec,
        given: impl IntoIterator<Item = (String, Given)>,
    ) -> Result<Self> {
        let mut settings = Settings::default();
        let mut policy = Settings::default();
        for (key, value) in given {
            if matches!(value, Given::Nothing) {
                continue;
            }
            let (setting, settings) = match (flat_policy(&key), find(spec.all_settings(), &key)) {
                (Some(setting), _) => (setting, &mut policy),
                (None, Some(setting)) => (setting, &mut settings),
                (None, None) => return Err(unknown(&key, &spec).with_store(name)),
            };
            if settings.has(setting.key) {
                let twice = format!("'{}' is given twice", setting.key);
                return Err(Error::new(ErrorKind::InvalidConfig, twice).with_store(name));
            }
            let value = read(setting, value).map_err(|error| error.with_store(name))?;
            settings.insert(setting.key, value);
        }
        let policy = ResolutionPolicy::default().with_settings(&policy);
        Ok(StoreEntry { drafts: Drafts::of(settings), ..StoreEntry::of_connector(name, spec, policy) })
    }
}

fn unknown(key: &str, spec: &ConnectorSpec) -> Error {
    let error = Error::new(ErrorKind::InvalidConfig, format!("unknown setting '{}'", printable(key)));
    with_nearest(error, key, spec.all_settings().chain(RESOLUTION_SETTINGS))
}

fn with_nearest(error: Error, key: &str, known: impl Iterator<Item = &'static Setting>) -> Error {
    match nearest(key, known.flat_map(Setting::spellings)) {
        Some(near) => error.with_help(format!("did you mean '{near}'?")),
        None => error,
    }
}

fn read(setting: &Setting, given: Given) -> Result<SettingValue> {
    let wrong = |given: &Given| {
        let wrong = format!("takes {}, not {}", setting.kind.describe(), given.describe());
        wrong_kind(setting.key, &wrong)
    };
    let text = |given: &Given| given.text().ok_or_else(|| wrong(given));
    Ok(match (setting.kind, given) {
        (SettingKind::Group(table), Given::Map(entries)) => {
            let mut group = Settings::default();
            for (key, value) in entries.into_iter().filter(|(_, value)| !matches!(value, Given::Nothing)) {
                let inner = find(table, &key).ok_or_else(|| {
                    let unknown = format!("has no '{}'", printable(&key));
                    with_nearest(wrong_kind(setting.key, &unknown), &key, table.iter())
                })?;
                group.insert(inner.key, read(inner, value)?);
            }
            SettingValue::Group(group)
        }
        (SettingKind::SecretMap, Given::Map(entries)) => SettingValue::SecretMap(
            entries
                .into_iter()
                .map(|(key, value)| Ok((key, text(&value)?)))
                .collect::<Result<BTreeMap<_, _>>>()?,
        ),
        (SettingKind::TextList, Given::List(items)) => SettingValue::TextList(
            items.iter().map(|item| Ok(text(item)?.expose_secret().to_owned())).collect::<Result<_>>()?,
        ),
        (SettingKind::TextList, Given::Text(text)) => {
            SettingValue::TextList(vec![text.expose_secret().to_owned()])
        }
        (SettingKind::Path, Given::Text(text)) => SettingValue::Path(PathBuf::from(text.expose_secret())),
        (SettingKind::Group(_) | SettingKind::SecretMap, given) => return Err(wrong(&given)),
        (kind, given) => kind
            .read_text(text(&given)?.expose_secret())
            .map_err(|message| wrong_kind(setting.key, &message))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Filler;

    const SPEC: ConnectorSpec = ConnectorSpec::new("example.vault.v1", "an example").with_settings(&[
        Setting::new("address", SettingKind::TextList, "addresses"),
        Setting::new("token", SettingKind::Secret, "a token").with_aliases(&["key"]),
        Setting::new("secrets", SettingKind::SecretMap, "values"),
        Setting::new("depth", SettingKind::Integer(1, 9), "a depth"),
        Setting::new("file", SettingKind::Path, "a file"),
    ]);

    fn text(text: &str) -> Given {
        Given::Text(text.into())
    }

    fn entry(given: &[(&str, Given)]) -> Result<StoreEntry> {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        StoreEntry::given("mine", SPEC, given)
    }

    fn settings(given: &[(&str, Given)]) -> Settings {
        let values = std::collections::HashMap::new();
        let filler = Filler { variable: &|_| None, values: &values, base: std::path::Path::new("") };
        entry(given).unwrap().settings(&filler).unwrap()
    }

    #[test]
    fn values_are_taken_as_they_are() {
        let settings = settings(&[
            ("key", text("${HOME} $${x} ${secrets:other}")),
            ("address", text("http://one")),
            ("secrets", Given::Map(vec![("a".into(), text("${b}")), ("n".into(), Given::Integer(7))])),
            ("depth", Given::Integer(9)),
            ("file", text("a/b")),
        ]);
        assert_eq!(settings.secret("token").unwrap().expose_secret(), "${HOME} $${x} ${secrets:other}");
        assert_eq!(settings.text_list("address").unwrap(), ["http://one"]);
        assert_eq!(settings.secret_map("secrets").unwrap()["a"].expose_secret(), "${b}");
        assert_eq!(settings.secret_map("secrets").unwrap()["n"].expose_secret(), "7");
        assert_eq!(settings.integer("depth"), Some(9));
        assert_eq!(settings.path("file").unwrap(), std::path::Path::new("a/b"));
    }

    #[test]
    fn resolution_parameters_stand_beside_settings() {
        let entry = entry(&[
            ("cache_ttl_ms", Given::Integer(1500)),
            ("fail_on_missing", Given::Boolean(false)),
            ("max_stale", text("1h")),
            ("retry", Given::Map(vec![("tries".into(), Given::Integer(1))])),
            ("ttl_jitter", Given::Number(0.25)),
            ("breaker", Given::Nothing),
        ])
        .unwrap();
        assert_eq!(entry.policy.cache_ttl.as_millis(), 1500);
        assert_eq!(entry.policy.max_stale.as_secs(), 3600);
        assert_eq!(entry.policy.retry.tries, 1);
        assert!((entry.policy.ttl_jitter - 0.25).abs() < 1e-9);
        assert!(!entry.policy.fail_on_missing);
    }

    #[test]
    fn the_nearest_known_key_is_offered() {
        let retry = Given::Map(vec![("tris".into(), Given::Integer(1))]);
        for (key, given, expected) in [
            ("tokn", text("x"), "did you mean 'token'?"),
            ("kye", text("x"), "did you mean 'key'?"),
            ("retry", retry, "did you mean 'tries'?"),
        ] {
            assert_eq!(entry(&[(key, given)]).unwrap_err().help(), Some(expected));
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_without_the_value() {
        for (given, expected) in [
            (vec![("tokn", text("canary"))], "store 'mine': unknown setting 'tokn'"),
            (vec![("token", text("x")), ("key", text("canary"))], "store 'mine': 'token' is given twice"),
            (vec![("depth", Given::Integer(10))], "store 'mine': 'depth' takes a whole number from 1 to 9"),
            (vec![("depth", text("canary"))], "store 'mine': 'depth' takes a whole number from 1 to 9"),
            (
                vec![("token", Given::List(vec![text("canary")]))],
                "store 'mine': 'token' takes text, not a list",
            ),
            (vec![("secrets", text("canary"))], "store 'mine': 'secrets' takes a mapping, not a text"),
        ] {
            let error = entry(&given).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        }
        assert_eq!(entry(&[("tokn", text("x"))]).unwrap_err().help(), Some("did you mean 'token'?"));
        assert_eq!(format!("{:?}", Given::Map(vec![("a".into(), text("canary"))])), "a mapping");
    }
}
