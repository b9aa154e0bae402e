//! The contract of each method, on values that give no store trouble.

use jiff::Timestamp;
use modelmesh_secrets::{ErrorKind, Version};

use super::{
    Case, CaseFailure, CaseResult, Harness, Verdict,
    case::{case_list, ensure},
    expect::{as_many, fails, has_names, holds, missing, same},
    harness::writer,
};

pub(super) fn cases() -> Vec<Case> {
    case_list![
        "contract/says-what-it-is" [] says_what_it_is,
        "contract/get-reads-what-is-held" [] get_reads_what_is_held,
        "contract/get-reads-what-was-provisioned" [] get_reads_what_was_provisioned,
        "contract/get-of-a-missing-name-is-not-found" [] get_of_a_missing_name,
        "contract/set-then-get" [Management] set_then_get,
        "contract/set-overwrites" [Management] set_overwrites,
        "contract/set-ignores-the-version-given" [Management] set_ignores_the_version_given,
        "contract/set-many-answers-for-each" [Management] set_many_answers_for_each,
        "contract/delete-removes" [Management] delete_removes,
        "contract/delete-of-an-unknown-name-is-not-found" [Management] delete_of_an_unknown_name,
        "contract/set-after-delete" [Management] set_after_delete,
        "contract/get-many-keeps-the-order" [] get_many_keeps_the_order,
        "contract/get-many-failure-hides-nothing" [] get_many_failure_hides_nothing,
        "contract/get-many-of-nothing" [] get_many_of_nothing,
        "contract/versions-change-on-set" [Management] versions_change_on_set,
        "contract/old-versions-can-be-fetched" [] old_versions_can_be_fetched,
        "contract/expiry-is-kept" [Management] expiry_is_kept,
    ]
}

async fn says_what_it_is(h: &Harness<'_>) -> CaseResult {
    let (first, second) = (h.empty().await, h.holding(&[h.secret("some-key", "")]).await?);
    let id = first.connector_id();
    ensure!(!id.is_empty() && !id.contains(char::is_whitespace), "the connector ID is empty or has spaces");
    ensure!(second.connector_id() == id, "two stores of one kind have two connector IDs");
    ensure!(second.capabilities() == first.capabilities(), "the capabilities change with the contents");
    ensure!(first.capabilities().batch >= 1, "a backend call fetches at least one name");
    ensure!(
        first.management().is_some() == second.management().is_some(),
        "management comes and goes with the contents"
    );
    Ok(Verdict::Passed)
}

async fn get_reads_what_is_held(h: &Harness<'_>) -> CaseResult {
    let secrets = [h.secret("first-key", "1"), h.secret("second-key", "2")];
    let store = h.holding(&secrets).await?;
    for (name, value) in &secrets {
        holds(&*store, name, value).await?;
        holds(&*store, name, value).await?; // reading changes nothing
    }
    Ok(Verdict::Passed)
}

async fn get_reads_what_was_provisioned(h: &Harness<'_>) -> CaseResult {
    let secrets = [h.secret("first-key", "1"), h.secret("second-key", "2")];
    let store = h.provisioned(&secrets).await;
    for (name, value) in &secrets {
        holds(&*store, name, value).await?;
    }
    Ok(Verdict::Passed)
}

async fn get_of_a_missing_name(h: &Harness<'_>) -> CaseResult {
    let (name, value) = h.secret("some-key", "");
    let absent = h.name("absent-key");
    missing("get on an empty store", h.empty().await.get(&absent).await, &absent)?;

    let store = h.holding(&[(name.clone(), value.clone())]).await?;
    missing("get", store.get(&absent).await, &absent)?;
    missing("get of the start of a name", store.get(&h.name("some")).await, &h.name("some"))?;
    holds(&*store, &name, &value).await?;
    if store.management().is_some() {
        has_names(&store, &[&name]).await?;
    }
    Ok(Verdict::Passed)
}

async fn set_then_get(h: &Harness<'_>) -> CaseResult {
    let store = h.empty().await;
    let (name, value) = h.secret("openai-key", "");
    writer(&store)?.set(&name, &value).await?;
    holds(&*store, &name, &value).await?;
    has_names(&store, &[&name]).await?;
    Ok(Verdict::Passed)
}

