//! Which field of an item is the secret, and what a write does to the others.

use std::sync::Arc;

use libtest_mimic::Trial;
use modelmesh_secrets::ErrorKind;
use serde_json::{Value, json};

use super::{get, kind, name, password, set, vault};
use crate::backends::onepassword::OnePassword;

pub(super) fn trials(backend: &Arc<OnePassword>) -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),* $(,)?) => {
            vec![$({
                let backend = Arc::clone(backend);
                crate::trial(concat!("onepassword::", stringify!($test)), move || async move {
                    $test(&backend).await;
                })
            }),*]
        };
    }
    trials![
        the_credential_stands_in_for_a_missing_password,
        a_field_is_named_by_label_id_or_section,
        two_fields_of_one_label_are_a_conflict,
        an_item_is_a_document,
        a_document_hides_nothing_behind_a_label,
        a_document_is_not_written,
        a_write_changes_one_field_alone,
        a_write_makes_a_field_that_is_missing,
        a_new_item_has_what_its_field_needs,
    ]
}

fn login(vault: &str, title: &str, fields: &Value) -> Value {
    let sections = json!([{ "id": "s1", "label": "Live" }, { "id": "s2", "label": "Test" }]);
    json!({ "title": title, "vault": { "id": vault }, "category": "LOGIN", "sections": sections, "fields": fields })
}

async fn the_credential_stands_in_for_a_missing_password(backend: &OnePassword) {
    let (vault, store) = vault(backend, "").await;
    let add = |title, fields: Value| {
        backend.server().add_item(&vault, &login(&vault, title, &fields));
    };
    add("both", json!([{ "label": "credential", "value": "c" }, { "purpose": "PASSWORD", "value": "p" }]));
    add("empty", json!([{ "purpose": "PASSWORD" }, { "label": "credential", "value": "c" }]));
    add("neither", json!([{ "purpose": "USERNAME", "value": "u" }]));
    assert_eq!(get(&store, "both").await.unwrap(), "p");
    assert_eq!(get(&store, "empty").await.unwrap(), "c");
    let error = store.get(&name("neither")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("'password' or 'credential'"), "{error}");
}

async fn a_field_is_named_by_label_id_or_section(backend: &OnePassword) {
    let vault = backend.vault("a vault");
    let fields = json!([
        { "purpose": "USERNAME", "value": "user" },
        { "id": "f1", "label": "key", "value": "live", "section": { "id": "s1" } },
        { "id": "f2", "label": "key", "value": "test", "section": { "id": "s2" } },
        { "id": "f3", "label": "a/b", "value": "slash" },
    ]);
    backend.server().add_item(&vault, &login(&vault, "login", &fields));
    for (field, value) in [
        ("username", "user"),
        ("f2", "test"),
        ("Live/key", "live"),
        ("s2/key", "test"),
        ("Test/f2", "test"),
        ("a/b", "slash"),
    ] {
        let store = backend.open(&vault, backend.token(), &format!("field: '{field}'")).await;
        assert_eq!(get(&store, "login").await.unwrap(), value, "{field}");
    }
    for field in ["Username", "Live/f2", "None/key", "f9"] {
        let store = backend.open(&vault, backend.token(), &format!("field: '{field}'")).await;
        assert_eq!(kind(get(&store, "login")).await, ErrorKind::NotFound, "{field}");
    }
}

async fn two_fields_of_one_label_are_a_conflict(backend: &OnePassword) {
    let (vault, store) = vault(backend, "field: key").await;
    let fields = json!([
        { "id": "f1", "label": "key", "value": "live", "section": { "id": "s1" } },
        { "id": "f2", "label": "key", "value": "test", "section": { "id": "s2" } },
    ]);
    backend.server().add_item(&vault, &login(&vault, "login", &fields));
    assert_eq!(kind(get(&store, "login")).await, ErrorKind::Conflict);
    assert_eq!(kind(set(&store, "login", "x")).await, ErrorKind::Conflict);
}

async fn an_item_is_a_document(backend: &OnePassword) {
    let (vault, store) = vault(backend, "field: '*'").await;
    let fields = json!([
        { "purpose": "USERNAME", "value": "user" },
        { "purpose": "PASSWORD", "value": "pass\n\"" },
        { "id": "f1", "label": "key", "value": "live", "section": { "id": "s1" } },
        { "id": "f2", "label": "key", "value": "test", "section": { "id": "s2" } },
        { "id": "f3", "label": "twice", "value": "1" },
        { "id": "f4", "label": "twice", "value": "2" },
        { "label": "empty", "value": "" },
    ]);
    backend.server().add_item(&vault, &login(&vault, "login", &fields));
    let document: Value = serde_json::from_str(&get(&store, "login").await.unwrap()).unwrap();
    let expected = json!({
        "username": "user", "password": "pass\n\"", "f3": "1", "f4": "2",
        "Live": { "key": "live" }, "Test": { "key": "test" },
    });
    assert_eq!(document, expected);
}

