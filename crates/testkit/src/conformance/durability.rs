//! What was acknowledged is there for the next process, and what another process did is noticed.

use modelmesh_secrets::ErrorKind;

use super::{
    Case, CaseFailure, CaseResult, Harness, Need, Verdict,
    case::{case_list, ensure},
    expect::{fails, has_names, holds},
    harness::writer,
};

pub(super) fn cases() -> Vec<Case> {
    case_list![
        "durability/reopen-reads-the-same" [Reopen] reopen_reads_the_same,
        "durability/reopen-sees-an-overwrite" [Management, Reopen] reopen_sees_an_overwrite,
        "durability/reopen-sees-a-delete" [Management, Reopen] reopen_sees_a_delete,
        "durability/reopen-sees-set-many" [Management, Reopen] reopen_sees_set_many,
        "durability/outside-change-is-read" [Management, Reopen] outside_change_is_read,
        "durability/outside-change-is-listed" [Management, Reopen] outside_change_is_listed,
        "durability/outside-change-is-not-undone" [Management, Reopen] outside_change_is_not_undone,
        "durability/revision-stays-without-a-change" [] revision_stays,
        "durability/revision-tells-of-an-outside-change" [Management, Reopen] revision_tells,
    ]
}

async fn reopen_reads_the_same(h: &Harness<'_>) -> CaseResult {
    let secrets = [h.secret("first-key", "1"), h.secret("second-key", "2\n")];
    let store = h.holding(&secrets).await?;
    let again = h.reopen().await?;
    drop(store); // a write that waits for the handle to close was acknowledged too early
    for (name, value) in &secrets {
        holds(&*again, name, value).await?;
    }
    if h.has(Need::Management) {
        has_names(&again, &[&secrets[0].0, &secrets[1].0]).await?;
    }
    Ok(Verdict::Passed)
}

async fn reopen_sees_an_overwrite(h: &Harness<'_>) -> CaseResult {
    let (name, first) = h.secret("some-key", "first");
    let store = h.holding(&[(name.clone(), first)]).await?;
    let second = h.value("second");
    writer(&store)?.set(&name, &second).await?;
    holds(&*h.reopen().await?, &name, &second).await?;
    Ok(Verdict::Passed)
}

async fn reopen_sees_a_delete(h: &Harness<'_>) -> CaseResult {
    let (gone, kept) = (h.secret("gone-key", ""), h.secret("kept-key", ""));
    let store = h.holding(&[gone.clone(), kept.clone()]).await?;
    writer(&store)?.delete(&gone.0).await?;
    let again = h.reopen().await?;
    has_names(&again, &[&kept.0]).await?;
    let kinds: &[ErrorKind] = if h.rules().deleted_is_disabled {
        &[ErrorKind::NotFound, ErrorKind::Disabled]
    } else {
        &[ErrorKind::NotFound]
    };
    fails("get of a deleted name on another handle", again.get(&gone.0).await, kinds)?;
    Ok(Verdict::Passed)
}

async fn reopen_sees_set_many(h: &Harness<'_>) -> CaseResult {
    let store = h.empty().await;
    let secrets: Vec<_> = (0..5).map(|i| h.secret(&format!("key-{i}"), &format!("{i}"))).collect();
    for result in writer(&store)?.set_many(&secrets).await {
        result?;
    }
    let again = h.reopen().await?;
    for (name, value) in &secrets {
        holds(&*again, name, value).await?;
    }
    Ok(Verdict::Passed)
}

async fn outside_change_is_read(h: &Harness<'_>) -> CaseResult {
    let (name, first) = h.secret("some-key", "first");
    let store = h.holding(&[(name.clone(), first.clone())]).await?;
    holds(&*store, &name, &first).await?;
    let (second, fresh) = (h.value("second"), h.secret("fresh-key", "fresh"));
    fails("get of what is not there yet", store.get(&fresh.0).await, &[ErrorKind::NotFound])?;

    let other = h.reopen().await?;
    writer(&other)?.set(&name, &second).await?;
    writer(&other)?.set(&fresh.0, &fresh.1).await?;
    holds(&*store, &name, &second).await?;
    holds(&*store, &fresh.0, &fresh.1).await?;
    Ok(Verdict::Passed)
}

async fn outside_change_is_listed(h: &Harness<'_>) -> CaseResult {
    let (old, new) = (h.secret("old-key", ""), h.secret("new-key", ""));
    let store = h.holding(std::slice::from_ref(&old)).await?;
    has_names(&store, &[&old.0]).await?;
    let other = h.reopen().await?;
    writer(&other)?.set(&new.0, &new.1).await?;
    writer(&other)?.delete(&old.0).await?;
    has_names(&store, &[&new.0]).await?;
    Ok(Verdict::Passed)
}

async fn outside_change_is_not_undone(h: &Harness<'_>) -> CaseResult {
    let (ours, theirs) = (h.secret("our-key", "ours"), h.secret("their-key", "theirs"));
    let store = h.holding(std::slice::from_ref(&ours)).await?;
    holds(&*store, &ours.0, &ours.1).await?; // whatever it remembers, it remembers now
    let other = h.reopen().await?;
    writer(&other)?.set(&theirs.0, &theirs.1).await?;
    let newer = h.value("newer");
    writer(&store)?.set(&ours.0, &newer).await?;
    let third = h.reopen().await?;
    holds(&*third, &theirs.0, &theirs.1).await?;
    holds(&*third, &ours.0, &newer).await?;
    Ok(Verdict::Passed)
}

async fn revision_stays(h: &Harness<'_>) -> CaseResult {
    let secret = h.secret("some-key", "");
    let store = h.holding(std::slice::from_ref(&secret)).await?;
    // One that is told by a file's times changes once by itself: when a second write would leave others.
    for _ in 0..2 {
        let before = store.revision().await?;
        holds(&*store, &secret.0, &secret.1).await?;
        if store.revision().await? == before {
            return watched(h, before);
        }
    }
    Err(CaseFailure::new("the revision changes by reading"))
}

/// A revision, if the store says that it has one; none, if it says that it has not.
fn watched(h: &Harness<'_>, revision: Option<u64>) -> CaseResult {
    match (h.capabilities().watch, revision) {
        (true, Some(_)) => Ok(Verdict::Passed),
        (true, None) => Err(CaseFailure::new("the store can be watched, and has no revision")),
        // A store may well have a revision that is not worth asking for every second.
        (false, _) => Ok(Verdict::Excluded("watch")),
    }
}

async fn revision_tells(h: &Harness<'_>) -> CaseResult {
    let (name, value) = h.secret("some-key", "same length 1");
    let store = h.holding(&[(name.clone(), value)]).await?;
    let other = h.reopen().await?;
    let first = store.revision().await?;
    if watched(h, first)? != Verdict::Passed {
        return Ok(Verdict::Excluded("watch"));
    }
    writer(&other)?.set(&name, &h.value("same length 2")).await?;
    let second = store.revision().await?;
    ensure!(first != second, "the revision does not tell of a set elsewhere");
    writer(&other)?.delete(&name).await?;
    ensure!(store.revision().await? != second, "the revision does not tell of a delete elsewhere");
    Ok(Verdict::Passed)
}