async fn set_overwrites(h: &Harness<'_>) -> CaseResult {
    let (name, first) = h.secret("openai-key", " first, and the longer one");
    let other = h.secret("other-key", "other");
    let store = h.holding(&[(name.clone(), first), other.clone()]).await?;
    let second = h.value(" second");
    writer(&store)?.set(&name, &second).await?;
    holds(&*store, &name, &second).await?;
    holds(&*store, &other.0, &other.1).await?;
    has_names(&store, &[&name, &other.0]).await?;
    Ok(Verdict::Passed)
}

async fn set_ignores_the_version_given(h: &Harness<'_>) -> CaseResult {
    let store = h.empty().await;
    let (name, value) = h.secret("openai-key", "");
    let given = Version::from("a-version-of-another-store");
    writer(&store)?.set(&name, &value.clone().with_version(given.clone())).await?;
    let got = store.get(&name).await?;
    same("get", &got, &value)?;
    ensure!(got.version() != Some(&given), "the version comes from the caller, not from the store");
    Ok(Verdict::Passed)
}

async fn set_many_answers_for_each(h: &Harness<'_>) -> CaseResult {
    let old = h.secret("key-1", "old");
    let store = h.holding(&[old]).await?;
    let secrets: Vec<_> = (0..5).map(|i| h.secret(&format!("key-{i}"), &format!("new {i}"))).collect();
    let results = writer(&store)?.set_many(&secrets).await;
    as_many("set_many", &results, secrets.len())?;
    for result in results {
        result?;
    }
    for (name, value) in &secrets {
        holds(&*store, name, value).await?;
    }
    as_many("set_many of nothing", &writer(&store)?.set_many(&[]).await, 0)?;
    has_names(&store, &secrets.iter().map(|(name, _)| name).collect::<Vec<_>>()).await?;
    Ok(Verdict::Passed)
}

async fn delete_removes(h: &Harness<'_>) -> CaseResult {
    let (gone, kept) = (h.secret("gone-key", ""), h.secret("kept-key", "kept"));
    let store = h.holding(&[gone.clone(), kept.clone()]).await?;
    writer(&store)?.delete(&gone.0).await?;
    let kinds: &[ErrorKind] = if h.rules().deleted_is_disabled {
        &[ErrorKind::NotFound, ErrorKind::Disabled]
    } else {
        &[ErrorKind::NotFound]
    };
    fails("get after delete", store.get(&gone.0).await, kinds)?;
    holds(&*store, &kept.0, &kept.1).await?;
    has_names(&store, &[&kept.0]).await?;
    Ok(Verdict::Passed)
}

async fn delete_of_an_unknown_name(h: &Harness<'_>) -> CaseResult {
    let (name, value) = h.secret("some-key", "");
    let store = h.holding(&[(name.clone(), value.clone())]).await?;
    let absent = h.name("absent-key");
    missing("delete", writer(&store)?.delete(&absent).await, &absent)?;
    holds(&*store, &name, &value).await?;
    has_names(&store, &[&name]).await?;
    Ok(Verdict::Passed)
}

async fn set_after_delete(h: &Harness<'_>) -> CaseResult {
    let (name, first) = h.secret("openai-key", "first");
    let store = h.holding(&[(name.clone(), first)]).await?;
    writer(&store)?.delete(&name).await?;
    let second = h.value("second");
    writer(&store)?.set(&name, &second).await?;
    holds(&*store, &name, &second).await?;
    has_names(&store, &[&name]).await?;
    Ok(Verdict::Passed)
}

async fn get_many_keeps_the_order(h: &Harness<'_>) -> CaseResult {
    // More than any backend takes in one call, asked neither sorted nor in the order of writing, one twice.
    let secrets: Vec<_> = (0..45).map(|i| h.secret(&format!("key-{i}"), &format!("value {i}"))).collect();
    let store = h.holding(&secrets).await?;
    let mut asked: Vec<_> = (0..secrets.len()).map(|i| (i * 7 + 3) % secrets.len()).collect();
    asked.push(asked[4]);
    let names: Vec<_> = asked.iter().map(|at| secrets[*at].0.clone()).collect();
    let results = store.get_many(&names).await;
    as_many("get_many", &results, names.len())?;
    for (at, result) in asked.into_iter().zip(results) {
        same("get_many", &result?, &secrets[at].1)?;
    }
    Ok(Verdict::Passed)
}

