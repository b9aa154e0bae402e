//! Settings as a file writes them: of the right kind, with bootstrap references still to be filled in.

use std::{collections::BTreeMap, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::{
    bootstrap::{Filler, Template},
    free::FreeDraft,
    reader::Reader,
};
use crate::{
    Error, ErrorKind, Result,
    document::{Kind, NodeId},
    duration,
    setting::{Setting, SettingKind, SettingValue, Settings},
};

/// The settings of one store, before its bootstrap references are filled in.
#[derive(Clone, Debug, Default)]
pub(super) struct Drafts {
    known: Vec<(&'static str, Draft)>,
    free: Vec<(String, FreeDraft)>,
}

/// One setting's value. What holds no reference is checked when the file is read.
#[derive(Clone, Debug)]
enum Draft {
    Ready(SettingValue),
    Text(SettingKind, Template),
    List(Vec<Template>),
    Map(Vec<(String, Template)>),
    Group(Drafts),
}

impl Drafts {
    /// Settings in which nothing is to be filled in.
    pub(super) fn of(settings: Settings) -> Self {
        let known = settings.into_iter().map(|(key, value)| (key, Draft::Ready(value))).collect();
        Drafts { known, free: Vec::new() }
    }

    /// Reads the value under a key of a table; problems go to the reader.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, setting: &Setting, node: NodeId) {
        if let Some(draft) = read_value(reader, setting, node) {
            self.known.push((setting.key, draft));
        }
    }

    /// Reads what stands under a key that no table describes.
    pub(super) fn read_free(&mut self, reader: &mut Reader<'_>, key: &str, node: NodeId) {
        if let Some(draft) = FreeDraft::read(reader, node) {
            self.free.push((key.to_owned(), draft));
        }
    }

    pub(super) fn has_free(&self, key: &str) -> bool {
        self.free.iter().any(|(have, _)| have == key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.known.iter().any(|(have, _)| *have == key)
    }

    /// These drafts, of `keys` alone.
    pub(super) fn only(&self, keys: &[&str]) -> Drafts {
        let known = self.known.iter().filter(|(key, _)| keys.contains(key)).cloned().collect();
        Drafts { known, free: Vec::new() }
    }

    /// Every bootstrap template, in the order of the file.
    pub(super) fn templates(&self) -> Box<dyn Iterator<Item = &Template> + '_> {
        let known = self.known.iter().flat_map(|(_, draft)| -> Box<dyn Iterator<Item = &Template>> {
            match draft {
                Draft::Ready(_) => Box::new(std::iter::empty()),
                Draft::Text(_, template) => Box::new(std::iter::once(template)),
                Draft::List(templates) => Box::new(templates.iter()),
                Draft::Map(entries) => Box::new(entries.iter().map(|(_, template)| template)),
                Draft::Group(drafts) => drafts.templates(),
            }
        });
        Box::new(known.chain(self.free_templates()))
    }

    /// The bootstrap templates of credentials. Any free-form text may be one.
    pub(super) fn secret_templates(&self) -> Box<dyn Iterator<Item = &Template> + '_> {
        let known = self.known.iter().flat_map(|(_, draft)| -> Box<dyn Iterator<Item = &Template>> {
            match draft {
                Draft::Text(SettingKind::Secret, template) => Box::new(std::iter::once(template)),
                Draft::Map(entries) => Box::new(entries.iter().map(|(_, template)| template)),
                Draft::Group(drafts) => drafts.secret_templates(),
                Draft::Ready(_) | Draft::Text(..) | Draft::List(_) => Box::new(std::iter::empty()),
            }
        });
        Box::new(known.chain(self.free_templates()))
    }

    fn free_templates(&self) -> impl Iterator<Item = &Template> {
        self.free.iter().flat_map(|(_, draft)| draft.templates())
    }

    /// The settings, with every reference filled in.
    pub(super) fn fill(&self, filler: &Filler<'_>) -> Result<Settings> {
        let mut settings = Settings::default();
        for (key, draft) in &self.known {
            let value = match draft {
                Draft::Ready(SettingValue::Path(path)) => SettingValue::Path(filler.absolute(path)),
                Draft::Ready(value) => value.clone(),
                Draft::Text(kind, template) => match kind.read_text(filler.fill(template)?.expose_secret()) {
                    Ok(SettingValue::Path(path)) => SettingValue::Path(filler.absolute(&path)),
                    Ok(value) => value,
                    Err(wrong) => return Err(wrong_kind(key, &wrong)),
                },
                Draft::List(templates) => SettingValue::TextList(
                    templates
                        .iter()
                        .map(|template| Ok(filler.fill(template)?.expose_secret().to_owned()))
                        .collect::<Result<_>>()?,
                ),
                Draft::Map(entries) => SettingValue::SecretMap(
                    entries
                        .iter()
                        .map(|(key, template)| Ok((key.clone(), filler.fill(template)?)))
                        .collect::<Result<BTreeMap<_, _>>>()?,
                ),
                Draft::Group(drafts) => SettingValue::Group(drafts.fill(filler)?),
            };
            settings.insert(key, value);
        }
        for (key, draft) in &self.free {
            settings.insert_free(key.clone(), draft.fill(filler)?);
        }
        Ok(settings)
    }
}

pub(super) fn wrong_kind(key: &str, wrong: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("'{key}' {wrong}"))
}

