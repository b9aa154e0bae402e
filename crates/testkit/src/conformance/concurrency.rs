//! Many callers at once: no write is lost, and no reader sees half of one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use modelmesh_secrets::{ErrorKind, Result, SecretName, SecretValue};
use tokio::task::{JoinError, JoinSet, yield_now};
use tracing::instrument::WithSubscriber;

use super::{
    Case, CaseFailure, CaseResult, Harness, Verdict,
    case::{case_list, ensure},
    expect::{Shape, has_names, holds},
    harness::{Store, writer},
};

pub(super) fn cases() -> Vec<Case> {
    case_list![
        "concurrency/readers-of-one-name-agree" [] readers_of_one_name_agree,
        "concurrency/writers-of-different-names-lose-nothing" [Management] writers_of_different_names,
        "concurrency/writers-of-one-name-leave-a-whole-value" [Management] writers_of_one_name,
        "concurrency/readers-see-the-old-value-or-the-new" [Management] readers_see_old_or_new,
        "concurrency/deletes-and-sets-lose-nothing" [Management] deletes_and_sets,
        "concurrency/two-handles-lose-nothing" [Management, Reopen] two_handles,
    ]
}

const TASKS: usize = 32;

/// Runs the tasks at once, on whatever threads the runtime has, and waits for all of them.
async fn at_once<T, F>(tasks: impl IntoIterator<Item = F>) -> Result<Vec<T>, CaseFailure>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut set = JoinSet::new();
    for task in tasks {
        set.spawn(task.with_current_subscriber());
    }
    let mut results = Vec::new();
    while let Some(joined) = set.join_next().await {
        results.push(joined.map_err(|_| CaseFailure::new("a call panicked"))?);
    }
    Ok(results)
}

async fn set(store: Store, name: SecretName, value: SecretValue) -> Result<()> {
    store.management().expect("the case needs management").set(&name, &value).await
}

async fn readers_of_one_name_agree(h: &Harness<'_>) -> CaseResult {
    let (name, value) = h.secret("shared-key", "");
    let store = h.holding(&[(name.clone(), value.clone())]).await?;
    let readers = (0..TASKS).map(|_| {
        let (store, name) = (Arc::clone(&store), name.clone());
        async move { store.get(&name).await }
    });
    for got in at_once(readers).await? {
        super::expect::same("one of many reads", &got?, &value)?;
    }
    Ok(Verdict::Passed)
}

async fn writers_of_different_names(h: &Harness<'_>) -> CaseResult {
    let store = h.empty().await;
    let secrets: Vec<_> = (0..TASKS).map(|i| h.secret(&format!("key-{i}"), &format!("value {i}"))).collect();
    let writes = secrets.clone().into_iter().map(|(name, value)| set(Arc::clone(&store), name, value));
    for written in at_once(writes).await? {
        written?;
    }
    all_are_there(&store, &secrets).await
}

async fn all_are_there(store: &Store, secrets: &[(SecretName, SecretValue)]) -> CaseResult {
    has_names(store, &secrets.iter().map(|(name, _)| name).collect::<Vec<_>>()).await?;
    for (name, value) in secrets {
        holds(&**store, name, value).await?;
    }
    Ok(Verdict::Passed)
}

/// Values of one length with nothing in common but the mark by which leaks are recognized.
fn patterns(h: &Harness<'_>, count: usize) -> Vec<SecretValue> {
    (0..count).map(|i| h.value(&format!("-{i:02}").repeat(200))).collect()
}

