//! What is peculiar to 1Password Connect.

mod fields;

use std::{path::Path, process::Stdio, sync::Arc};

use libtest_mimic::Trial;
use modelmesh_secrets::{ErrorKind, SecretName};
use modelmesh_testkit::{
    canary::Canary,
    servers::{onepassword::Right, python_program, stranger::Stranger},
};
use serde_json::{Value, json};
use tokio::{process::Command, task::JoinSet};

use crate::{
    asking::{Store, get, kind, name, set},
    backends::onepassword::OnePassword,
};

pub(crate) fn trials() -> Vec<Trial> {
    let backend = Arc::new(OnePassword::new());
    macro_rules! trials {
        ($($test:ident),* $(,)?) => {
            vec![$({
                let backend = Arc::clone(&backend);
                crate::trial(concat!("onepassword::", stringify!($test)), move || async move {
                    $test(&backend).await;
                })
            }),*]
        };
    }
    let mut trials = trials![
        the_vendors_client_gets_what_it_expects,
        two_items_of_one_title_are_a_conflict,
        two_of_one_title_are_told_apart_by_their_ids,
        an_item_is_found_by_its_id,
        what_looks_like_an_id_may_be_a_title,
        hostile_titles_are_only_what_they_say,
        a_title_is_compared_to_the_letter,
        a_slash_does_not_lead_into_an_item,
        a_title_that_is_no_name_is_not_listed,
        a_version_is_of_one_item,
        an_archived_item_is_disabled_and_stands_back,
        writers_that_do_not_know_of_each_other_make_one_item,
        a_vault_is_found_by_its_title,
        two_vaults_of_one_title_are_an_error,
        a_vault_that_is_gone_is_looked_up_again,
        a_token_for_reading_cannot_write,
        a_vault_is_not_left,
        a_setting_that_is_missing_is_named,
        a_contradiction_is_an_outage_to_readers_and_a_conflict_to_writers,
        an_answer_of_somebody_else_confirms_no_write,
    ];
    trials.extend(fields::trials(&backend));
    trials
}

fn names(listed: &[SecretName]) -> Vec<&str> {
    listed.iter().map(SecretName::as_str).collect()
}

/// A vault, and a store of it.
async fn vault(backend: &OnePassword, more: &str) -> (String, Store) {
    let vault = backend.vault("a vault");
    let store = backend.open(&vault, backend.token(), more).await;
    (vault, store)
}

fn password(vault: &str, title: &str, value: &str) -> Value {
    json!({
        "title": title, "vault": { "id": vault }, "category": "PASSWORD",
        "fields": [{ "purpose": "PASSWORD", "type": "CONCEALED", "value": value }],
    })
}

async fn the_vendors_client_gets_what_it_expects(backend: &OnePassword) {
    let server = backend.server();
    // Tokens of its own, so that it sees its own vaults alone.
    let [writer, reader] = ["a token that writes", "a token that reads"].map(Canary::new);
    let vault = server.add_vault("Prod (EU)");
    server.grant(writer.text(), &vault, Right::Write);
    server.grant(reader.text(), &vault, Right::Read);
    let foreign = server.add_vault("another");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/network/onepassword_client.py");
    let output = Command::new(python_program("python"))
        .arg(script)
        .args([&server.address(), writer.text(), reader.text(), &vault, "Prod (EU)", &foreign])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "proved");
}

async fn two_items_of_one_title_are_a_conflict(backend: &OnePassword) {
    let (vault, store) = vault(backend, "").await;
    for value in ["1", "2"] {
        backend.server().add_item(&vault, &password(&vault, "twice", value));
    }
    let writer = store.management().unwrap();
    assert_eq!(kind(get(&store, "twice")).await, ErrorKind::Conflict);
    assert_eq!(kind(set(&store, "twice", "3")).await, ErrorKind::Conflict);
    assert_eq!(kind(writer.delete(&name("twice"))).await, ErrorKind::Conflict);
    assert_eq!(backend.server().items_titled(&vault, "twice").len(), 2);
    assert_eq!(names(&writer.list().await.unwrap()), ["twice"]);
}

