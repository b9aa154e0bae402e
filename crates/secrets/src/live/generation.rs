//! A generation: one consistent set of a provider's values.

use std::{collections::HashMap, fmt, sync::Arc};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::{
    activation::Reason,
    provider::{DocumentId, Needs},
};
use crate::{Result, SecretValue, Version, config::Configuration, reference::Reference, resolver::fill};

/// One consistent set of a provider's resolved values, published at once.
///
/// It never changes. Take a new one from [`ProviderHandle::current`](super::ProviderHandle::current) for each
/// request; who keeps it keeps its values.
pub struct Generation {
    needs: Arc<Needs>,
    configuration: Arc<Configuration>,
    number: u64,
    reason: Reason,
    activated_at: Timestamp,
    /// The value of each of the provider's references; none of one that is missing and may be.
    values: Vec<Option<SecretValue>>,
    /// The resolved texts, by their path in the provider.
    texts: HashMap<String, SecretString>,
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("provider", &self.needs.id)
            .field("number", &self.number)
            .field("reason", &self.reason)
            .field("activated_at", &self.activated_at)
            .finish_non_exhaustive()
    }
}

impl Generation {
    /// Builds a generation from the outcomes of the provider's references.
    pub(super) fn build(
        needs: &Arc<Needs>,
        configuration: &Arc<Configuration>,
        outcomes: &[Result<SecretValue>],
        number: u64,
        reason: Reason,
        activated_at: Timestamp,
    ) -> Result<Self> {
        let mut texts = HashMap::new();
        for (path, template) in &needs.templates {
            let outcome = |at: usize| {
                // Every reference of the provider's texts is one of its references.
                let own = needs.places.binary_search(&at).unwrap_or_default();
                &outcomes[own]
            };
            if let Some(text) = fill(configuration, template, outcome)? {
                texts.insert(path.clone(), SecretString::from(text.as_str()));
            }
        }
        let values = outcomes.iter().map(|outcome| outcome.as_ref().ok().cloned()).collect();
        let configuration = Arc::clone(configuration);
        Ok(Generation {
            needs: Arc::clone(needs),
            configuration,
            number,
            reason,
            activated_at,
            values,
            texts,
        })
    }

    /// The provider's ID.
    pub fn provider(&self) -> &str {
        &self.needs.id
    }

    /// Counts the generations of this provider, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Why it was made.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// When it was made.
    pub fn activated_at(&self) -> Timestamp {
        self.activated_at
    }

    /// A setting's text, with values in place of references. `path` is relative to the provider: `api_key`,
    /// `headers.organization`, `keys[0]`.
    ///
    /// `None` if there is no such text, or a reference in it is missing and may be.
    pub fn setting(&self, path: &str) -> Option<&str> {
        if let Some(text) = self.texts.get(path) {
            return Some(text.expose_secret());
        }
        let is_template = self.needs.templates.iter().any(|(known, _)| known == path);
        let (_, node) = self.needs.texts.iter().find(|(known, _)| known == path && !is_template)?;
        self.configuration.document()?.string(*node)
    }

    /// Each of the provider's references, and its value here.
    pub fn secrets(&self) -> impl Iterator<Item = (&Reference, &SecretValue)> {
        self.needs
            .references
            .iter()
            .zip(&self.values)
            .filter_map(|(reference, value)| Some((reference, value.as_ref()?)))
    }

    /// The first secret in a setting: what to report if the upstream API refuses it.
    pub fn secret(&self, path: &str) -> Option<(&Reference, &SecretValue)> {
        let (_, template) = self.needs.templates.iter().find(|(known, _)| known == path)?;
        let at = self.configuration.usage().references_in(template).next()?;
        let own = self.needs.places.binary_search(&at).ok()?;
        Some((&self.needs.references[own], self.values[own].as_ref()?))
    }

    /// Whether both hold the same versions of everything.
    pub(super) fn has_versions_of(&self, other: &Generation) -> bool {
        let versions = |generation: &Generation| -> Vec<Option<Version>> {
            generation.values.iter().map(|value| value.as_ref()?.version().cloned()).collect()
        };
        versions(self) == versions(other)
    }

    /// The version of a document that is in this generation; none if it is not, or only a fallback is.
    pub(super) fn version_of(&self, document: &DocumentId) -> Option<&Version> {
        self.secrets().find(|(reference, _)| document.is_of(reference))?.1.version()
    }
}
