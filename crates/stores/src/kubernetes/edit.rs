//! Changes of Secrets: read, judged, and written only if they are still what was read.
//!
//! The cluster could change a key without being told a version. But a Secret that is immutable would then be told from
//! one whose values are wrong by words alone, and a change of one that is being deleted would be acknowledged and lost.

use std::{collections::BTreeMap, time::Duration};

use modelmesh_secrets::{Change, Error, ErrorKind, Result, SecretName, SecretValue};

use super::{
    KubernetesStore,
    cluster::Asked,
    object::{self, Keys, Object},
    place::Place,
};

/// How often a change is tried before others that come first each time are told of.
const ATTEMPTS: u32 = 20;

/// The longest pause before the second attempt; those before later ones are longer.
const PAUSE: Duration = Duration::from_millis(5);

/// The positions of what is to be done together, by Secret.
fn groups<'p, T>(items: &[(Place<'p>, T)]) -> BTreeMap<&'p str, Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, (place, _)) in items.iter().enumerate() {
        groups.entry(place.secret).or_default().push(at);
    }
    groups
}

impl KubernetesStore {
    /// Changes keys of one Secret, together, if `allows` agrees to what it holds. Makes the Secret if there is none.
    pub(super) async fn edit(
        &self,
        secret: &str,
        keys: &Keys<'_>,
        allows: impl Fn(Option<&Object>) -> Result<()> + Send + Sync,
    ) -> Result<()> {
        // Writers of this process take turns: they would only send each other round again.
        let _turn = self.turn.lock().await;
        let mut attempt = 1;
        loop {
            let held = self.find(secret).await?;
            allows(held.as_ref())?;
            match self.write(secret, held.as_ref(), keys).await {
                Err(error) if error.kind() == ErrorKind::Conflict && attempt < ATTEMPTS => {
                    tokio::time::sleep(pause(attempt)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn write(&self, secret: &str, held: Option<&Object>, keys: &Keys<'_>) -> Result<()> {
        let asked = match held {
            Some(held) => {
                held.check_change(keys)?;
                Asked::Patch(secret, object::patch(held, keys)?)
            }
            // There is nothing of which anything could be removed.
            None if keys.values().all(Option::is_none) => return Ok(()),
            None => {
                object::check_size(0, keys)?;
                Asked::Create(object::new_secret(secret, keys)?)
            }
        };
        let answer = self.cluster.ask(&asked).await.map_err(|error| match error.kind() {
            // It was there when it was read.
            ErrorKind::NotFound => {
                Error::new(ErrorKind::Conflict, "somebody else deleted the Secret meanwhile")
                    .with_help("try again")
            }
            _ => error,
        })?;
        // Something in between may say 'success', too, but hardly with the Secret.
        Object::read(&answer, secret).map(drop)
    }

    /// Sets keys of several Secrets, each Secret as a whole or not at all.
    pub(super) async fn put(&self, values: &[(Place<'_>, &(SecretName, SecretValue))]) -> Vec<Result<()>> {
        let mut results = vec![Ok(()); values.len()];
        for (secret, members) in groups(values) {
            let keys = members.iter().map(|&at| (values[at].0.key, Some(&values[at].1.1))).collect();
            let outcome = self.edit(secret, &keys, |_| Ok(())).await;
            for at in members {
                results[at].clone_from(&outcome);
            }
        }
        results
    }

    /// Makes the changes of callers who know what there was. Those of one Secret are made together; those of several
    /// are all compared before the first is made.
    pub(super) async fn put_known(&self, changes: &[(Place<'_>, &Change)]) -> Vec<Result<()>> {
        let groups = groups(changes);
        let mut results = vec![Ok(()); changes.len()];
        if groups.len() > 1 {
            for (secret, members) in &groups {
                let held = self.find(secret).await;
                for &at in members {
                    let held = held.as_ref().map_err(Clone::clone);
                    results[at] = held.and_then(|held| compare(held.as_ref(), &changes[at]));
                }
            }
        }
        let mut refused = results.iter().find_map(|result| result.as_ref().err().cloned());
        for (secret, members) in groups {
            let outcome = if let Some(error) = &refused {
                Err(error.clone())
            } else {
                let keys =
                    members.iter().map(|&at| (changes[at].0.key, changes[at].1.after.as_ref())).collect();
                let unchanged =
                    |held: Option<&Object>| members.iter().try_for_each(|&at| compare(held, &changes[at]));
                self.edit(secret, &keys, unchanged).await
            };
            refused = refused.or_else(|| outcome.as_ref().err().cloned());
            for at in members {
                results[at] = results[at].clone().and(outcome.clone());
            }
        }
        results
    }

    /// Removes a key. Its Secret stays, with its labels and whoever mounts it, even if that was the last one.
    pub(super) async fn remove(&self, place: Place<'_>) -> Result<()> {
        let is_there = |held: Option<&Object>| {
            let has_key = held.is_some_and(|held| held.data.contains_key(place.key));
            if has_key { Ok(()) } else { Err(object::no_such_key()) }
        };
        self.edit(place.secret, &Keys::from([(place.key, None)]), is_there).await
    }
}

/// Whether what a change is about is still what its caller saw.
fn compare(held: Option<&Object>, (place, change): &(Place<'_>, &Change)) -> Result<()> {
    change.check(held.map_or_else(|| Err(object::no_such_key()), |held| held.value(place.key)))
}

/// A random pause, the longer the more attempts there were.
fn pause(attempt: u32) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    (PAUSE * attempt).mul_f64(f64::from(random) / f64::from(u32::MAX))
}
