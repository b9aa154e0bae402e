//! Which field of an item is the secret.

use std::collections::BTreeMap;

use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretString, SecretValue};
use serde::Serialize;

use super::item::{Field, Item, NewField, NewItem, Patch, Patched, Section, SectionId, Vault};
use crate::json::{self, SecretText};

/// The fields that are tried in turn unless a field is named.
const DEFAULTS: [&str; 2] = ["password", "credential"];

/// The `field` that stands for all.
const DOCUMENT: &str = "*";

/// The setting `field`.
#[derive(Debug)]
pub(super) enum FieldRule {
    /// The first of [`DEFAULTS`] that has a value.
    Default,
    /// An ID, a label, or a section and one of both.
    Named(String),
    /// All fields, as a JSON document.
    Document,
}

impl FieldRule {
    pub(super) fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None => Ok(FieldRule::Default),
            Some("") => Err(Error::new(ErrorKind::InvalidConfig, "'field' is empty")
                .with_help("leave it out for the password or the credential of an item")),
            Some(DOCUMENT) => Ok(FieldRule::Document),
            Some(named) => Ok(FieldRule::Named(named.to_owned())),
        }
    }

    /// The value of an item.
    ///
    /// `NotFound` if it has no such field, or the field no value; `Conflict` if it has several such fields.
    pub(super) fn read(&self, item: &Item) -> Result<SecretString> {
        match self {
            FieldRule::Document => Ok(document(item)),
            _ => match self.filled(item)?.and_then(Field::value) {
                Some(value) => Ok(value.0.clone()),
                None => Err(self.no_value()),
            },
        }
    }

    /// The field that is read; none if there is none that has a value.
    fn filled<'i>(&self, item: &'i Item) -> Result<Option<&'i Field>> {
        for name in self.names() {
            if let Some(field) = field(item, name)?.filter(|field| field.value().is_some()) {
                return Ok(Some(field));
            }
        }
        Ok(None)
    }

    /// The field that is written: the one that is read, or else the first there is, filled in or not.
    fn target<'i>(&self, item: &'i Item) -> Result<Option<&'i Field>> {
        if let Some(filled) = self.filled(item)? {
            return Ok(Some(filled));
        }
        for name in self.names() {
            if let Some(field) = field(item, name)? {
                return Ok(Some(field));
            }
        }
        Ok(None)
    }

    /// The fields that are tried in turn.
    fn names(&self) -> Vec<&str> {
        match self {
            FieldRule::Default => DEFAULTS.to_vec(),
            FieldRule::Named(name) => vec![name],
            FieldRule::Document => Vec::new(),
        }
    }

    fn no_value(&self) -> Error {
        let names: Vec<String> = self.names().into_iter().map(|name| format!("'{name}'")).collect();
        Error::new(ErrorKind::NotFound, format!("the item has no value in its field {}", names.join(" or ")))
            .with_help("name the field that holds the secret in the store's setting 'field'")
    }

    /// What makes `value` the value of an item that exists, without touching its other fields.
    pub(super) fn change(&self, item: &Item, value: &SecretValue) -> Result<[Patch<'_>; 1]> {
        let name = self.written()?;
        let value = SecretText(value.secret().clone());
        if let Some(field) = self.target(item)? {
            let path = format!("/fields/{}/value", field.id.replace('~', "~0").replace('/', "~1"));
            return Ok([Patch { op: "add", path, value: Patched::Value(value) }]);
        }
        // A section that the item has is used; a slash without one is part of the label.
        let (section, label) = match in_section(item, name)? {
            Some((section, label)) => (Some(SectionId { id: section.id.clone() }), label),
            None => (None, name),
        };
        let field = NewField { label, kind: "CONCEALED", purpose: None, section, value };
        Ok([Patch { op: "add", path: "/fields".into(), value: Patched::Field(field) }])
    }

    /// The item that holds `value` alone.
    ///
    /// It is a `PASSWORD`, of whose older values 1Password keeps a history, or an `API_CREDENTIAL` where the field
    /// has another name, for a `PASSWORD` has to have its own field.
    pub(super) fn new_item<'a>(
        &'a self,
        vault: &'a str,
        name: &'a SecretName,
        value: &SecretValue,
    ) -> Result<NewItem<'a>> {
        let label = self.written()?;
        let value = SecretText(value.secret().clone());
        let is_password = label == DEFAULTS[0];
        // The ID of a new section is ours to choose: it has to differ from others of its item, of which there are none.
        let (section, label) = label.split_once('/').map_or((None, label), |(section, label)| {
            (Some(Section { id: "section".into(), label: section.into() }), label)
        });
        let field = NewField {
            label,
            kind: "CONCEALED",
            purpose: is_password.then_some("PASSWORD"),
            section: section.as_ref().map(|section| SectionId { id: section.id.clone() }),
            value,
        };
        Ok(NewItem {
            title: name.as_str(),
            vault: Vault { id: vault },
            category: if is_password { "PASSWORD" } else { "API_CREDENTIAL" },
            sections: section.map(|section| [section]),
            fields: [field],
        })
    }

    /// What a field that is made is called.
    fn written(&self) -> Result<&str> {
        self.names().first().copied().ok_or_else(|| {
            Error::unsupported("write a whole item")
                .with_help("write through a store whose 'field' names one field")
        })
    }
}

