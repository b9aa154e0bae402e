//! Listing: all names, sorted, and nothing else.

use super::{Case, CaseResult, Harness, Verdict, case::case_list, expect::lists, harness::writer};

pub(super) fn cases() -> Vec<Case> {
    case_list![
        "listing/of-an-empty-store" [Management] of_an_empty_store,
        "listing/is-sorted-and-of-names-alone" [Management] is_sorted_and_of_names_alone,
        "listing/after-overwrite-and-delete" [Management] after_overwrite_and_delete,
        "listing/of-five-hundred" [Management] of_five_hundred,
    ]
}

async fn of_an_empty_store(h: &Harness<'_>) -> CaseResult {
    lists(&h.empty().await, &[]).await?;
    Ok(Verdict::Passed)
}

async fn is_sorted_and_of_names_alone(h: &Harness<'_>) -> CaseResult {
    // Written in no order; by bytes, upper case sorts before lower, and 10 before 9.
    let secrets = ["key-9", "Zeta", "alpha", "key-10", "zeta2", "Alpha2"].map(|name| h.secret(name, name));
    let store = h.holding(&secrets).await?;
    lists(&store, &secrets.each_ref().map(|(name, _)| name)).await?;
    Ok(Verdict::Passed)
}

async fn after_overwrite_and_delete(h: &Harness<'_>) -> CaseResult {
    let [a, b, c] = ["key-a", "key-b", "key-c"].map(|name| h.secret(name, "first"));
    let store = h.holding(&[a.clone(), b.clone(), c.clone()]).await?;
    writer(&store)?.set(&b.0, &h.value("second")).await?;
    writer(&store)?.delete(&a.0).await?;
    lists(&store, &[&b.0, &c.0]).await?;
    writer(&store)?.delete(&b.0).await?;
    writer(&store)?.delete(&c.0).await?;
    lists(&store, &[]).await?;
    Ok(Verdict::Passed)
}

async fn of_five_hundred(h: &Harness<'_>) -> CaseResult {
    // More than one page of any backend.
    let secrets: Vec<_> = (0..500).map(|i| h.secret(&format!("item-{i}"), "")).collect();
    let store = h.empty().await;
    for result in writer(&store)?.set_many(&secrets).await {
        result?;
    }
    lists(&store, &secrets.iter().map(|(name, _)| name).collect::<Vec<_>>()).await?;
    Ok(Verdict::Passed)
}
