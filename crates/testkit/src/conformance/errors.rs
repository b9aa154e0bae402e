//! Errors: the right kind, and fit to be shown.

use futures_util::future::BoxFuture;
use modelmesh_secrets::ErrorKind;

use super::{
    Case, CaseResult, Harness, Need, Staged, Verdict,
    case::ensure,
    expect::{as_many, fails},
    harness::writer,
    leaks::exercise,
};

/// What a backend may answer in place of a value.
const TROUBLES: &[(ErrorKind, &str)] = &[
    (ErrorKind::Denied, "errors/denied-is-denied"),
    (ErrorKind::Disabled, "errors/disabled-is-disabled"),
    (ErrorKind::Throttled, "errors/throttled-is-throttled"),
    (ErrorKind::Unavailable, "errors/an-outage-is-unavailable"),
    (ErrorKind::StoreAuth, "errors/refused-credentials-are-store-auth"),
    (ErrorKind::Malformed, "errors/malformed-is-malformed"),
    (ErrorKind::Locked, "errors/locked-is-locked"),
];

pub(super) fn cases() -> Vec<Case> {
    let troubles = TROUBLES.iter().map(|&(kind, name)| {
        Case::new(name, &[], move |h| -> BoxFuture<'_, CaseResult> { Box::pin(keeps_its_kind(h, kind)) })
    });
    troubles
        .chain([
            Case::new("errors/missing-is-not-worth-a-retry", &[], |h| {
                Box::pin(missing_is_not_worth_a_retry(h))
            }),
            Case::new("errors/are-fit-to-be-shown", &[], |h| Box::pin(are_fit_to_be_shown(h))),
        ])
        .collect()
}

/// A refusal or an outage comes out as what it is, in every way of reading: never as a missing secret.
async fn keeps_its_kind(h: &Harness<'_>, kind: ErrorKind) -> CaseResult {
    let Some(staged) = h.staged(kind).await else {
        return Ok(Verdict::Excluded("staged (the factory cannot bring this about)"));
    };
    let Staged { store, name, whole_store } = staged;
    fails("get", store.get(&name).await, &[kind])?;
    let results = store.get_many(&[name.clone(), name.clone()]).await;
    as_many("get_many", &results, 2)?;
    for result in results {
        fails("get_many", result, &[kind])?;
    }
    // A store that cannot read what it holds would destroy it by writing.
    if whole_store && h.has(Need::Management) {
        fails("set", writer(&store)?.set(&h.name("fresh-key"), &h.value("")).await, &[kind])?;
        fails("delete", writer(&store)?.delete(&name).await, &[kind])?;
        fails("list", writer(&store)?.list().await, &[kind])?;
    }
    Ok(Verdict::Passed)
}

async fn missing_is_not_worth_a_retry(h: &Harness<'_>) -> CaseResult {
    let error = fails("get", h.empty().await.get(&h.name("absent-key")).await, &[ErrorKind::NotFound])?;
    ensure!(error.retry_after().is_none(), "a missing secret says when to ask again");
    Ok(Verdict::Passed)
}

/// Judges every error of the run so far, and those of a session of its own.
async fn are_fit_to_be_shown(h: &Harness<'_>) -> CaseResult {
    exercise(h).await?;
    // A name that would turn the line around on a terminal.
    let hostile = h.name("key\u{202e}yek");
    fails("get", h.empty().await.get(&hostile).await, &[ErrorKind::NotFound])?;
    if h.has(Need::Management) {
        fails("delete", writer(&h.empty().await)?.delete(&hostile).await, &[ErrorKind::NotFound])?;
    }
    let faults = h.witness().faulty_errors();
    ensure!(faults.is_empty(), "{}", faults.join("; "));
    Ok(Verdict::Passed)
}
