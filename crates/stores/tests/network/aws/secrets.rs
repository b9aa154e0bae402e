//! Secrets, their versions, and those who write them.

use std::sync::Arc;

use modelmesh_secrets::{ErrorKind, Version};
use modelmesh_testkit::servers::aws::Canned;
use serde_json::json;

use super::{Fixture, key, kind_of_get, name};

impl Fixture<'_> {
    /// The IDs of all versions of the secret.
    async fn versions(&self) -> Vec<String> {
        let listed = self.call("ListSecretVersionIds", json!({ "SecretId": "openai-key" })).await;
        let versions = listed["Versions"].as_array().unwrap().iter();
        versions.map(|version| version["VersionId"].as_str().unwrap().to_owned()).collect()
    }
}

pub(super) async fn a_deleted_secret_is_disabled_and_set_restores_it(fixture: &Fixture<'_>) {
    let store = fixture.store("").await;
    let management = store.management().unwrap();
    management.set(&key(), &"first".into()).await.unwrap();
    management.delete(&key()).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::Disabled);
    assert_eq!(management.delete(&key()).await.unwrap_err().kind(), ErrorKind::Disabled);

    let before = fixture.actions().len();
    management.set(&key(), &"second".into()).await.unwrap();
    assert_eq!(fixture.actions()[before..], ["PutSecretValue", "RestoreSecret", "PutSecretValue"]);
    assert_eq!(store.get(&key()).await.unwrap().expose(), "second");
    let previous = store.get_version(&key(), &Version::from("AWSPREVIOUS")).await.unwrap();
    assert_eq!(previous.expose(), "first");
}

pub(super) async fn versions_are_found_by_id_and_stage(fixture: &Fixture<'_>) {
    let store = fixture.store("").await;
    let management = store.management().unwrap();
    management.set(&key(), &"first".into()).await.unwrap();
    let first = store.get(&key()).await.unwrap().version().unwrap().clone();
    management.set(&key(), &"second".into()).await.unwrap();
    // As Terraform names versions.
    let foreign = "terraform-20260101000000000000000001";
    let put = json!({
        "SecretId": "openai-key", "SecretString": "third", "ClientRequestToken": foreign, "VersionStages": ["NEXT"],
    });
    fixture.call("PutSecretValue", put).await;
    for (asked, text) in [
        (first.as_str(), "first"),
        ("AWSPREVIOUS", "first"),
        ("AWSCURRENT", "second"),
        ("NEXT", "third"),
        (foreign, "third"),
    ] {
        let value = store.get_version(&key(), &Version::from(asked)).await.unwrap();
        assert_eq!(value.expose(), text, "{asked}");
    }
    for absent in ["7", "NONE", "0d1f2a3b-4c5d-6e7f-8091-a2b3c4d5e6f7", "a b", &"x".repeat(300)] {
        let error = store.get_version(&key(), &Version::from(absent)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{absent}");
    }
}

pub(super) async fn the_stage_of_the_settings_is_read(fixture: &Fixture<'_>) {
    let current = fixture.store("").await;
    for value in ["first", "second"] {
        current.management().unwrap().set(&key(), &value.into()).await.unwrap();
    }
    let previous = fixture.store("version_stage: AWSPREVIOUS").await;
    assert_eq!(previous.get(&key()).await.unwrap().expose(), "first");
}

pub(super) async fn a_write_that_is_sent_twice_makes_one_version(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "old").await;
    let store = fixture.store("").await;
    let ended = Canned::error(400, "ExpiredTokenException").times(1);
    fixture.server().answer(&fixture.region, Some("PutSecretValue"), ended);
    store.management().unwrap().set(&key(), &"new".into()).await.unwrap();
    let calls = fixture.server().calls(&fixture.region);
    let tokens: Vec<&str> = calls.iter().map(|call| call.token.as_deref().unwrap()).collect();
    assert_eq!(fixture.actions(), ["PutSecretValue", "PutSecretValue"]);
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(store.get(&key()).await.unwrap().version().unwrap().as_str(), tokens[0]);

    // What arrives twice is one version, for both have the token.
    let versions = fixture.versions().await.len();
    let again = json!({ "SecretId": "openai-key", "SecretString": "new", "ClientRequestToken": tokens[0] });
    fixture.call("PutSecretValue", again).await;
    assert_eq!(fixture.versions().await.len(), versions);
}