async fn writers_of_one_name(h: &Harness<'_>) -> CaseResult {
    let store = h.empty().await;
    let name = h.name("shared-key");
    let writes = patterns(h, 16).into_iter().map(|value| {
        let (store, name) = (Arc::clone(&store), name.clone());
        async move { (set(store, name, value.clone()).await, value) }
    });
    let mut acknowledged = Vec::new();
    for (written, value) in at_once(writes).await? {
        match written {
            Ok(()) => acknowledged.push(value),
            // The one way in which a store may refuse: it saw another writer, and says so.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure!(!acknowledged.is_empty(), "of many writers, none got through");
    let last = store.get(&name).await?;
    ensure!(
        acknowledged.iter().any(|value| value.same_value(&last)),
        "the value left ({}) is none of those acknowledged",
        Shape(&last)
    );
    has_names(&store, &[&name]).await?;
    Ok(Verdict::Passed)
}

async fn readers_see_old_or_new(h: &Harness<'_>) -> CaseResult {
    let name = h.name("shared-key");
    let values: Arc<[SecretValue]> = patterns(h, 2).into();
    let store = h.holding(&[(name.clone(), values[0].clone())]).await?;
    let progress = Arc::new(Progress::default());
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let reader = read_until(Arc::clone(&store), name.clone(), Arc::clone(&values), Arc::clone(&progress));
        readers.spawn(reader.with_current_subscriber());
    }
    for value in values.iter().rev().cycle().take(20) {
        // Each write meets readers that are under way, however the runtime shares its threads.
        let seen = progress.reads.load(Ordering::Acquire);
        while progress.reads.load(Ordering::Acquire) < seen + 4 {
            if let Some(ended) = readers.try_join_next() {
                read(ended)?; // it ends before the writer only if it failed
            }
            yield_now().await;
        }
        writer(&store)?.set(&name, value).await?;
    }
    progress.done.store(true, Ordering::Release);
    while let Some(ended) = readers.join_next().await {
        read(ended)?;
    }
    Ok(Verdict::Passed)
}

fn read(ended: Result<Result<(), CaseFailure>, JoinError>) -> Result<(), CaseFailure> {
    ended.map_err(|_| CaseFailure::new("a read panicked"))?
}

/// What readers and the writer tell each other.
#[derive(Default)]
struct Progress {
    reads: AtomicUsize,
    done: AtomicBool,
}

async fn read_until(
    store: Store,
    name: SecretName,
    values: Arc<[SecretValue]>,
    progress: Arc<Progress>,
) -> Result<(), CaseFailure> {
    loop {
        // Asked before the read: the last read sees the last write.
        let last = progress.done.load(Ordering::Acquire);
        let got = store.get(&name).await?;
        ensure!(
            values.iter().any(|value| value.same_value(&got)),
            "a reader saw {}, which nobody wrote",
            Shape(&got)
        );
        if last {
            return Ok(());
        }
        progress.reads.fetch_add(1, Ordering::AcqRel);
        yield_now().await;
    }
}

async fn deletes_and_sets(h: &Harness<'_>) -> CaseResult {
    let old: Vec<_> = (0..TASKS / 2).map(|i| h.secret(&format!("old-{i}"), "old")).collect();
    let new: Vec<_> = (0..TASKS / 2).map(|i| h.secret(&format!("new-{i}"), "new")).collect();
    let store = h.holding(&old).await?;
    let changes = old.into_iter().zip(new.clone()).flat_map(|((gone, _), (name, value))| {
        [(gone, None), (name, Some(value))].map(|(name, value)| {
            let store = Arc::clone(&store);
            async move {
                match value {
                    Some(value) => set(store, name, value).await,
                    None => store.management().expect("the case needs management").delete(&name).await,
                }
            }
        })
    });
    for changed in at_once(changes.collect::<Vec<_>>()).await? {
        changed?;
    }
    all_are_there(&store, &new).await
}

async fn two_handles(h: &Harness<'_>) -> CaseResult {
    let one = h.empty().await;
    let two = h.reopen().await?;
    let secrets: Vec<_> = (0..TASKS).map(|i| h.secret(&format!("key-{i}"), &format!("value {i}"))).collect();
    let handles = [&one, &two].into_iter().cycle();
    let writes = secrets
        .clone()
        .into_iter()
        .zip(handles)
        .map(|((name, value), handle)| set(Arc::clone(handle), name, value));
    for written in at_once(writes.collect::<Vec<_>>()).await? {
        written?;
    }
    all_are_there(&h.reopen().await?, &secrets).await
}