async fn two_of_one_title_are_told_apart_by_their_ids(backend: &OnePassword) {
    let (vault, store) = vault(backend, "").await;
    let ids = ["1", "2"].map(|value| backend.server().add_item(&vault, &password(&vault, "twice", value)));
    set(&store, &ids[1], "second").await.unwrap();
    assert_eq!(get(&store, &ids[0]).await.unwrap(), "1");
    assert_eq!(get(&store, &ids[1]).await.unwrap(), "second");
    store.management().unwrap().delete(&name(&ids[0])).await.unwrap();
    assert_eq!(get(&store, "twice").await.unwrap(), "second");
}

async fn an_item_is_found_by_its_id(backend: &OnePassword) {
    let (vault, store) = vault(backend, "").await;
    let id = backend.server().add_item(&vault, &password(&vault, "by-id", "value"));
    assert_eq!(get(&store, &id).await.unwrap(), "value");
    assert_eq!(kind(get(&store, &"a".repeat(26))).await, ErrorKind::NotFound);
}

async fn what_looks_like_an_id_may_be_a_title(backend: &OnePassword) {
    let (_, store) = vault(backend, "").await;
    let title = "abcdefghijklmnopqrstuvwxyz";
    set(&store, title, "value").await.unwrap();
    assert_eq!(get(&store, title).await.unwrap(), "value");
}

async fn hostile_titles_are_only_what_they_say(backend: &OnePassword) {
    let (vault, store) = vault(backend, "").await;
    backend.server().add_item(&vault, &password(&vault, "victim", "of another"));
    for title in [
        "x\" or title eq \"victim",
        "\" or title eq \"victim\" or title eq \"",
        "victim\"",
        "victim\\",
        "\\\"",
        "it's",
        "\\u0076ictim",
        "victim&filter=title eq victim",
        "victim%22",
        "../victim",
        "a/b?filter=#",
    ] {
        let Ok(asked) = SecretName::new(title) else { continue };
        assert_eq!(kind(store.get(&asked)).await, ErrorKind::NotFound, "{title}");
        set(&store, title, title).await.unwrap();
        assert_eq!(get(&store, title).await.unwrap(), title);
        store.management().unwrap().delete(&asked).await.unwrap();
        assert_eq!(kind(store.get(&asked)).await, ErrorKind::NotFound, "{title}");
    }
    assert_eq!(get(&store, "victim").await.unwrap(), "of another");
    assert_eq!(names(&store.management().unwrap().list().await.unwrap()), ["victim"]);
}

async fn a_title_is_compared_to_the_letter(backend: &OnePassword) {
    let (_, store) = vault(backend, "").await;
    set(&store, "Key", "capital").await.unwrap();
    // The server's 'eq' does not care for capitals.
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::NotFound);
    set(&store, "key", "small").await.unwrap();
    assert_eq!(get(&store, "Key").await.unwrap(), "capital");
}

async fn a_slash_does_not_lead_into_an_item(backend: &OnePassword) {
    let (_, store) = vault(backend, "").await;
    set(&store, "db", "the password").await.unwrap();
    assert_eq!(kind(get(&store, "db/password")).await, ErrorKind::NotFound);
    set(&store, "db/password", "of its own").await.unwrap();
    assert_eq!(get(&store, "db").await.unwrap(), "the password");
}

async fn a_title_that_is_no_name_is_not_listed(backend: &OnePassword) {
    let (vault, store) = vault(backend, "").await;
    let id = backend.server().add_item(&vault, &password(&vault, "two\nlines", "value"));
    for title in ["", "a//b", "../up"] {
        backend.server().add_item(&vault, &password(&vault, title, "value"));
    }
    set(&store, "fine", "value").await.unwrap();
    assert_eq!(names(&store.management().unwrap().list().await.unwrap()), ["fine"]);
    assert_eq!(get(&store, &id).await.unwrap(), "value");
}

