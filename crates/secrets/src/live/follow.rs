//! Providers follow their secrets: what a store tells changes generations.

use std::{sync::Arc, time::Duration};

use super::{
    Inner,
    activation::{ActivationError, Reason},
    generation::Generation,
    provider::{DocumentId, Provider},
};
use crate::{
    AuthFailure, Error, ErrorKind, Result, SecretValue, Version,
    engine::{Pin, background},
    observe::{Event, EventKind, Subject},
    reference::Reference,
};

/// The first and the longest pause before a store that could not be opened is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Where a provider is to follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To a value that its store has.
    Onward,
    /// To the version before.
    Back,
}

impl Inner {
    /// Takes in an event of a store.
    pub(super) fn hear(&self, event: &Event) {
        let Subject::Secret { store, name, selector } = &event.subject else { return };
        let Ok(name) = crate::SecretName::new(&**name) else { return };
        let document = DocumentId { store: Arc::clone(store), name, selector: selector.clone() };
        match &event.kind {
            EventKind::Resolved { version: to } | EventKind::Rotated { to, .. } => {
                self.follow_later(&document, to, Way::Onward);
            }
            EventKind::FellBack { to, .. } => self.follow_later(&document, to, Way::Back),
            EventKind::Revoked { reason } => {
                let error = Error::new(*reason, "the store has this value no more");
                self.end(&document, &error);
            }
            EventKind::Expired => {
                let error =
                    Error::new(ErrorKind::Unavailable, "the value ended, and its store gave no other");
                self.end(&document, &error);
            }
            _ => {}
        }
    }

    pub(super) fn follow_later(&self, document: &DocumentId, version: &Version, way: Way) {
        for provider in self.users(document) {
            if is_at(provider, document, version) {
                continue;
            }
            let Some(this) = self.this.upgrade() else { return };
            let (provider, document, version) = (Arc::clone(provider), document.clone(), version.clone());
            background::spawn(async move {
                // What fails is told as an event; the generation in use stays.
                let _ = this.follow(&provider, &document, &version, way).await;
            });
        }
    }

    /// Brings a provider to `version` of one of its documents.
    async fn follow(
        &self,
        provider: &Arc<Provider>,
        document: &DocumentId,
        version: &Version,
        way: Way,
    ) -> Result<()> {
        if is_at(provider, document, version) {
            return Ok(());
        }
        let serves = provider.pins().get(document).and_then(Pin::value);
        if serves.is_some_and(|serves| serves.version() != Some(version)) {
            // The store has moved on since; whoever was told of that sees to it.
            return Ok(());
        }
        if let Some(generation) = provider.change_over(document, version, self.clock.now()) {
            let (generation, reason) = (generation.number(), Reason::Rotation.as_str());
            self.tell(provider, EventKind::Activated { generation, reason });
            return Ok(());
        }
        if is_at(provider, document, version) {
            // Somebody else, who follows the same news, has just changed it over.
            return Ok(());
        }
        if way == Way::Back && provider.needs.documents.len() > 1 {
            // What else it had then is gone, and an old key must not meet a new organization.
            return Err(Error::new(ErrorKind::Unavailable, "the generation before is not at hand any more"));
        }
        let reason = if provider.current().is_ok() { Reason::Rotation } else { Reason::Recovery };
        let is_there = |current: &Generation| current.version_of(document) == Some(version);
        let adopted = self.adopt(provider, document, reason, is_there).await;
        adopted.map(|_| ()).map_err(ActivationError::into_error)
    }

    /// A document has no value any more: the generations that hold it end, unless they can do without.
    fn end(&self, document: &DocumentId, error: &Error) {
        let error = error.clone().with_store(Arc::clone(&document.store)).with_name(&document.name);
        for provider in self.users(document) {
            let can_do_without = provider
                .needs
                .references
                .iter()
                .filter(|reference| document.is_of(reference))
                .all(|reference| self.can_do_without(reference, &error));
            if !can_do_without {
                if provider.deactivate(error.clone()) {
                    self.tell(provider, EventKind::Deactivated { error: error.clone() });
                }
                continue;
            }
            let Some(this) = self.this.upgrade() else { return };
            let (provider, document, error) = (Arc::clone(provider), document.clone(), error.clone());
            background::spawn(async move {
                if this.adopt(&provider, &document, Reason::Rotation, |_| false).await.is_err()
                    && provider.deactivate(error.clone())
                {
                    this.tell(&provider, EventKind::Deactivated { error });
                }
            });
        }
    }

    fn can_do_without(&self, reference: &Reference, error: &Error) -> bool {
        let has_fallback = reference.fallback.is_some() && error.kind() == ErrorKind::NotFound;
        has_fallback || self.configuration.may_be_missing(reference, error)
    }

    /// Passes a refusal on to the store, and lets the providers that use the reference follow.
    pub(super) async fn refused(&self, reference: &Reference, version: &Version) -> AuthFailure {
        let store = match self.store_of(reference).await {
            Ok(store) => store,
            Err(error) => return AuthFailure::Unavailable(error),
        };
        let outcome = store.report_refused(&reference.name, reference.version.as_ref(), version).await;
        let document = DocumentId::of(reference);
        match outcome {
            AuthFailure::Rotated(value) => match self.all_follow(&document, &value, Way::Onward).await {
                Ok(()) => AuthFailure::Rotated(value),
                Err(error) => AuthFailure::Unavailable(error),
            },
            AuthFailure::FellBack(value) => match self.all_follow(&document, &value, Way::Back).await {
                Ok(()) => AuthFailure::FellBack(value),
                Err(_) => AuthFailure::Unchanged,
            },
            outcome => outcome,
        }
    }

    async fn all_follow(&self, document: &DocumentId, value: &SecretValue, way: Way) -> Result<()> {
        let Some(version) = value.version() else { return Ok(()) };
        for provider in self.users(document) {
            self.follow(provider, document, version, way).await?;
        }
        Ok(())
    }

    /// Wipes the generation that was kept aside when its time is over.
    pub(super) fn end_aside_later(&self, provider: &Arc<Provider>) {
        let sleep = self.clock.sleep(self.configuration.policy().previous_retain);
        let (provider, clock) = (Arc::downgrade(provider), Arc::clone(&self.clock));
        background::spawn(async move {
            sleep.await;
            if let Some(provider) = provider.upgrade() {
                provider.end_aside(clock.now());
            }
        });
    }

    /// Tries providers again whose stores could not be opened at the start. All else comes back by the events of
    /// its store.
    pub(super) fn retry_later(&self) {
        let (this, clock) = (self.this.clone(), Arc::clone(&self.clock));
        background::spawn(async move {
            let mut pause = RETRY.0;
            loop {
                clock.sleep(pause).await;
                let Some(this) = this.upgrade() else { return };
                let waiting: Vec<&Arc<Provider>> =
                    this.providers.iter().filter(|provider| provider.lacks_pins()).collect();
                if waiting.is_empty() {
                    return;
                }
                for provider in waiting {
                    let _ = this.activate(provider, Reason::Recovery).await;
                }
                pause = (pause * 2).min(RETRY.1);
            }
        });
    }
}

/// Whether the provider's generation holds this version of a document.
fn is_at(provider: &Provider, document: &DocumentId, version: &Version) -> bool {
    provider.current().is_ok_and(|current| current.version_of(document) == Some(version))
}
