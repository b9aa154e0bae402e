//! How references are fetched for a generation.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{
    Inner,
    provider::{DocumentId, Provider},
};
use crate::{
    BaseSecretStore, Error, ErrorKind, Result, SecretName, SecretValue, Version,
    plan::{Answers, Plan, PlannedDocument, StorePlan},
    reference::Reference,
};

/// Where values come from.
#[derive(Clone, Copy)]
pub(super) enum Source<'d> {
    /// The cache, and the store for what it lacks.
    Cache,
    /// The store, past the cache.
    Store,
    /// The store, but for this document: that was fetched just now.
    StoreExcept(&'d DocumentId),
}

impl Inner {
    /// The outcome of each of the provider's references: documents once, stores side by side. From then on they are
    /// kept fresh, as far as their stores can be opened.
    pub(super) async fn fetch(
        &self,
        provider: &Arc<Provider>,
        source: Source<'_>,
    ) -> Vec<Result<SecretValue>> {
        let plan = Plan::of(&provider.needs.references);
        let holders = std::slice::from_ref(provider);
        let answers = join_all(plan.stores().iter().map(|store| self.ask(store, source, holders))).await;
        self.usable(&provider.needs.references, plan.answer(&answers))
    }

    /// As [`fetch`](Inner::fetch), for all providers and references, and given up after `init_timeout`: what has come
    /// until then counts.
    pub(super) async fn fetch_in_time(&self, references: &[Reference]) -> Vec<Result<SecretValue>> {
        let limit = self.configuration.policy().init_timeout;
        let plan = Plan::of(references);
        let deadline = self.clock.now().later(limit);
        let asked = plan.stores().iter().map(|store| async move {
            let left = deadline.since(self.clock.now());
            tokio::select! {
                biased;
                () = self.clock.sleep(left) => self.what_has_come(store, &too_late(limit)),
                answers = self.ask(store, Source::Cache, &self.providers) => answers,
            }
        });
        let answers = join_all(asked).await;
        self.usable(references, plan.answer(&answers))
    }

    /// The outcomes; of a value that has come to its own end, that it has.
    fn usable(
        &self,
        references: &[Reference],
        outcomes: Vec<Result<SecretValue>>,
    ) -> Vec<Result<SecretValue>> {
        let now = self.clock.wall();
        let usable = |(outcome, reference): (Result<SecretValue>, &Reference)| match outcome {
            Ok(value) if value.expires_at().is_some_and(|end| end <= now) => {
                Err(DocumentId::of(reference).ended())
            }
            outcome => outcome,
        };
        outcomes.into_iter().zip(references).map(usable).collect()
    }

    async fn ask(&self, plan: &StorePlan<'_>, source: Source<'_>, holders: &[Arc<Provider>]) -> Answers {
        let store = self.live(plan.store()).await?;
        for provider in holders {
            provider.hold(plan.store(), &store);
        }
        let (Source::Store | Source::StoreExcept(_)) = source else { return Ok(plan.ask(&store).await) };
        let known: Vec<Option<SecretValue>> =
            plan.documents().map(|document| held(&store, plan, &document, source)).collect();
        let questions: Vec<(SecretName, Option<Version>)> = plan
            .documents()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .map(|(document, _)| (document.name.clone(), document.version.cloned()))
            .collect();
        let mut answers = store.fetch_anew(&questions).await.into_iter();
        let answered = known.into_iter().map(|known| match known {
            Some(value) => Ok(value),
            None => answers.next().unwrap_or_else(|| Err(Error::unanswered())),
        });
        Ok(answered.collect())
    }

    /// The store with this name. One that hangs in opening is given up, or who needs it would wait for ever.
    pub(super) async fn live(&self, name: &str) -> Result<BaseSecretStore> {
        let limit = self.configuration.policy().init_timeout;
        let opened = tokio::select! {
            biased;
            opened = self.stores.live(name) => opened,
            () = self.clock.sleep(limit) => Err(hangs(limit)),
        };
        opened.map_err(|error| error.with_store(name))
    }

    /// What the cache has of a store that did not answer everything in time.
    fn what_has_come(&self, plan: &StorePlan<'_>, late: &Error) -> Answers {
        let late = late.clone().with_store(plan.store());
        // Opening the store may be what takes so long.
        let Some(store) = futures_util::FutureExt::now_or_never(self.live(plan.store())) else {
            return Err(late);
        };
        let store = store?;
        let answers = plan.documents().map(|document| {
            let current = document.version.is_none();
            let cached = current.then(|| store.with_value(document.name.as_str(), Clone::clone)).flatten();
            cached.ok_or_else(|| late.clone())
        });
        Ok(answers.collect())
    }
}

/// The value of a document that need not be fetched.
fn held(
    store: &BaseSecretStore,
    plan: &StorePlan<'_>,
    document: &PlannedDocument<'_>,
    source: Source<'_>,
) -> Option<SecretValue> {
    let Source::StoreExcept(fresh) = source else { return None };
    let is_fresh = *fresh.store == *plan.store()
        && fresh.name == *document.name
        && fresh.selector.as_ref() == document.version;
    is_fresh.then(|| store.held_value(document.name, document.version)).flatten()
}

fn too_late(limit: Duration) -> Error {
    let limit = crate::duration::format(limit);
    Error::new(ErrorKind::Unavailable, format!("the store did not answer within {limit} of the start"))
        .with_help("'init_timeout' is the longest that the start may take")
}

fn hangs(limit: Duration) -> Error {
    let limit = crate::duration::format(limit);
    Error::new(ErrorKind::Unavailable, format!("the store could not be opened within {limit}"))
        .with_help("'init_timeout' is the longest that opening a store may take")
}