async fn a_version_is_of_one_item(backend: &OnePassword) {
    let (_, store) = vault(backend, "").await;
    let version = async || store.get(&name("key")).await.unwrap().version().unwrap().as_str().to_owned();
    set(&store, "key", "1").await.unwrap();
    let first = version().await;
    set(&store, "key", "2").await.unwrap();
    assert_eq!(version().await, first.replace(".1", ".2"));
    store.management().unwrap().delete(&name("key")).await.unwrap();
    set(&store, "key", "3").await.unwrap();
    assert_ne!(version().await, first);
}

async fn an_archived_item_is_disabled_and_stands_back(backend: &OnePassword) {
    let (vault, store) = vault(backend, "").await;
    let mut item = password(&vault, "key", "old");
    item["state"] = "ARCHIVED".into();
    let id = backend.server().add_item(&vault, &item);
    let writer = store.management().unwrap();
    for asked in ["key", &id] {
        assert_eq!(kind(get(&store, asked)).await, ErrorKind::Disabled);
        assert_eq!(kind(writer.delete(&name(asked))).await, ErrorKind::Disabled);
    }
    assert_eq!(kind(set(&store, &id, "new")).await, ErrorKind::Disabled);
    assert!(writer.list().await.unwrap().is_empty());
    set(&store, "key", "new").await.unwrap();
    assert_eq!(get(&store, "key").await.unwrap(), "new");
    item["state"] = "DELETED".into();
    item["title"] = "gone".into();
    backend.server().add_item(&vault, &item);
    assert_eq!(kind(get(&store, "gone")).await, ErrorKind::NotFound);
    assert_eq!(names(&writer.list().await.unwrap()), ["key"]);
}

async fn writers_that_do_not_know_of_each_other_make_one_item(backend: &OnePassword) {
    let vault = backend.vault("a vault");
    for round in 0..10 {
        let title = format!("new-{round}");
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            // A store each: what is alike in them is the vault.
            let store = backend.open(&vault, backend.token(), "").await;
            let title = title.clone();
            writers.spawn(async move { set(&store, &title, &format!("{writer}")).await });
        }
        for error in writers.join_all().await.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        }
        assert!(
            backend.server().items_titled(&vault, &title).len() <= 1,
            "an item is left that nobody can read"
        );
    }
}

async fn a_vault_is_found_by_its_title(backend: &OnePassword) {
    for title in ["Prod \"EU\" \\ West", "Prod by title"] {
        let vault = backend.vault(title);
        backend.server().add_item(&vault, &password(&vault, "key", title));
        let store = backend.open(title, backend.token(), "").await;
        assert_eq!(get(&store, "key").await.unwrap(), title);
        backend.server().take_filters();
        get(&store, "key").await.unwrap();
        let again = backend.server().take_filters().iter().any(|filter| filter.contains(title));
        assert!(!again, "the vault is looked up once");
    }
    for absent in ["prod by title", "Prod by titl"] {
        let store = backend.open(absent, backend.token(), "").await;
        assert_eq!(kind(get(&store, "key")).await, ErrorKind::InvalidConfig, "{absent}");
    }
}

async fn two_vaults_of_one_title_are_an_error(backend: &OnePassword) {
    for _ in 0..2 {
        backend.vault("one title");
    }
    let store = backend.open("one title", backend.token(), "").await;
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::InvalidConfig);
}

