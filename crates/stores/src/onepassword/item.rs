//! Items, as Connect sends and takes them.

use modelmesh_secrets::{ExposeSecret as _, Version};
use serde::{Deserialize, Serialize};

use crate::json::SecretText;

/// An item without its fields: what a listing holds.
#[derive(Debug, Deserialize)]
pub(super) struct Summary {
    pub(super) id: String,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) version: u64,
    #[serde(default)]
    state: Option<String>,
    /// What older servers have in place of `state`.
    #[serde(default)]
    trashed: bool,
}

impl Summary {
    pub(super) fn state(&self) -> State {
        State::of(self.state.as_deref(), self.trashed)
    }
}

/// An item with its fields.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    pub(super) id: String,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    version: u64,
    #[serde(default)]
    pub(super) sections: Vec<Section>,
    #[serde(default)]
    pub(super) fields: Vec<Field>,
    #[serde(default)]
    state: Option<String>,
    /// What older servers have in place of `state`.
    #[serde(default)]
    trashed: bool,
}

impl Item {
    pub(super) fn state(&self) -> State {
        State::of(self.state.as_deref(), self.trashed)
    }

    /// The ID and the number: the number alone would be the same for an item that is deleted and made again.
    pub(super) fn version(&self) -> Version {
        Version::from(format!("{}.{}", self.id, self.version))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Active,
    /// Put away by somebody: it is there, and not in use.
    Archived,
    Deleted,
}

impl State {
    fn of(state: Option<&str>, is_trashed: bool) -> Self {
        match state {
            _ if is_trashed => State::Deleted,
            None | Some("" | "ACTIVE") => State::Active,
            Some("DELETED") => State::Deleted,
            // A state that is not known is not 'in use'.
            Some(_) => State::Archived,
        }
    }
}

/// A part of an item, with a heading.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Section {
    pub(super) id: String,
    #[serde(default)]
    pub(super) label: String,
}

/// The section that a field is in.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct SectionId {
    #[serde(default)]
    pub(super) id: String,
}

/// A field of an item.
#[derive(Debug, Deserialize)]
pub(super) struct Field {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) label: String,
    #[serde(default)]
    section: Option<SectionId>,
    #[serde(default)]
    value: Option<SecretText>,
}

impl Field {
    /// The value; none if nobody has filled it in, which servers say by leaving it out or by an empty text.
    pub(super) fn value(&self) -> Option<&SecretText> {
        self.value.as_ref().filter(|value| !value.0.expose_secret().is_empty())
    }

    /// The section that the field is in; none for one that the item's category brings.
    pub(super) fn section(&self) -> Option<&str> {
        self.section.as_ref().map(|section| section.id.as_str()).filter(|id| !id.is_empty())
    }
}

/// An item to be made.
#[derive(Debug, Serialize)]
pub(super) struct NewItem<'a> {
    pub(super) title: &'a str,
    pub(super) vault: Vault<'a>,
    pub(super) category: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sections: Option<[Section; 1]>,
    pub(super) fields: [NewField<'a>; 1],
}

#[derive(Debug, Serialize)]
pub(super) struct Vault<'a> {
    pub(super) id: &'a str,
}

/// A field to be made; the server gives it an ID.
#[derive(Debug, Serialize)]
pub(super) struct NewField<'a> {
    pub(super) label: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purpose: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) section: Option<SectionId>,
    pub(super) value: SecretText,
}

/// One operation of a JSON Patch (RFC 6902), of which Connect knows three, and reads `/fields/ID` for a field.
///
/// `add` alone is used: it sets a value whether there was one or not, where `replace` needs one.
#[derive(Debug, Serialize)]
pub(super) struct Patch<'a> {
    pub(super) op: &'static str,
    pub(super) path: String,
    pub(super) value: Patched<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Patched<'a> {
    Value(SecretText),
    Field(NewField<'a>),
}