async fn a_document_hides_nothing_behind_a_label(backend: &OnePassword) {
    let (vault, store) = vault(backend, "field: '*'").await;
    let mut item = login(
        &vault,
        "login",
        &json!([
            { "label": "Live", "value": "a field" },
            { "label": "key", "value": "live", "section": { "id": "s1" } },
            { "label": "key", "value": "test", "section": { "id": "s2" } },
            { "label": "key", "value": "another test", "section": { "id": "s3" } },
            { "label": "added", "value": "by a person", "section": { "id": "add more" } },
        ]),
    );
    item["sections"]
        .as_array_mut()
        .unwrap()
        .extend([json!({ "id": "s3", "label": "Test" }), json!({ "id": "add more" })]);
    backend.server().add_item(&vault, &item);
    let document: Value = serde_json::from_str(&get(&store, "login").await.unwrap()).unwrap();
    let expected = json!({
        "Live": "a field", "added": "by a person",
        "s1": { "key": "live" }, "s2": { "key": "test" }, "s3": { "key": "another test" },
    });
    assert_eq!(document, expected);
    let by_section = backend.open(&vault, backend.token(), "field: Test/key").await;
    assert_eq!(kind(get(&by_section, "login")).await, ErrorKind::Conflict);
    assert_eq!(kind(set(&by_section, "login", "x")).await, ErrorKind::Conflict);
}

async fn a_document_is_not_written(backend: &OnePassword) {
    let (vault, store) = vault(backend, "field: '*'").await;
    backend.server().add_item(&vault, &password(&vault, "item", "value"));
    assert_eq!(kind(set(&store, "item", "{}")).await, ErrorKind::Unsupported);
    assert_eq!(kind(set(&store, "new", "{}")).await, ErrorKind::Unsupported);
    assert_eq!(backend.server().items_titled(&vault, "item")[0]["version"], 1);
}

async fn a_write_changes_one_field_alone(backend: &OnePassword) {
    let (vault, store) = vault(backend, "field: Live/key").await;
    let fields = json!([
        { "purpose": "USERNAME", "value": "user" },
        { "purpose": "PASSWORD", "value": "pass" },
        { "id": "a/b~c", "label": "key", "value": "live", "section": { "id": "s1" } },
    ]);
    let mut before = login(&vault, "login", &fields);
    before["tags"] = json!(["kept"]);
    backend.server().add_item(&vault, &before);
    let before = backend.server().items_titled(&vault, "login").remove(0);
    set(&store, "login", "new").await.unwrap();
    let mut after = backend.server().items_titled(&vault, "login").remove(0);
    assert_eq!(after["fields"][2]["value"], "new");
    assert_eq!(after["version"], 2);
    for changed in ["version", "updatedAt"] {
        after[changed] = before[changed].clone();
    }
    after["fields"][2]["value"] = "live".into();
    assert_eq!(after, before);
}

async fn a_write_makes_a_field_that_is_missing(backend: &OnePassword) {
    let vault = backend.vault("a vault");
    backend
        .server()
        .add_item(&vault, &login(&vault, "login", &json!([{ "purpose": "PASSWORD", "value": "p" }])));
    for (field, label, section) in
        [("token", "token", Value::Null), ("Live/key", "key", json!("s1")), ("No/key", "No/key", Value::Null)]
    {
        let store = backend.open(&vault, backend.token(), &format!("field: '{field}'")).await;
        set(&store, "login", field).await.unwrap();
        assert_eq!(get(&store, "login").await.unwrap(), field);
        let item = backend.server().items_titled(&vault, "login").remove(0);
        let made = item["fields"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&made["label"], &made["type"]), (&json!(label), &json!("CONCEALED")));
        assert_eq!(made["section"]["id"], section);
    }
}

async fn a_new_item_has_what_its_field_needs(backend: &OnePassword) {
    let vault = backend.vault("a vault");
    for (field, category, label, section) in [
        ("password", "PASSWORD", "password", Value::Null),
        ("credential", "API_CREDENTIAL", "credential", Value::Null),
        ("Live/key", "API_CREDENTIAL", "key", json!("Live")),
    ] {
        let store = backend.open(&vault, backend.token(), &format!("field: '{field}'")).await;
        set(&store, field, "value").await.unwrap();
        assert_eq!(get(&store, field).await.unwrap(), "value");
        let item = backend.server().items_titled(&vault, field).remove(0);
        assert_eq!((&item["category"], &item["fields"][0]["label"]), (&json!(category), &json!(label)));
        assert_eq!(item["sections"][0]["label"], section);
    }
}
