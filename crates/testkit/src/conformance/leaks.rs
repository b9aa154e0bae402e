//! Leaks: no value and no credential in anything that a store puts out, during the whole run.

use modelmesh_secrets::{SecretValue, Version};

use super::{
    Case, CaseFailure, CaseResult, Harness, Need, Verdict,
    case::{case_list, ensure},
    harness::writer,
    witness::Channel,
};

pub(super) fn cases() -> Vec<Case> {
    case_list![
        "leaks/none-in-errors" [] none_in_errors,
        "leaks/none-in-tracing" [] none_in_tracing,
        "leaks/none-in-debug" [] none_in_debug,
        "leaks/none-in-panics" [] none_in_panics,
    ]
}

/// A session with a value of every hard character, in which calls succeed and fail. What is wrong with the
/// answers is for other cases to find; here they are only to be provoked.
pub(super) async fn exercise(h: &Harness<'_>) -> Result<(), CaseFailure> {
    let name = h.name("thorny-key");
    let thorny = h.witness().thorny().value();
    let fits = h.capabilities().check_value(&thorny).is_ok();
    let value = if fits { thorny } else { h.value("") };
    let absent = h.name("absent-key");
    let store = h.holding(&[(name.clone(), value.clone())]).await?;
    let _ = store.get(&name).await;
    let _ = store.get(&absent).await;
    let _ = store.get_many(&[name.clone(), absent.clone()]).await;
    let _ = store.get_version(&name, &Version::from("no-such-version")).await;
    let _ = store.revision().await;
    if h.has(Need::Management) {
        let management = writer(&store)?;
        // Whatever the store cannot hold, with a value to be leaked by the refusal.
        let nul = SecretValue::new(format!("{}\0", value.expose()));
        let long =
            h.capabilities().max_bytes.map(|max| SecretValue::new(value.expose().repeat(max / 32 + 2)));
        for refused in [Some(nul), long].into_iter().flatten() {
            if h.capabilities().check_value(&refused).is_err() {
                let _ = management.set(&name, &refused).await;
            }
        }
        let _ = management.set(&name, &value).await;
        let _ = management.set_many(&[(name.clone(), value.clone()), (absent.clone(), value)]).await;
        let _ = management.list().await;
        let _ = management.delete(&absent).await;
        let _ = management.delete(&absent).await;
    }
    h.look_at_debug(&*store);
    Ok(())
}

async fn none_in_errors(h: &Harness<'_>) -> CaseResult {
    none_through(h, Channel::Error).await
}

async fn none_in_tracing(h: &Harness<'_>) -> CaseResult {
    none_through(h, Channel::Tracing).await
}

async fn none_in_debug(h: &Harness<'_>) -> CaseResult {
    none_through(h, Channel::Debug).await
}

async fn none_in_panics(h: &Harness<'_>) -> CaseResult {
    none_through(h, Channel::Report).await
}

async fn none_through(h: &Harness<'_>, channel: Channel) -> CaseResult {
    exercise(h).await?;
    let leaks = h.witness().leaks(channel);
    ensure!(leaks.is_empty(), "{}", leaks.join("; "));
    Ok(Verdict::Passed)
}