async fn get_many_failure_hides_nothing(h: &Harness<'_>) -> CaseResult {
    let secrets = [h.secret("first-key", "1"), h.secret("last-key", "2")];
    let store = h.holding(&secrets).await?;
    let absent = h.name("absent-key");
    let results = store.get_many(&[secrets[0].0.clone(), absent.clone(), secrets[1].0.clone()]).await;
    as_many("get_many", &results, 3)?;
    let mut results = results.into_iter();
    let mut next = || results.next().expect("there are three");
    same("get_many, before the missing name", &next()?, &secrets[0].1)?;
    missing("get_many", next(), &absent)?;
    same("get_many, behind the missing name", &next()?, &secrets[1].1)?;
    Ok(Verdict::Passed)
}

async fn get_many_of_nothing(h: &Harness<'_>) -> CaseResult {
    let store = h.holding(&[h.secret("some-key", "")]).await?;
    as_many("get_many of nothing", &store.get_many(&[]).await, 0)?;
    Ok(Verdict::Passed)
}

async fn versions_change_on_set(h: &Harness<'_>) -> CaseResult {
    let (name, value) = h.secret("openai-key", "first");
    let store = h.holding(&[(name.clone(), value)]).await?;
    let first = store.get(&name).await?.version().cloned();
    ensure!(store.get(&name).await?.version() == first.as_ref(), "the version changes without a write");
    writer(&store)?.set(&name, &h.value("second")).await?;
    let second = store.get(&name).await?.version().cloned();
    if first.is_none() && second.is_none() && !h.capabilities().versions {
        return Ok(Verdict::Excluded("versions"));
    }
    ensure!(first.is_some() && second.is_some(), "a value has no version");
    ensure!(first != second, "two values have one version");
    Ok(Verdict::Passed)
}

async fn old_versions_can_be_fetched(h: &Harness<'_>) -> CaseResult {
    let (name, first) = h.secret("openai-key", "first");
    let store = h.holding(&[(name.clone(), first.clone())]).await?;
    if !h.capabilities().versions {
        let result = store.get_version(&name, &Version::from(1)).await;
        fails("get_version", result, &[ErrorKind::Unsupported])?;
        holds(&*store, &name, &first).await?;
        return Ok(Verdict::Excluded("versions"));
    }
    let before = store.get(&name).await?.version().cloned();
    let Some(version) = before else {
        return Err(CaseFailure::new("the store keeps versions, and a value has none"));
    };
    if store.management().is_some() {
        let second = h.value("second");
        writer(&store)?.set(&name, &second).await?;
        holds(&*store, &name, &second).await?;
    }
    same("get_version of the older one", &store.get_version(&name, &version).await?, &first)?;
    let absent = h.name("absent-key");
    missing("get_version of a missing name", store.get_version(&absent, &version).await, &absent)?;
    Ok(Verdict::Passed)
}

async fn expiry_is_kept(h: &Harness<'_>) -> CaseResult {
    let (name, value) = h.secret("openai-key", "");
    // A whole second, far from now: some backends keep no fractions.
    let at = Timestamp::from_second(4_102_444_800).expect("the year 2100 is a time");
    let store = h.holding(&[(name.clone(), value.clone().with_expires_at(at))]).await?;
    let got = store.get(&name).await?;
    same("get", &got, &value)?;
    if !h.capabilities().expiry {
        return Ok(Verdict::Excluded("expiry"));
    }
    ensure!(got.expires_at() == Some(at), "the expiry is lost or another");
    writer(&store)?.set(&name, &value).await?;
    ensure!(
        store.get(&name).await?.expires_at().is_none(),
        "the expiry of the value before stays with the new one"
    );
    Ok(Verdict::Passed)
}
