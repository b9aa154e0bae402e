//! Several writers.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use modelmesh_secrets::{Change, ErrorKind, SecretValue, Version};
use serde_json::json;

use super::{Store, get, name, of_shared, put, set, versioned};
use crate::backends::vault::{Shared, Vault};

pub(super) fn trials(shared: &Shared) -> Vec<Trial> {
    of_shared![shared:
        writers_of_one_secret_lose_nothing_that_was_acknowledged,
        writers_of_different_secrets_do_not_meet,
        writers_of_different_fields_keep_both,
        an_exchange_is_made_only_of_what_was_seen,
        an_exchange_that_is_overtaken_is_a_conflict,
    ]
}

/// How often each writer writes.
const WRITES: usize = 50;

/// What each of two writers, who do not know of each other, does at the same time: which were acknowledged.
async fn write_at_once(stores: [Store; 2], path: impl Fn(usize, usize) -> String) -> Vec<(String, String)> {
    let writers = stores.into_iter().enumerate().map(|(writer, store)| {
        let writes: Vec<_> =
            (0..WRITES).map(|at| (path(writer, at), format!("{at} of writer {writer}"))).collect();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for (path, value) in writes {
                match set(&store, &path, &value).await {
                    Ok(()) => acknowledged.push((path, value)),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
                }
            }
            acknowledged
        })
    });
    let mut acknowledged = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        acknowledged.extend(writer.await.unwrap());
    }
    acknowledged
}

async fn writers_of_one_secret_lose_nothing_that_was_acknowledged(vault: &Vault) {
    let (mount, store) = versioned(vault, "").await;
    // All versions are kept, to be counted.
    let keep = json!({ "max_versions": 2 * WRITES });
    vault.server.client().expect("POST", &format!("{mount}/config"), Some(keep)).await;
    let other = vault.open(&mount, vault.token.text(), "").await;
    let acknowledged = write_at_once([Store::clone(&store), other], |_, _| "shared".to_owned()).await;
    let last: usize = store.get(&name("shared")).await.unwrap().version().unwrap().as_str().parse().unwrap();
    assert_eq!(acknowledged.len(), last, "each write that was acknowledged is a version, and no other is");
    let mut versions = Vec::new();
    for version in 1..=last {
        let value = store.get_version(&name("shared"), &Version::from(version as u64)).await.unwrap();
        versions.push(value.expose().to_owned());
    }
    versions.sort();
    let mut values: Vec<String> = acknowledged.into_iter().map(|(_, value)| value).collect();
    values.sort();
    assert_eq!(versions, values);
    assert!(values.len() >= WRITES, "only {} of {} writes got through", values.len(), 2 * WRITES);
}

async fn writers_of_different_secrets_do_not_meet(vault: &Vault) {
    for version in [1, 2] {
        let mount = vault.server.mount(version).await;
        let store = vault.open(&mount, vault.token.text(), "").await;
        let other = vault.open(&mount, vault.token.text(), "").await;
        let path = |writer, at| format!("of-{writer}/key-{at}");
        let acknowledged = write_at_once([Store::clone(&store), other], path).await;
        assert_eq!(acknowledged.len(), 2 * WRITES);
        for (path, value) in &acknowledged {
            assert_eq!(get(&store, path).await.unwrap(), *value);
        }
    }
}

async fn writers_of_different_fields_keep_both(vault: &Vault) {
    let (mount, _) = versioned(vault, "").await;
    let stores = [
        vault.open(&mount, vault.token.text(), "field: a").await,
        vault.open(&mount, vault.token.text(), "field: b").await,
    ];
    let acknowledged = write_at_once(stores.clone(), |_, _| "shared".to_owned()).await;
    let last: BTreeMap<usize, String> =
        acknowledged.into_iter().map(|(_, value)| (usize::from(value.ends_with('1')), value)).collect();
    for (writer, store) in stores.iter().enumerate() {
        assert_eq!(get(store, "shared").await.unwrap(), last[&writer]);
    }
}

fn change(before: Option<&str>, after: Option<&str>) -> Change {
    let value = |text: &str| SecretValue::new(text);
    Change { name: name("key"), before: before.map(value), after: after.map(value) }
}

async fn exchange(store: &Store, before: Option<&str>, after: Option<&str>) -> Result<(), ErrorKind> {
    let result = store.exchange(&[change(before, after)]).await.remove(0);
    result.map_err(|error| error.kind())
}

async fn an_exchange_is_made_only_of_what_was_seen(vault: &Vault) {
    for version in [1, 2] {
        let mount = vault.server.mount(version).await;
        let store = vault.open(&mount, vault.token.text(), "").await;
        assert_eq!(exchange(&store, Some("x"), Some("y")).await, Err(ErrorKind::Conflict));
        assert_eq!(exchange(&store, None, Some("a")).await, Ok(()));
        assert_eq!(exchange(&store, None, Some("b")).await, Err(ErrorKind::Conflict));
        assert_eq!(exchange(&store, Some("a"), Some("b")).await, Ok(()));
        assert_eq!(exchange(&store, Some("a"), None).await, Err(ErrorKind::Conflict));
        assert_eq!(get(&store, "key").await.unwrap(), "b");
        assert_eq!(exchange(&store, Some("b"), None).await, Ok(()));
        assert_eq!(exchange(&store, None, None).await, Ok(()));
    }
}

async fn an_exchange_that_is_overtaken_is_a_conflict(vault: &Vault) {
    let (mount, store) = versioned(vault, "").await;
    put(vault, &mount, "key", &json!({ "value": "old" })).await;
    // Of many who saw the same, one is acknowledged.
    let changes = (0..8).map(|writer| {
        let store = Store::clone(&store);
        tokio::spawn(async move { exchange(&store, Some("old"), Some(&format!("of {writer}"))).await })
    });
    let mut outcomes = Vec::new();
    for change in changes.collect::<Vec<_>>() {
        outcomes.push(change.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(
        outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(ErrorKind::Conflict))),
        "{outcomes:?}"
    );
    assert_eq!(store.get(&name("key")).await.unwrap().version(), Some(&Version::from(2)));
}
