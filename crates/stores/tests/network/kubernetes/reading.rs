//! What is read, in how many calls, and under which names.

use std::{collections::BTreeSet, sync::Arc};

use libtest_mimic::Trial;
use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, SecretValue};
use serde_json::json;

use super::{Fixture, data, key, name, set};
use crate::backends::kubernetes::Cluster;

pub(super) fn trials(cluster: &Arc<Cluster>) -> Vec<Trial> {
    trials![cluster:
        fifty_keys_of_one_secret_come_in_one_call,
        names_of_several_secrets_take_a_call_for_each,
        a_version_is_that_of_the_secret,
        a_throttle_says_when_to_come_back,
        a_listing_has_pages_and_leaves_out_what_the_cluster_made,
        a_listing_of_large_secrets_asks_for_fewer_at_a_time,
        hostile_names_are_refused_before_any_call,
    ]
}

async fn fifty_keys_of_one_secret_come_in_one_call(fixture: Fixture) {
    let keys: Vec<(String, String)> =
        (0..50).map(|at| (format!("key-{at}"), format!("value {at}"))).collect();
    let pairs: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    fixture.create("app", &pairs).await;

    for (more, prefix) in [("secret: app", ""), ("", "app/"), ("prefix: app/", "")] {
        let before = fixture.requests().await.len();
        let names: Vec<SecretName> = keys.iter().map(|(key, _)| name(&format!("{prefix}{key}"))).collect();
        // Of pairs, as many as a call takes.
        let names = if prefix.is_empty() { &names[..] } else { &names[..32] };
        let values = fixture.store(more).await.get_many(names).await;
        for (value, (_, expected)) in values.iter().zip(&keys) {
            assert_eq!(value.as_ref().unwrap().expose(), expected);
        }
        assert_eq!(values.len(), names.len());
        assert_eq!(fixture.requests().await[before..], ["get app"], "{more}");
    }
}

async fn names_of_several_secrets_take_a_call_for_each(fixture: Fixture) {
    fixture.create("one", &[("a", "1"), ("b", "2")]).await;
    fixture.create("two", &[("a", "3")]).await;
    let names = ["one/a", "two/a", "absent/a", "one/b", "one/absent", "no-pair"].map(name);
    let values = fixture.store("").await.get_many(&names).await;
    let told: Vec<Result<&str, ErrorKind>> =
        values.iter().map(|value| value.as_ref().map(SecretValue::expose).map_err(Error::kind)).collect();
    let missing = Err(ErrorKind::NotFound);
    assert_eq!(told, [Ok("1"), Ok("3"), missing, Ok("2"), missing, Err(ErrorKind::InvalidName)]);
    let asked: BTreeSet<String> = fixture.requests().await.into_iter().collect();
    assert_eq!(asked.len(), fixture.requests().await.len(), "a Secret was asked for twice");
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["get absent", "get one", "get two"]);
}

async fn a_version_is_that_of_the_secret(fixture: Fixture) {
    let store = fixture.store("secret: app").await;
    for value in ["first", "second"] {
        set(&store, &key(), value).await.unwrap();
        let got = store.get(&key()).await.unwrap();
        let version = fixture.secret("app").await["metadata"]["resourceVersion"].clone();
        assert_eq!((got.expose(), got.version().unwrap().as_str()), (value, version.as_str().unwrap()));
    }
}

async fn a_throttle_says_when_to_come_back(fixture: Fixture) {
    fixture.server().await.throttle(&fixture.namespace, fixture.cluster.writer()).await;
    let store = fixture.store("secret: app, retry: { tries: 1 }").await;
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(error.retry_after().is_some_and(|wait| wait.as_secs() >= 1), "{error:?}");
}

async fn a_listing_has_pages_and_leaves_out_what_the_cluster_made(fixture: Fixture) {
    let own = json!({ "type": "example.com/own", "data": data(&[("a", "1")]) });
    fixture.server().await.create_secret(&fixture.namespace, "own", own).await;
    fixture.create("empty", &[]).await;
    for at in 0..501 {
        fixture.create(&format!("s{at}"), &[("b", "1"), ("a", "2")]).await;
    }
    let store = fixture.store("").await;
    let mut expected: Vec<SecretName> =
        (0..501).flat_map(|at| ["a", "b"].map(|key| name(&format!("s{at}/{key}")))).collect();
    expected.sort();
    assert_eq!(store.management().unwrap().list().await.unwrap(), expected);
    assert_eq!(fixture.requests().await, ["list", "list"]);
}

async fn a_listing_of_large_secrets_asks_for_fewer_at_a_time(fixture: Fixture) {
    let large = "x".repeat(900_000);
    for at in 0..12 {
        fixture.create(&format!("s{at:02}"), &[("key", &large)]).await;
    }
    let expected: Vec<SecretName> = (0..12).map(|at| name(&format!("s{at:02}/key"))).collect();
    assert_eq!(fixture.store("").await.management().unwrap().list().await.unwrap(), expected);
}

async fn hostile_names_are_refused_before_any_call(fixture: Fixture) {
    let longest = "k".repeat(254);
    let of_keys = ["a/b", "%2e%2e", "..%2fother", "..a", "a?b", "a#b", "a b", "a\"b", "\u{202e}a", &longest];
    let of_pairs =
        ["app", "..%2fkube-system/a", "app/..a", "App/a", "app/a/b", "app/a?b", "a\"b/c", "app/\u{202e}"];
    for (more, names) in [("secret: app", &of_keys[..]), ("", &of_pairs)] {
        let store = fixture.store(more).await;
        for hostile in names {
            let hostile = name(hostile);
            for result in [
                store.get(&hostile).await.map(drop),
                set(&store, &hostile, "x").await,
                store.management().unwrap().delete(&hostile).await,
            ] {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidName, "{hostile}");
                assert!(error.help().is_some(), "{error:?}");
            }
        }
    }
    assert_eq!(fixture.requests().await, [] as [&str; 0]);
}
