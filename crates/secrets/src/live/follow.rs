//! Providers follow their secrets: what a store tells changes generations.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;

use super::{
    Inner,
    activation::{ActivationError, Reason},
    generation::Generation,
    provider::{DocumentId, Provider},
    start::is_outage,
};
use crate::{
    AuthFailure, Error, ErrorKind, Result, SecretValue, Version,
    engine::{Pin, background},
    observe::{Event, EventKind, Subject},
    reference::Reference,
};

/// The first and the longest pause before what failed is tried again.
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
            EventKind::Expired => self.end(&document, &document.ended()),
            _ => {}
        }
    }

    /// Activates a provider that is inactive, with what its stores have.
    pub(super) fn recover_later(&self, provider: &Arc<Provider>) {
        let Some(this) = self.this.upgrade() else { return };
        let provider = Arc::clone(provider);
        // What fails is told as an event, and comes back by the events of its store.
        background::spawn(async move {
            let _ = this.recover(&provider).await;
        });
    }

    pub(super) fn follow_later(&self, document: &DocumentId, version: &Version, way: Way) {
        if !self.has_started.load(Ordering::SeqCst) {
            // The start will see what is there.
            return;
        }
        for provider in self.users(document) {
            if is_at(provider, document, version) {
                continue;
            }
            let (this, weak) = (self.this.clone(), Arc::downgrade(provider));
            let (document, version, clock) = (document.clone(), version.clone(), Arc::clone(&self.clock));
            background::spawn(async move {
                let mut pause = RETRY.0;
                loop {
                    let (Some(this), Some(provider)) = (this.upgrade(), weak.upgrade()) else { return };
                    // What fails is told as an event; the generation in use stays.
                    let Err(error) = this.follow(&provider, &document, &version, way).await else { return };
                    // Nobody tells when the store answers again that another of its documents is in.
                    if way == Way::Back || !may_pass(error.kind()) {
                        return;
                    }
                    drop((this, provider));
                    clock.sleep(pause).await;
                    pause = (pause * 2).min(RETRY.1);
                    if weak.upgrade().is_none_or(|provider| held(&provider, &document).is_none()) {
                        // It has ended. Whoever is told that it is there again sees to it.
                        return;
                    }
                }
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
        if held(provider, document).is_some_and(|held| held.version() != Some(version)) {
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
            if !can_do_without || !self.has_started.load(Ordering::SeqCst) {
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
    /// What comes of it is for `asking`, or for all of them.
    pub(super) async fn refused(
        &self,
        reference: &Reference,
        version: &Version,
        asking: Option<&Arc<Provider>>,
    ) -> AuthFailure {
        let store = match self.store_of(reference).await {
            Ok(store) => store,
            Err(error) => return AuthFailure::Unavailable(error),
        };
        let outcome = store.report_refused(&reference.name, reference.version.as_ref(), version).await;
        let document = DocumentId::of(reference);
        match outcome {
            AuthFailure::Rotated(value) => {
                match self.all_follow(&document, &value, Way::Onward, asking).await {
                    Ok(()) => AuthFailure::Rotated(value),
                    Err(error) => AuthFailure::Unavailable(error),
                }
            }
            AuthFailure::FellBack(value) => match self.all_follow(&document, &value, Way::Back, asking).await
            {
                Ok(()) => AuthFailure::FellBack(value),
                Err(_) => AuthFailure::Unchanged,
            },
            outcome => outcome,
        }
    }

    /// Brings all users of a document to its value. One that cannot change over keeps no other from it; whether it
    /// failed is for `asking`, or for all of them.
    async fn all_follow(
        &self,
        document: &DocumentId,
        value: &SecretValue,
        way: Way,
        asking: Option<&Arc<Provider>>,
    ) -> Result<()> {
        let Some(version) = value.version() else { return Ok(()) };
        let follow = self.users(document).map(|provider| async move {
            let followed = self.follow(provider, document, version, way).await;
            if asking.is_none_or(|asking| Arc::ptr_eq(asking, provider)) { followed } else { Ok(()) }
        });
        join_all(follow).await.into_iter().collect()
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

    /// Tries providers again whose stores could not be opened at the start, side by side: one store that hangs keeps
    /// no other waiting. All else comes back by the events of its store.
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
                join_all(waiting.into_iter().map(|provider| this.recover(provider))).await;
                pause = (pause * 2).min(RETRY.1);
            }
        });
    }
}

/// Whether what kept a provider from changing over may be over soon, without any of its documents changing.
fn may_pass(kind: ErrorKind) -> bool {
    is_outage(kind) || kind == ErrorKind::Denied
}

/// The value of a document that the provider keeps fresh.
fn held(provider: &Provider, document: &DocumentId) -> Option<SecretValue> {
    provider.pins().get(document).and_then(Pin::value)
}

/// Whether the provider's generation holds this version of a document.
fn is_at(provider: &Provider, document: &DocumentId, version: &Version) -> bool {
    provider.current().is_ok_and(|current| current.version_of(document) == Some(version))
}