async fn a_vault_that_is_gone_is_looked_up_again(backend: &OnePassword) {
    let vault = backend.vault("moving");
    backend.server().add_item(&vault, &password(&vault, "key", "old"));
    let [by_title, by_id] =
        [backend.open("moving", backend.token(), "").await, backend.open(&vault, backend.token(), "").await];
    assert_eq!(get(&by_title, "key").await.unwrap(), "old");
    backend.server().remove_vault(&vault);
    assert_eq!(kind(get(&by_title, "key")).await, ErrorKind::InvalidConfig);
    let vault = backend.vault("moving");
    backend.server().add_item(&vault, &password(&vault, "key", "new"));
    assert_eq!(get(&by_title, "key").await.unwrap(), "new");
    assert_eq!(kind(get(&by_id, "key")).await, ErrorKind::InvalidConfig);
}

async fn a_token_for_reading_cannot_write(backend: &OnePassword) {
    let vault = backend.vault("a vault");
    backend.server().add_item(&vault, &password(&vault, "key", "value"));
    let reader = Canary::new("a token that reads");
    backend.server().grant(reader.text(), &vault, Right::Read);
    let store = backend.open(&vault, reader.text(), "").await;
    assert_eq!(get(&store, "key").await.unwrap(), "value");
    assert_eq!(kind(set(&store, "key", "x")).await, ErrorKind::Denied);
    assert_eq!(kind(set(&store, "new", "x")).await, ErrorKind::Denied);
    assert_eq!(kind(store.management().unwrap().delete(&name("key"))).await, ErrorKind::Denied);
    assert_eq!(get(&store, "key").await.unwrap(), "value");
}

async fn a_vault_is_not_left(backend: &OnePassword) {
    let (_, store) = vault(backend, "").await;
    let other = backend.vault("another");
    let id = backend.server().add_item(&other, &password(&other, "key", "of another vault"));
    for asked in ["key", &id, &format!("{other}/items/{id}"), &format!("{other}/key")] {
        assert_eq!(kind(get(&store, asked)).await, ErrorKind::NotFound, "{asked}");
    }
}

async fn a_setting_that_is_missing_is_named(backend: &OnePassword) {
    use crate::backend::{configuration, stores};
    use modelmesh_secrets::StoreSource as _;
    for (entry, missing) in [
        ("vault_id: v, token: t", "'server_url' is missing"),
        ("host: 'https://connect', token: t", "'vault_id' is missing"),
        ("host: 'https://connect', vault: v", "'token' is missing"),
        ("host: 'https://connect', vault: v, token: ''", "'token' is missing"),
        ("host: 'https://connect', vault: v, token: t, field: ''", "'field' is empty"),
    ] {
        let stores = stores(backend, &configuration(&format!("store: 1password.connect.v1, {entry}"), ""));
        let error = stores.store("s").await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert_eq!(error.message(), missing);
    }
}

async fn an_answer_of_somebody_else_confirms_no_write(backend: &OnePassword) {
    let id = "a".repeat(26);
    // An item, to whatever is asked.
    let item = json!({ "id": id, "title": "key" }).to_string();
    let stranger = Stranger::saying(move |_| item.clone());
    let store = backend.open_at(&stranger.address(), &id, backend.token(), "").await;
    assert_eq!(kind(store.management().unwrap().delete(&name(&id))).await, ErrorKind::Malformed);
    assert_eq!(kind(set(&store, "key", "value")).await, ErrorKind::Malformed);
}

async fn a_contradiction_is_an_outage_to_readers_and_a_conflict_to_writers(backend: &OnePassword) {
    let id = "a".repeat(26);
    let titled = |title: &str| json!({ "id": id, "title": title });
    let (listing, item) = (json!([titled("key")]).to_string(), titled("another").to_string());
    // One after the other: what is listed, and the item itself.
    let stranger =
        Stranger::saying(move |number| if number % 2 == 0 { listing.clone() } else { item.clone() });
    let store = backend.open_at(&stranger.address(), &id, backend.token(), "retry: { tries: 1 }").await;
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::Unavailable);
    assert_eq!(kind(set(&store, "key", "value")).await, ErrorKind::Conflict);
    assert_eq!(kind(store.management().unwrap().delete(&name("key"))).await, ErrorKind::Conflict);
}
