//! The references of a configuration: each once, and the texts in which they stand.

use std::{
    collections::{BTreeMap, HashMap, hash_map},
    hash::BuildHasher as _,
    ops::Range,
    sync::Arc,
};

use hashbrown::{HashTable, hash_table};

use super::{
    entry::{Backing, DEFAULT_STORE, StoreEntry},
    reader::{Reader, near_miss, unknown_store},
};
use crate::{
    Error, ErrorKind, SecretName,
    document::NodeId,
    reference::{PieceText, Reference, may_hold_reference, scan},
};

/// The references outside `secrets:`, and the texts in which they stand.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    references: Vec<Reference>,
    templates: Vec<Template>,
    parts: Vec<Part>,
}

/// A text with references or escapes in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Template {
    /// The text's node.
    pub node: NodeId,
    parts: Range<u32>,
}

/// A stretch of a [`Template`]: a range of the node's decoded text, in bytes.
#[derive(Clone, Debug)]
pub enum Part {
    /// Plain text, escapes left out.
    Literal(Range<u32>),
    /// A reference: its place in [`Usage::references`], and in the text.
    Reference(u32, Range<u32>),
}

impl Usage {
    /// Every reference, once.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Makes references that name no store name this one.
    pub(super) fn redirect(&mut self, store: &str) {
        for reference in self.references.iter_mut().filter(|reference| reference.store.is_none()) {
            reference.store = Some(store.into());
        }
    }

    /// Every text that holds a reference or an escaped one, in the order of the file.
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// The stretches of a text, in order.
    pub fn parts(&self, template: &Template) -> &[Part] {
        &self.parts[template.parts.start as usize..template.parts.end as usize]
    }

    /// The references in a text, by their place in [`references`](Usage::references), in order.
    pub fn references_in(&self, template: &Template) -> impl Iterator<Item = usize> + '_ {
        self.parts(template).iter().filter_map(|part| match part {
            Part::Reference(at, _) => Some(*at as usize),
            Part::Literal(_) => None,
        })
    }

    /// The first place where a reference stands.
    pub fn first_use(&self, reference: usize) -> Option<(NodeId, Range<usize>)> {
        self.uses().find(|(at, ..)| *at == reference).map(|(_, node, span)| (node, span))
    }

    /// Every place where a reference stands: its index, the text's node, and the span in the decoded text.
    pub fn uses(&self) -> impl Iterator<Item = (usize, NodeId, Range<usize>)> + '_ {
        self.templates.iter().flat_map(|template| {
            self.parts(template).iter().filter_map(|part| match part {
                Part::Reference(at, span) => {
                    Some((*at as usize, template.node, span.start as usize..span.end as usize))
                }
                Part::Literal(_) => None,
            })
        })
    }
}

/// Reads every text outside the `secrets:` section.
pub(super) fn read(
    reader: &mut Reader<'_>,
    secrets: Option<NodeId>,
    stores: &BTreeMap<Arc<str>, StoreEntry>,
) -> Usage {
    let document = reader.document();
    let mut usage = Usage::default();
    // Places in `usage.references`, by the hash of what stands there: each reference is kept once.
    let random = foldhash::fast::RandomState::default();
    let mut seen: HashTable<u32> = HashTable::new();
    let mut names = NameCheck::new(stores);
    for (node, text) in document.strings() {
        if !may_hold_reference(text) {
            if text.contains("${")
                && let Some(span) = near_miss(text)
                && !is_within(reader, node, secrets)
            {
                let error =
                    Error::new(ErrorKind::InvalidReference, "this looks like a reference and is none")
                        .with_help("a reference is written ${secrets:NAME}");
                reader.reference_warning(node, span, error);
            }
            continue;
        }
        if is_within(reader, node, secrets) {
            continue;
        }
        let first_part = offset(usage.parts.len());
        for piece in scan(text) {
            let span = offset(piece.span.start)..offset(piece.span.end);
            match piece.text {
                // An escape's text is the end of its piece: what was dropped is the `$` before it.
                PieceText::Literal(literal) => {
                    usage.parts.push(Part::Literal(span.end - offset(literal.len())..span.end));
                }
                PieceText::Broken(error) => reader.reference_problem(node, piece.span, *error),
                PieceText::Reference(reference) => {
                    let references = &mut usage.references;
                    let known = seen.entry(
                        random.hash_one(&reference),
                        |&at| references[at as usize] == *reference,
                        |&at| random.hash_one(&references[at as usize]),
                    );
                    let at = match known {
                        hash_table::Entry::Occupied(known) => *known.get(),
                        hash_table::Entry::Vacant(new) => {
                            if let Err(error) = names.check(&reference) {
                                reader.reference_problem(node, piece.span, error);
                            }
                            let at = offset(references.len());
                            new.insert(at);
                            references.push(*reference);
                            at
                        }
                    };
                    usage.parts.push(Part::Reference(at, span));
                }
            }
        }
        usage.templates.push(Template { node, parts: first_part..offset(usage.parts.len()) });
    }
    usage
}

/// Documents are below 4 GiB: [`Document::parse`](crate::document::Document::parse) refuses larger ones.
#[allow(clippy::cast_possible_truncation, reason = "a document is shorter than u32::MAX")]
fn offset(at: usize) -> u32 {
    at as u32
}

fn is_within(reader: &Reader<'_>, node: NodeId, section: Option<NodeId>) -> bool {
    let mut at = Some(node);
    while let Some(node) = at {
        if Some(node) == section {
            return true;
        }
        at = reader.document().parent(node);
    }
    false
}

/// What can be said of a reference's store and name before anything is opened.
struct NameCheck<'a> {
    stores: &'a BTreeMap<Arc<str>, StoreEntry>,
    namings: HashMap<&'a str, Option<crate::Naming>>,
    /// For stores under a naming rule: which logical name took a backend name.
    taken: HashMap<(&'a str, SecretName), SecretName>,
}

impl<'a> NameCheck<'a> {
    fn new(stores: &'a BTreeMap<Arc<str>, StoreEntry>) -> Self {
        let naming = |entry: &StoreEntry| entry.static_naming().filter(|naming| !naming.is_identity());
        let namings = stores.iter().map(|(name, entry)| (&**name, naming(entry))).collect();
        NameCheck { stores, namings, taken: HashMap::new() }
    }

    fn check(&mut self, reference: &Reference) -> Result<(), Error> {
        let store = reference.store.as_deref().unwrap_or(DEFAULT_STORE);
        let Some((store, entry)) = self.stores.get_key_value(store) else {
            return Err(unknown_store(reference, self.stores.keys().map(|name| &**name)));
        };
        if matches!(entry.backing, Backing::Broken) {
            return Ok(());
        }
        let Some(Some(naming)) = self.namings.get(&**store) else { return Ok(()) };
        let backend = naming.to_backend(&reference.name)?;
        match self.taken.entry((store, backend)) {
            hash_map::Entry::Occupied(taken) if *taken.get() != reference.name => {
                let message = format!("this name and '{}' are one name in the store '{store}'", taken.get());
                Err(Error::new(ErrorKind::InvalidName, message)
                    .with_name(&reference.name)
                    .with_help("refer to a secret by one spelling"))
            }
            hash_map::Entry::Occupied(_) => Ok(()),
            hash_map::Entry::Vacant(free) => {
                free.insert(reference.name.clone());
                Ok(())
            }
        }
    }
}
