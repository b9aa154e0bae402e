//! Live handles: names that are held, and what their holders hear of them.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

use super::{
    Engine, Led, Question,
    entry::Verdict,
    flight::{Flight, Purpose},
    table::Refusal,
    view::Key,
};
use crate::{Error, Result, SecretName, SecretValue, Version, reference::Field};

/// What came of a value that the upstream API refused: see
/// [`BaseSecretStore::report_auth_failure`](crate::BaseSecretStore::report_auth_failure).
#[derive(Clone, Debug)]
#[must_use = "it says whether to try again, and with what"]
pub enum AuthFailure<T = SecretValue> {
    /// There is another value: try once more with it.
    Rotated(T),
    /// The store has no other value, but the version before is still at hand: try once more with it. A store is
    /// often written before the upstream API knows the new key.
    FellBack(T),
    /// The store has this value and no other: fail over.
    Unchanged,
    /// The store could not be asked, or has the value no more: fail over.
    Unavailable(Error),
}

impl<T> AuthFailure<T> {
    /// What to try once more with, if there is anything.
    pub fn value(&self) -> Option<&T> {
        match self {
            AuthFailure::Rotated(value) | AuthFailure::FellBack(value) => Some(value),
            AuthFailure::Unchanged | AuthFailure::Unavailable(_) => None,
        }
    }
}

/// Holds a name: as long as this lives, the name is refreshed whether it is read or not, and stays in the cache.
pub(crate) struct Pin {
    engine: Arc<Engine>,
    key: Key,
}

impl Pin {
    /// The value, as long as it may be served.
    pub(crate) fn value(&self) -> Option<SecretValue> {
        self.engine.state().table.value(&self.key)
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.engine.with_table(|table, now, view| table.unpin(&self.key, now, view));
    }
}

/// A live handle on one secret: made by [`BaseSecretStore::watch`](crate::BaseSecretStore::watch).
///
/// - The secret is refreshed in the background as long as the handle lives, whether it is read or not.
/// - The handle keeps no value of its own: what ends in the store's cache ends here.
pub struct Watch {
    pin: Pin,
    news: watch::Receiver<()>,
    seen: Option<Version>,
    field: Option<Field>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("pin", &self.pin).field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Watch {
    /// The value now; `None` if it was revoked, or could not be validated for too long.
    ///
    /// A handle on a field has no value either while the document is none, or has no such field.
    pub fn value(&self) -> Option<SecretValue> {
        self.read(self.pin.value())
    }

    fn read(&self, document: Option<SecretValue>) -> Option<SecretValue> {
        match (&self.field, document?) {
            (None, value) => Some(value),
            (Some(field), document) => Some(document.with_text(field.of(document.expose()).ok()?)),
        }
    }

    /// This handle on a field of the document.
    pub(crate) fn reading(self, field: Field) -> Self {
        Watch { field: Some(field), ..self }
    }

    /// Waits for the next version, and returns it; `None`, once, if the value ends.
    ///
    /// Who is slow misses versions in between, never the last one. Cancel-safe.
    pub async fn changed(&mut self) -> Option<SecretValue> {
        loop {
            self.news.borrow_and_update();
            let value = self.pin.value();
            let version = value.as_ref().and_then(|value| value.version().cloned());
            if version != self.seen {
                self.seen = version;
                return self.read(value);
            }
            if self.news.changed().await.is_err() {
                // The engine holds the sender as long as this pin lives.
                return None;
            }
        }
    }
}

impl Engine {
    /// Holds `name`, or one version of it.
    pub(crate) fn pin(self: &Arc<Self>, name: &SecretName, version: Option<&Version>) -> Pin {
        let key = Question { name: name.clone(), version: version.cloned() }.key();
        self.state().table.pin(&key);
        Pin { engine: Arc::clone(self), key }
    }

    /// The value held for `name`, whether the cache serves it or not.
    pub(crate) fn held_value(&self, name: &SecretName, version: Option<&Version>) -> Option<SecretValue> {
        let key = Question { name: name.clone(), version: version.cloned() }.key();
        self.state().table.value(&key)
    }

    /// A live handle on `name`, whose value was `seen` last.
    pub(crate) fn watch(self: &Arc<Self>, pin: Pin, seen: &SecretValue) -> Watch {
        let news = {
            let mut state = self.state();
            // Watches that ended leave their sender behind; a new one is the occasion to clear up.
            state.watches.retain(|_, sender| sender.receiver_count() > 0);
            state.watches.entry(pin.key.clone()).or_insert_with(|| watch::Sender::new(())).subscribe()
        };
        Watch { pin, news, seen: seen.version().cloned(), field: None }
    }

    /// The upstream API refused the value of `reported`.
    pub(crate) async fn report_auth_failure(
        &self,
        name: &SecretName,
        selector: Option<&Version>,
        reported: &Version,
    ) -> AuthFailure {
        let led = Led::of(Question { name: name.clone(), version: selector.cloned() });
        let key = led.key.clone();
        if let Err(error) = self.refuse_reentry(&key) {
            return AuthFailure::Unavailable(error);
        }
        let flight = Flight::new(Purpose::Force);
        let refusal = self.with_table(|table, now, view| table.refused(&key, reported, &flight, now, view));
        let seat = match refusal {
            Refusal::Settled(verdict) => return settled(verdict, Ok(())),
            Refusal::Join(seat) => seat,
            Refusal::Lead(seat) => {
                self.lead(flight, vec![led]);
                seat
            }
        };
        let answer = seat.wait().await;
        let asked = answer.as_ref().map(|_| ()).map_err(Clone::clone);
        let verdict =
            self.with_table(|table, now, view| table.refused_still(&key, reported, &asked, now, view));
        match (verdict, answer) {
            // Nothing is held to compare with: a store without a cache, or a name that was just written.
            (Verdict::Unchanged, Ok(value)) if value.version() != Some(reported) => {
                AuthFailure::Rotated(value)
            }
            (verdict, _) => settled(verdict, asked),
        }
    }
}

fn settled(verdict: Verdict, asked: Result<()>) -> AuthFailure {
    match (verdict, asked) {
        (Verdict::Rotated(value), _) => AuthFailure::Rotated(value),
        (Verdict::FellBack(value), _) => AuthFailure::FellBack(value),
        (Verdict::Unchanged | Verdict::Ask, Ok(())) => AuthFailure::Unchanged,
        (Verdict::Unavailable(error), _) | (Verdict::Unchanged | Verdict::Ask, Err(error)) => {
            AuthFailure::Unavailable(error)
        }
    }
}