pub(super) async fn writers_at_once_each_make_a_version(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "old").await;
    let stores = [fixture.store("").await, fixture.store("").await];
    let writers = (0..8).map(|writer| {
        let store = Arc::clone(&stores[writer % 2]);
        tokio::spawn(async move {
            store.management().unwrap().set(&key(), &format!("of writer {writer}").into()).await
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    let mut values = Vec::new();
    for version in fixture.versions().await {
        values
            .push(stores[0].get_version(&key(), &Version::from(version)).await.unwrap().expose().to_owned());
    }
    values.sort();
    let written = (0..8).map(|writer| format!("of writer {writer}"));
    assert_eq!(values, written.chain(["old".to_owned()]).collect::<Vec<_>>());
    // There is no check-and-set: of all those acknowledged, the last is current.
    assert!(stores[1].get(&key()).await.unwrap().expose().starts_with("of writer "));
}

pub(super) async fn two_creators_at_once_lose_nothing(fixture: &Fixture<'_>) {
    let stores = [fixture.store("").await, fixture.store("").await];
    let creators = (0..8).map(|creator| {
        let store = Arc::clone(&stores[creator % 2]);
        tokio::spawn(async move {
            store.management().unwrap().set(&key(), &format!("of creator {creator}").into()).await
        })
    });
    for creator in creators.collect::<Vec<_>>() {
        creator.await.unwrap().unwrap();
    }
    assert_eq!(fixture.versions().await.len(), 8);
}

pub(super) async fn a_known_secret_is_written_in_one_call(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "old").await;
    let store = fixture.store("").await;
    store.management().unwrap().set(&key(), &"new".into()).await.unwrap();
    assert_eq!(fixture.actions(), ["PutSecretValue"]);
}

pub(super) async fn an_arn_is_a_name_that_is_there_already(fixture: &Fixture<'_>) {
    let arn = fixture.hold("openai-key", "old").await;
    let store = fixture.store("").await;
    assert_eq!(store.get(&name(&arn)).await.unwrap().expose(), "old");
    store.management().unwrap().set(&name(&arn), &"new".into()).await.unwrap();
    assert_eq!(store.get(&key()).await.unwrap().expose(), "new");

    let unknown = name(&arn.replace("openai-key", "another-key"));
    assert_eq!(store.get(&unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = store.management().unwrap().set(&unknown, &"x".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let before = fixture.actions().len();
    let prefixed = fixture.store("prefix: openai-").await;
    assert_eq!(prefixed.get(&name(&arn)).await.unwrap_err().kind(), ErrorKind::InvalidName);
    assert_eq!(fixture.actions().len(), before);
}

pub(super) async fn without_a_recovery_window_a_secret_is_gone_at_once(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "old").await;
    let store = fixture.store("recovery_window_days: 0").await;
    store.management().unwrap().delete(&key()).await.unwrap();
    assert_eq!(kind_of_get(&store).await, ErrorKind::NotFound);
    // A forced deletion of nothing succeeds at Amazon's; it is not told as success.
    let error = store.management().unwrap().delete(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(fixture.actions()[..2], ["DescribeSecret", "DeleteSecret"]);
}

pub(super) async fn a_listing_asks_for_its_prefix_alone(fixture: &Fixture<'_>) {
    for secret in ["app/one", "APP/two", "my/app/three", "other"] {
        fixture.hold(secret, "x").await;
    }
    let store = fixture.store("prefix: app/").await;
    assert_eq!(store.management().unwrap().list().await.unwrap(), [name("one")]);
    // To a filter, an exclamation mark is a sign; no name holds one.
    let odd = fixture.store("prefix: '!app'").await;
    assert!(odd.management().unwrap().list().await.unwrap().is_empty());
    assert_eq!(fixture.actions(), ["ListSecrets"]);
}

/// `/prod/db` is a usual name at Amazon's, and no name here.
pub(super) async fn a_listing_leaves_out_what_is_read_by_its_arn_alone(fixture: &Fixture<'_>) {
    fixture.hold("openai-key", "x").await;
    let arn = fixture.hold("/prod/db", "of the path").await;
    let store = fixture.store("").await;
    assert_eq!(store.management().unwrap().list().await.unwrap(), [key()]);
    assert_eq!(store.get(&name(&arn)).await.unwrap().expose(), "of the path");
    store.management().unwrap().set(&name(&arn), &"new".into()).await.unwrap();
    assert_eq!(store.get(&name(&arn)).await.unwrap().expose(), "new");
}
