//! Engines, versions and fields.

use libtest_mimic::Trial;
use modelmesh_secrets::{ErrorKind, SecretValue, StoreSource as _, Version, reference::Reference};
use serde_json::json;

use super::{delete, error, get, kind, list, name, of_shared, put, set, versioned};
use crate::{
    backend,
    backends::vault::{Shared, Vault, entry},
};

pub(super) fn trials(shared: &Shared) -> Vec<Trial> {
    of_shared![shared:
        the_version_of_the_engine_is_found_out,
        a_wrong_version_of_the_engine_is_invalid_config,
        an_unknown_mount_is_invalid_config,
        a_path_below_a_mount_is_no_mount,
        a_mount_of_another_engine_is_invalid_config,
        a_deleted_version_is_disabled_until_it_is_undeleted,
        a_destroyed_version_is_disabled,
        a_deleted_secret_is_written_over,
        versions_are_found_by_number,
        a_version_that_will_be_deleted_expires,
        delete_removes_every_version,
        a_write_leaves_other_fields_alone,
        a_field_is_named_by_its_setting,
        a_missing_field_is_not_found,
        a_document_serves_all_its_fields,
    ]
}

async fn the_version_of_the_engine_is_found_out(vault: &Vault) {
    let mounts = [vault.server.mount(1).await, vault.server.mount(2).await];
    for (mount, has_versions) in mounts.iter().zip([false, true]) {
        let store = vault.open(mount, vault.token.text(), "").await;
        set(&store, "team/key", "first").await.unwrap();
        set(&store, "team/key", "second").await.unwrap();
        assert_eq!(get(&store, "team/key").await.unwrap(), "second");
        assert_eq!(list(&store).await, ["team/key"]);
        let older = store.get_version(&name("team/key"), &Version::from(1)).await;
        if has_versions {
            assert_eq!(older.unwrap().expose(), "first");
        } else {
            assert_eq!(older.unwrap_err().kind(), ErrorKind::Unsupported);
        }
        let capabilities = store.capabilities();
        assert_eq!((capabilities.cas, capabilities.versions), (has_versions, has_versions), "{mount}");
    }
}

async fn a_wrong_version_of_the_engine_is_invalid_config(vault: &Vault) {
    let (mount, _) = versioned(vault, "").await;
    put(vault, &mount, "key", &json!({ "value": "x" })).await;
    let store = vault.open(&mount, vault.token.text(), "kv_version: 1").await;
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::InvalidConfig);
    assert_eq!(kind(set(&store, "key", "y")).await, ErrorKind::InvalidConfig);
    assert_eq!(kind(store.management().unwrap().list()).await, ErrorKind::InvalidConfig);

    let mount = vault.server.mount(1).await;
    let store = vault.open(&mount, vault.token.text(), "kv_version: 2").await;
    assert_eq!(kind(set(&store, "key", "y")).await, ErrorKind::InvalidConfig);
}

async fn an_unknown_mount_is_invalid_config(vault: &Vault) {
    for more in ["", "kv_version: 1", "kv_version: 2"] {
        let store = vault.open("no-such-mount", vault.token.text(), more).await;
        assert_eq!(kind(get(&store, "key")).await, ErrorKind::InvalidConfig, "{more}");
        assert_eq!(kind(set(&store, "key", "x")).await, ErrorKind::InvalidConfig, "{more}");
        assert_eq!(kind(delete(&store, "key")).await, ErrorKind::InvalidConfig, "{more}");
        assert_eq!(kind(store.management().unwrap().list()).await, ErrorKind::InvalidConfig, "{more}");
    }
}

async fn a_path_below_a_mount_is_no_mount(vault: &Vault) {
    let (mount, _) = versioned(vault, "").await;
    let store = vault.open(&format!("{mount}/team"), vault.token.text(), "").await;
    let error = error(get(&store, "key")).await;
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.help().unwrap().contains("'prefix'"), "{error:?}");
}

async fn a_mount_of_another_engine_is_invalid_config(vault: &Vault) {
    let store = vault.open("cubbyhole", vault.server.root().text(), "").await;
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::InvalidConfig);
}

async fn a_deleted_version_is_disabled_until_it_is_undeleted(vault: &Vault) {
    let (mount, store) = versioned(vault, "").await;
    set(&store, "key", "first").await.unwrap();
    set(&store, "key", "second").await.unwrap();
    let client = vault.server.client();
    client.expect("DELETE", &format!("{mount}/data/key"), None).await;
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::Disabled);
    // An older one is not taken for it.
    assert_eq!(store.get_version(&name("key"), &Version::from(1)).await.unwrap().expose(), "first");
    assert_eq!(list(&store).await, ["key"]);

    client.expect("POST", &format!("{mount}/undelete/key"), Some(json!({ "versions": [2] }))).await;
    assert_eq!(get(&store, "key").await.unwrap(), "second");
}

async fn a_destroyed_version_is_disabled(vault: &Vault) {
    let (mount, store) = versioned(vault, "").await;
    set(&store, "key", "first").await.unwrap();
    let versions = json!({ "versions": [1] });
    vault.server.client().expect("PUT", &format!("{mount}/destroy/key"), Some(versions)).await;
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::Disabled);
    assert_eq!(kind(store.get_version(&name("key"), &Version::from(1))).await, ErrorKind::Disabled);
}