fn read_value(reader: &mut Reader<'_>, setting: &Setting, node: NodeId) -> Option<Draft> {
    let document = reader.document();
    let wrong = |reader: &mut Reader<'_>, wrong: &str| {
        reader.problem(node, wrong_kind(setting.key, wrong));
        None
    };
    match (setting.kind, document.kind(node)) {
        // A key without a value is a key that is not there: a template with nothing filled in.
        (_, Kind::Null) => None,
        (SettingKind::Group(table), Kind::Mapping) => {
            let mut group = Drafts::default();
            for entry in document.entries(node) {
                match find(table, entry.key) {
                    Some(inner) => group.read(reader, inner, entry.value),
                    None => reader.unknown_key(&entry, table.iter().map(|setting| setting.key)),
                }
            }
            Some(Draft::Group(group))
        }
        (SettingKind::TextList, Kind::Sequence) => {
            let templates: Vec<Option<Template>> =
                document.items(node).iter().map(|&item| read_template(reader, setting.key, item)).collect();
            templates.into_iter().collect::<Option<_>>().map(Draft::List)
        }
        (SettingKind::SecretMap, Kind::Mapping) => {
            let entries: Vec<Option<(String, Template)>> = document
                .entries(node)
                .map(|entry| Some((entry.key.to_owned(), read_template(reader, setting.key, entry.value)?)))
                .collect();
            entries.into_iter().collect::<Option<_>>().map(Draft::Map)
        }
        (SettingKind::Group(_) | SettingKind::SecretMap, kind) => {
            wrong(reader, &format!("takes a mapping, not {}", kind.describe()))
        }
        (_, kind @ (Kind::Sequence | Kind::Mapping)) => {
            wrong(reader, &format!("takes {}, not {}", setting.kind.describe(), kind.describe()))
        }
        (SettingKind::Boolean, Kind::Boolean(value)) => Some(Draft::Ready(SettingValue::Boolean(value))),
        (kind, _) => {
            let template = read_template(reader, setting.key, node)?;
            match (kind, template.literal()) {
                (SettingKind::TextList, _) => Some(Draft::List(vec![template])),
                (_, None) => Some(Draft::Text(kind, template)),
                (_, Some(text)) => match kind.read_text(text.expose_secret()) {
                    Ok(value) => Some(Draft::Ready(value)),
                    Err(message) => wrong(reader, &message),
                },
            }
        }
    }
}

/// The scalar at `node` as text with bootstrap references. Numbers and truth values stand as they are written.
fn read_template(reader: &mut Reader<'_>, key: &str, node: NodeId) -> Option<Template> {
    match reader.document().kind(node) {
        Kind::Text(text) => reader.template(node, text.expose()),
        Kind::Number(text) => Some(Template::of_text(node, text.expose())),
        Kind::Boolean(value) => Some(Template::of_text(node, if value { "true" } else { "false" })),
        kind @ (Kind::Null | Kind::Sequence | Kind::Mapping) => {
            reader.problem(node, wrong_kind(key, &format!("takes text, not {}", kind.describe())));
            None
        }
    }
}

/// The setting that a key of the file names, by its own spelling or an alias.
pub(super) fn find(table: impl IntoIterator<Item = &'static Setting>, key: &str) -> Option<&'static Setting> {
    table.into_iter().find(|setting| setting.key == key || setting.aliases.contains(&key))
}

impl SettingKind {
    /// What the setting takes, in an error message.
    pub(crate) fn describe(&self) -> String {
        match self {
            SettingKind::Text | SettingKind::Secret => "text".into(),
            SettingKind::Path => "a path".into(),
            SettingKind::Boolean => "true or false".into(),
            SettingKind::Integer(min, u64::MAX) => format!("a whole number of at least {min}"),
            SettingKind::Integer(min, max) => format!("a whole number from {min} to {max}"),
            SettingKind::Ratio => "a number from 0 to 1".into(),
            SettingKind::Duration => "a duration such as 500ms, 30s or 1h30m".into(),
            SettingKind::TextList => "a list of texts".into(),
            SettingKind::SecretMap | SettingKind::Group(_) => "a mapping".into(),
            SettingKind::Choice(words) => format!("one of '{}'", words.join("', '")),
        }
    }

    /// Reads text as a value of this kind; the error completes "'key' …" and does not quote the text, which
    /// may have come from a store.
    pub(super) fn read_text(&self, text: &str) -> Result<SettingValue, String> {
        let wrong = || format!("takes {}", self.describe());
        Ok(match self {
            SettingKind::Text => SettingValue::Text(text.to_owned()),
            SettingKind::Secret => SettingValue::Secret(SecretString::from(text)),
            SettingKind::Path if text.is_empty() => return Err("takes a path, not an empty text".into()),
            SettingKind::Path => SettingValue::Path(PathBuf::from(text)),
            SettingKind::Boolean => SettingValue::Boolean(text.parse().map_err(|_| wrong())?),
            SettingKind::Integer(min, max) => match text.replace('_', "").parse() {
                Ok(number) if (*min..=*max).contains(&number) => SettingValue::Integer(number),
                _ => return Err(wrong()),
            },
            SettingKind::Ratio => match text.parse() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => SettingValue::Ratio(ratio),
                _ => return Err(wrong()),
            },
            SettingKind::Duration => SettingValue::Duration(duration::parse(text).ok_or_else(wrong)?),
            SettingKind::Choice(words) if words.contains(&text) => SettingValue::Text(text.to_owned()),
            SettingKind::Choice(_)
            | SettingKind::TextList
            | SettingKind::SecretMap
            | SettingKind::Group(_) => return Err(wrong()),
        })
    }
}
