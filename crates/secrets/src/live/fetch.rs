//! How references are fetched for a generation.

use futures_util::future::join_all;

use super::{
    Inner,
    provider::{DocumentId, Provider},
};
use crate::{
    BaseSecretStore, Error, Result, SecretName, SecretValue, Version,
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
    /// The outcome of each reference: documents once, stores side by side.
    pub(super) async fn fetch(
        &self,
        references: &[Reference],
        source: Source<'_>,
    ) -> Vec<Result<SecretValue>> {
        let plan = Plan::of(references);
        let answers = join_all(plan.stores().iter().map(|store| self.ask(store, source))).await;
        plan.answer(&answers)
    }

    /// As [`fetch`](Inner::fetch), and given up after `init_timeout`: what has come until then counts.
    pub(super) async fn fetch_in_time(&self, references: &[Reference]) -> Vec<Result<SecretValue>> {
        let limit = self.configuration.policy().init_timeout;
        let plan = Plan::of(references);
        let deadline = self.clock.now().later(limit);
        let asked = plan.stores().iter().map(|store| async move {
            let left = deadline.since(self.clock.now());
            tokio::select! {
                answers = self.ask(store, Source::Cache) => answers,
                () = self.clock.sleep(left) => self.what_has_come(store, &too_late(limit)),
            }
        });
        let answers = join_all(asked).await;
        plan.answer(&answers)
    }

    async fn ask(&self, plan: &StorePlan<'_>, source: Source<'_>) -> Answers {
        let store = self.open(plan).await?;
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

    async fn open(&self, plan: &StorePlan<'_>) -> Result<BaseSecretStore> {
        self.stores.live(plan.store()).await.map_err(|error| error.with_store(plan.store()))
    }

    /// What the cache has of a store that did not answer everything in time.
    fn what_has_come(&self, plan: &StorePlan<'_>, late: &Error) -> Answers {
        let late = late.clone().with_store(plan.store());
        // Opening the store may be what takes so long.
        let Some(store) = futures_util::FutureExt::now_or_never(self.open(plan)) else { return Err(late) };
        let store = store?;
        let answers = plan.documents().map(|document| {
            let current = document.version.is_none();
            let cached = current.then(|| store.with_value(document.name.as_str(), Clone::clone)).flatten();
            cached.ok_or_else(|| late.clone())
        });
        Ok(answers.collect())
    }

    /// Sees to it that the provider's documents are kept fresh, as far as their stores can be opened.
    pub(super) async fn pin(&self, provider: &Provider) {
        for document in &provider.needs.documents {
            if provider.pins().contains_key(document) {
                continue;
            }
            if let Ok(store) = self.stores.live(&document.store).await {
                let pin = store.pin(&document.name, document.selector.as_ref());
                // The guard is a statement of its own: a pin that is dropped takes the engine's lock.
                let before = provider.pins().insert(document.clone(), pin);
                drop(before);
            }
        }
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

fn too_late(limit: std::time::Duration) -> Error {
    let limit = crate::duration::format(limit);
    Error::new(crate::ErrorKind::Unavailable, format!("the store did not answer within {limit} of the start"))
        .with_help("'init_timeout' is the longest that the start may take")
}