async fn a_deleted_secret_is_written_over(vault: &Vault) {
    let (mount, store) = versioned(vault, "").await;
    set(&store, "key", "first").await.unwrap();
    vault.server.client().expect("DELETE", &format!("{mount}/data/key"), None).await;
    set(&store, "key", "second").await.unwrap();
    let value = store.get(&name("key")).await.unwrap();
    assert_eq!((value.expose(), value.version().unwrap().as_str()), ("second", "2"));

    vault.server.client().expect("DELETE", &format!("{mount}/data/key"), None).await;
    delete(&store, "key").await.unwrap();
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::NotFound);
}

async fn versions_are_found_by_number(vault: &Vault) {
    let (_, store) = versioned(vault, "").await;
    for value in ["first", "second", "third"] {
        set(&store, "key", value).await.unwrap();
    }
    for (number, text) in [(1, "first"), (2, "second"), (3, "third")] {
        let value = store.get_version(&name("key"), &Version::from(number)).await.unwrap();
        assert_eq!((value.expose(), value.version()), (text, Some(&Version::from(number))));
    }
    for absent in ["0", "4", "latest", "1&list=true", "-1"] {
        let (key, absent) = (name("key"), Version::from(absent));
        assert_eq!(kind(store.get_version(&key, &absent)).await, ErrorKind::NotFound, "{absent}");
    }
}

async fn a_version_that_will_be_deleted_expires(vault: &Vault) {
    let (mount, store) = versioned(vault, "").await;
    let rule = json!({ "delete_version_after": "1h" });
    vault.server.client().expect("POST", &format!("{mount}/metadata/key"), Some(rule)).await;
    set(&store, "key", "x").await.unwrap();
    let value = store.get(&name("key")).await.unwrap();
    let left = value.expires_at().expect("it has an end").duration_since(jiff::Timestamp::now());
    assert!((3500..=3600).contains(&left.as_secs()), "{left:?}");
    set(&store, "lasting", "x").await.unwrap();
    assert_eq!(store.get(&name("lasting")).await.unwrap().expires_at(), None);
}

async fn delete_removes_every_version(vault: &Vault) {
    let (mount, store) = versioned(vault, "").await;
    set(&store, "key", "first").await.unwrap();
    set(&store, "key", "second").await.unwrap();
    delete(&store, "key").await.unwrap();
    let left = vault.server.client().call("GET", &format!("{mount}/metadata/key"), None).await;
    assert_eq!(left.map(|(status, _)| status), Some(404));
    assert_eq!(kind(delete(&store, "key")).await, ErrorKind::NotFound);
}

async fn a_write_leaves_other_fields_alone(vault: &Vault) {
    let document = json!({ "value": "old", "note": "a<b>&é", "n": 15, "deep": { "x": [1, null] } });
    for version in [1, 2] {
        let mount = vault.server.mount(version).await;
        let (path, body) = match version {
            1 => (format!("{mount}/key"), document.clone()),
            _ => (format!("{mount}/data/key"), json!({ "data": document })),
        };
        vault.server.client().expect("POST", &path, Some(body)).await;
        let store = vault.open(&mount, vault.token.text(), "").await;
        set(&store, "key", "new").await.unwrap();

        let mut expected = document.clone();
        expected["value"] = json!("new");
        let now = vault.server.client().expect("GET", &path, None).await;
        let held = if version == 1 { &now["data"] } else { &now["data"]["data"] };
        assert_eq!(*held, expected);
    }
}

async fn a_field_is_named_by_its_setting(vault: &Vault) {
    let (mount, _) = versioned(vault, "").await;
    put(vault, &mount, "key", &json!({ "api_key": "sk-1", "port": 5432 })).await;
    let store = vault.open(&mount, vault.token.text(), "field: api_key").await;
    assert_eq!(get(&store, "key").await.unwrap(), "sk-1");
    set(&store, "key", "sk-2").await.unwrap();
    let port = vault.open(&mount, vault.token.text(), "field: port").await;
    assert_eq!(get(&port, "key").await.unwrap(), "5432");
    assert_eq!(get(&store, "key").await.unwrap(), "sk-2");
}

async fn a_missing_field_is_not_found(vault: &Vault) {
    let (mount, store) = versioned(vault, "").await;
    put(vault, &mount, "key", &json!({ "api_key": "canary" })).await;
    let error = error(get(&store, "key")).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.help().unwrap().contains("field: \"*\""), "{error:?}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

async fn a_document_serves_all_its_fields(vault: &Vault) {
    let (mount, _) = versioned(vault, "").await;
    put(vault, &mount, "openai", &json!({ "api_key": "sk-1", "org": { "id": "acme" } })).await;
    let more = format!("token: '{}', field: '*'", vault.token.text());
    let text = backend::configuration(&entry(vault.server.address(), &mount), &more);
    let stores = backend::stores_in(&text, &[]);
    for (reference, expected) in
        [("${secrets.s:openai#api_key}", "sk-1"), ("${secrets.s:openai#/org/id}", "acme")]
    {
        let reference = Reference::parse(reference).unwrap();
        let value = stores.resolver().get_many(&[reference]).await.remove(0).unwrap();
        assert_eq!(value.expose(), expected);
    }
    let store = stores.without_cache().store("s").await.unwrap();
    let management = store.management().unwrap();
    management.set(&name("openai"), &SecretValue::new(r#"{"api_key": "sk-2"}"#)).await.unwrap();
    assert_eq!(get(&store, "openai").await.unwrap(), r#"{"api_key":"sk-2"}"#);
    assert_eq!(kind(set(&store, "openai", "sk-3")).await, ErrorKind::Unsupported);
}
