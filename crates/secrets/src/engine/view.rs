//! What readers see: the values that may be served right now, and nothing else.

use std::{
    borrow::Borrow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use crate::{Error, SecretName, SecretValue, Version};

/// An entry's key: a name, or a name and a version.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(Arc<str>);

impl Key {
    /// The current version of `name`. Costs no allocation.
    pub(super) fn current(name: &SecretName) -> Self {
        Key(name.into())
    }

    /// One version of `name`. No name holds a NUL, so no other name's key is the same.
    pub(super) fn version(name: &SecretName, version: &Version) -> Self {
        Key(format!("{}\0{}", name.as_str(), version.as_str()).into())
    }

    pub(super) fn is_version(&self) -> bool {
        self.0.contains('\0')
    }

    /// The name, and the version asked for; none for the current one.
    pub(super) fn parts(&self) -> (&str, Option<&str>) {
        match self.0.split_once('\0') {
            Some((name, version)) => (name, Some(version)),
            None => (&self.0, None),
        }
    }

    pub(super) fn is_version_of(&self, name: &SecretName) -> bool {
        self.0.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('\0'))
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// An answer that may be served.
pub(super) struct Slot {
    pub(super) answer: Answer,
    /// Set by the first reader; what nobody reads is not worth refreshing. One write until the timer looks, so
    /// readers on other cores keep their copy of the line.
    used: AtomicBool,
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Value(SecretValue),
    Missing(Error),
}

impl Slot {
    fn new(answer: Answer) -> Self {
        Slot { answer, used: AtomicBool::new(false) }
    }

    fn touch(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

/// A map that readers never wait for: no lock, no counter that all share, no clock.
///
/// What is in it may be served. Whoever changes it decides when; readers judge nothing.
pub(super) struct View {
    slots: papaya::HashMap<Key, Slot, foldhash::fast::RandomState>,
    /// Counts the changes, after they were made: who keeps a copy of what it read after it saw a number may use the
    /// copy while it sees that number.
    epoch: Arc<AtomicU32>,
}

impl View {
    pub(super) fn new() -> Self {
        let slots = papaya::HashMap::builder()
            .hasher(foldhash::fast::RandomState::default())
            // A value that was withdrawn is wiped as soon as its last reader is gone, not in batches.
            .collector(papaya_collector())
            // A resize bit by bit keeps what is withdrawn meanwhile until its end, which only writes bring about.
            .resize_mode(papaya::ResizeMode::Blocking)
            .build();
        View { slots, epoch: Arc::default() }
    }

    /// See [`BaseSecretStore::epoch`](crate::BaseSecretStore::epoch).
    pub(super) fn epoch(&self) -> &Arc<AtomicU32> {
        &self.epoch
    }

    /// Reads the answer for `key`, borrowed.
    #[inline]
    pub(super) fn read<R>(&self, key: &str, read: impl FnOnce(&Answer) -> R) -> Option<R> {
        let map = self.slots.pin();
        let slot = map.get(key)?;
        slot.touch();
        Some(read(&slot.answer))
    }

    /// Whether anyone has read the answer for `key` since it was published, or since this was last asked.
    pub(super) fn take_use(&self, key: &Key) -> bool {
        let map = self.slots.pin();
        let is_used = map.get(key).is_some_and(|slot| slot.used.swap(false, Ordering::Relaxed));
        if is_used {
            // Who reads a copy is to be seen once more.
            self.epoch.fetch_add(1, Ordering::Release);
        }
        is_used
    }

    pub(super) fn publish(&self, key: Key, answer: Answer) {
        self.slots.pin().insert(key, Slot::new(answer));
        self.epoch.fetch_add(1, Ordering::Release);
    }

    pub(super) fn withdraw(&self, key: &Key) {
        if self.slots.pin().remove(key).is_some() {
            self.epoch.fetch_add(1, Ordering::Release);
        }
    }

    /// The answer for `key`, without a trace of the look.
    #[cfg(test)]
    pub(super) fn peek(&self, key: &Key) -> Option<Answer> {
        self.slots.pin().get(key).map(|slot| slot.answer.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The names of which the current value may be served, in no order.
    pub(super) fn names(&self) -> Vec<String> {
        let map = self.slots.pin();
        let values = map.iter().filter(|(_, slot)| matches!(slot.answer, Answer::Value(_)));
        values.filter(|(key, _)| !key.is_version()).map(|(key, _)| key.0.to_string()).collect()
    }
}

fn papaya_collector() -> seize::Collector {
    seize::Collector::new().batch_size(1)
}