/// The field that `name` means: the one with this ID, else the one with this label, else, for `SECTION/FIELD`, the
/// one of the section.
fn field<'i>(item: &'i Item, name: &str) -> Result<Option<&'i Field>> {
    if let Some(found) = one_of(item.fields.iter(), name)? {
        return Ok(Some(found));
    }
    let Some((section, name)) = in_section(item, name)? else { return Ok(None) };
    one_of(item.fields.iter().filter(|field| field.section() == Some(section.id.as_str())), name)
}

/// `SECTION/FIELD` in two, if the item has such a section: by its ID, else by its label.
fn in_section<'i, 'n>(item: &'i Item, name: &'n str) -> Result<Option<(&'i Section, &'n str)>> {
    let Some((section, field)) = name.split_once('/') else { return Ok(None) };
    if let Some(found) = item.sections.iter().find(|known| known.id == section) {
        return Ok(Some((found, field)));
    }
    let mut labelled = item.sections.iter().filter(|known| known.label == section);
    match (labelled.next(), labelled.next()) {
        (_, Some(_)) => Err(several(&format!("sections '{section}'"))),
        (found, None) => Ok(found.map(|found| (found, field))),
    }
}

fn one_of<'i>(fields: impl Iterator<Item = &'i Field> + Clone, name: &str) -> Result<Option<&'i Field>> {
    if let Some(found) = fields.clone().find(|field| field.id == name) {
        return Ok(Some(found));
    }
    let mut labelled = fields.filter(|field| field.label == name);
    match (labelled.next(), labelled.next()) {
        (_, Some(_)) => Err(several(&format!("fields '{name}'"))),
        (found, None) => Ok(found),
    }
}

fn several(what: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("the item has several {what}"))
        .with_help("say in 'field' which one is meant: SECTION/LABEL, or an ID in place of a label")
}

/// A field, or a section of fields.
#[derive(Serialize)]
#[serde(untagged)]
enum Member<'i> {
    Field(&'i SecretText),
    Section(BTreeMap<&'i str, &'i SecretText>),
}

/// All values of an item: `{"username": "…", "password": "…", "SECTION": {"LABEL": "…"}}`.
///
/// - What has a label that another has too is under its ID instead, so that no label means one of several.
/// - 1Password keeps what a person adds without a heading in a section that has none: that is no section here.
fn document(item: &Item) -> SecretString {
    let headed: Vec<&Section> = item.sections.iter().filter(|section| !section.label.is_empty()).collect();
    let is_in = |field: &Field, section: &Section| field.section() == Some(section.id.as_str());
    let loose = item.fields.iter().filter(|field| !headed.iter().any(|section| is_in(field, section)));
    let mut members: BTreeMap<&str, Member<'_>> =
        filled(loose).into_iter().map(|(key, value)| (key, Member::Field(value))).collect();
    for section in &headed {
        let fields = filled(item.fields.iter().filter(|field| is_in(field, section)));
        if fields.is_empty() {
            continue;
        }
        let is_alone = headed.iter().filter(|other| other.label == section.label).count() == 1
            && !members.contains_key(section.label.as_str());
        members.insert(if is_alone { &section.label } else { &section.id }, Member::Section(fields));
    }
    let written = json::write(&members);
    SecretString::from(std::str::from_utf8(&written).expect("JSON is text"))
}

/// The values of these fields, by label, or by ID where a label is missing or not the only one.
fn filled<'i>(fields: impl Iterator<Item = &'i Field>) -> BTreeMap<&'i str, &'i SecretText> {
    let fields: Vec<&Field> = fields.collect();
    let key = |field: &'i Field| {
        let is_alone = fields.iter().filter(|other| other.label == field.label).count() == 1;
        if is_alone && !field.label.is_empty() { field.label.as_str() } else { field.id.as_str() }
    };
    fields.iter().filter_map(|field| Some((key(field), field.value()?))).collect()
}
