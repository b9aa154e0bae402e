//! Settings of connectors that only the program around this library knows: a tree of whatever the file has.

use secrecy::SecretString;

use super::{
    bootstrap::{Filler, Template},
    given::Given,
    reader::Reader,
};
use crate::{
    Result,
    document::{Kind, NodeId},
};

/// A [`Given`] before its bootstrap references are filled in.
#[derive(Clone, Debug)]
pub(super) enum FreeDraft {
    Ready(Given),
    Text(Template),
    List(Vec<FreeDraft>),
    Map(Vec<(String, FreeDraft)>),
}

impl FreeDraft {
    /// Reads the value at `node`; broken references become problems. The depth of a document is limited already.
    pub(super) fn read(reader: &mut Reader<'_>, node: NodeId) -> Option<Self> {
        let document = reader.document();
        Some(match document.kind(node) {
            Kind::Null => FreeDraft::Ready(Given::Nothing),
            Kind::Boolean(value) => FreeDraft::Ready(Given::Boolean(value)),
            Kind::Number(text) => FreeDraft::Ready(number(text.expose())),
            Kind::Text(text) => FreeDraft::Text(reader.template(node, text.expose())?),
            Kind::Sequence => FreeDraft::List(
                document.items(node).iter().map(|&item| Self::read(reader, item)).collect::<Option<_>>()?,
            ),
            Kind::Mapping => FreeDraft::Map(
                document
                    .entries(node)
                    .map(|entry| Some((entry.key.to_owned(), Self::read(reader, entry.value)?)))
                    .collect::<Option<_>>()?,
            ),
        })
    }

    /// Every bootstrap template in it, in the order of the file.
    pub(super) fn templates(&self) -> Box<dyn Iterator<Item = &Template> + '_> {
        match self {
            FreeDraft::Ready(_) => Box::new(std::iter::empty()),
            FreeDraft::Text(template) => Box::new(std::iter::once(template)),
            FreeDraft::List(items) => Box::new(items.iter().flat_map(Self::templates)),
            FreeDraft::Map(entries) => Box::new(entries.iter().flat_map(|(_, draft)| draft.templates())),
        }
    }

    /// The value, with every reference filled in. What is filled in stays text, whatever it looks like.
    pub(super) fn fill(&self, filler: &Filler<'_>) -> Result<Given> {
        Ok(match self {
            FreeDraft::Ready(value) => value.clone(),
            FreeDraft::Text(template) => Given::Text(filler.fill(template)?),
            FreeDraft::List(items) => {
                Given::List(items.iter().map(|item| item.fill(filler)).collect::<Result<_>>()?)
            }
            FreeDraft::Map(entries) => Given::Map(
                entries
                    .iter()
                    .map(|(key, draft)| Ok((key.clone(), draft.fill(filler)?)))
                    .collect::<Result<_>>()?,
            ),
        })
    }
}

/// A number as the file writes it; as text where it is larger than any number of ours.
fn number(text: &str) -> Given {
    match (text.parse(), text.parse()) {
        (Ok(whole), _) => Given::Integer(whole),
        (_, Ok(number)) => Given::Number(number),
        _ => Given::Text(SecretString::from(text)),
    }
}
