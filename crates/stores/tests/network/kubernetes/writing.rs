//! Changes: what is written, what is not, and what others write meanwhile.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use libtest_mimic::Trial;
use modelmesh_secrets::{Change, ErrorKind, SecretName, SecretValue};
use modelmesh_testkit::servers::proxy::{Fault, Reply};
use serde_json::{Value, json};

use super::{Fixture, data, held, key, kind_of_get, name, set};
use crate::{
    backend::Backend,
    backends::kubernetes::{Cluster, backends},
    stage::Stage,
};

pub(super) fn trials(cluster: &Arc<Cluster>) -> Vec<Trial> {
    trials![cluster:
        two_writers_of_one_secret_lose_nothing,
        writers_of_the_same_keys_leave_what_the_last_one_wrote,
        two_that_count_together_lose_no_step,
        a_change_of_what_others_changed_is_made_anew,
        an_exchange_is_refused_if_its_own_key_changed,
        an_exchange_of_several_secrets_is_compared_before_it_is_made,
        many_values_of_one_secret_are_set_together,
        a_write_leaves_the_rest_of_the_secret,
        the_last_key_leaves_its_secret,
        an_immutable_secret_is_read_and_never_written,
        a_secret_that_is_being_deleted_takes_no_write,
        a_deleted_secret_is_not_found_and_is_made_again,
        the_longest_value_fits_and_a_longer_one_is_refused_unsent,
        keys_that_together_are_too_long_are_refused,
        a_typed_secret_keeps_its_rules,
        a_success_that_is_none_acknowledges_nothing,
    ]
}

/// Two stores, as two processes have them, write 50 times each.
async fn write_at_once(fixture: &Fixture, key_of: fn(usize, usize) -> String) {
    let mut writers = Vec::new();
    for writer in 0..2 {
        let store = fixture.store("secret: app").await;
        writers.push(tokio::spawn(async move {
            for at in 0..50 {
                set(&store, &name(&key_of(writer, at)), &format!("{at} of {writer}")).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn two_writers_of_one_secret_lose_nothing(fixture: Fixture) {
    write_at_once(&fixture, |writer, at| format!("key-{writer}-{at}")).await;
    let store = fixture.store("secret: app").await;
    for writer in 0..2 {
        for at in 0..50 {
            let value = held(&store, &name(&format!("key-{writer}-{at}"))).await;
            assert_eq!(value, format!("{at} of {writer}"));
        }
    }
    assert_eq!(store.management().unwrap().list().await.unwrap().len(), 100);
}

async fn writers_of_the_same_keys_leave_what_the_last_one_wrote(fixture: Fixture) {
    write_at_once(&fixture, |_, at| format!("key-{at}")).await;
    let store = fixture.store("secret: app").await;
    for at in 0..50 {
        let value = held(&store, &name(&format!("key-{at}"))).await;
        assert!([0, 1].map(|writer| format!("{at} of {writer}")).contains(&value), "{at}: {value}");
    }
    assert_eq!(store.management().unwrap().list().await.unwrap().len(), 50);
}

/// Each step builds on the one before it: one that were acknowledged and lost would be missing in the end.
async fn two_that_count_together_lose_no_step(fixture: Fixture) {
    fixture.create("app", &[("openai-key", "0")]).await;
    let mut writers = Vec::new();
    for _ in 0..2 {
        let store = fixture.store("secret: app").await;
        writers.push(tokio::spawn(async move {
            let mut made = 0;
            while made < 50 {
                let before = held(&store, &key()).await;
                let after = (before.parse::<usize>().unwrap() + 1).to_string();
                match store.exchange(&[change("openai-key", Some(&before), Some(&after))]).await.remove(0) {
                    Ok(()) => made += 1,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(held(&fixture.store("secret: app").await, &key()).await, "100");
}

async fn a_change_of_what_others_changed_is_made_anew(fixture: Fixture) {
    const WRITERS: usize = 8;
    fixture.create("app", &[]).await;
    let mut stores = Vec::new();
    for _ in 0..WRITERS {
        stores.push(fixture.store("secret: app").await);
    }
    // A write is two requests, and more only if somebody else was sooner. Whether they meet is up to the machine.
    for round in 0..10 {
        let before = fixture.requests().await.len();
        let writes = stores.iter().enumerate().map(|(at, store)| {
            let store = Arc::clone(store);
            tokio::spawn(async move { set(&store, &name(&format!("key-{round}-{at}")), "value").await })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap().unwrap();
        }
        let keys = fixture.secret("app").await["data"].as_object().unwrap().len();
        assert_eq!(keys, WRITERS * (round + 1));
        if fixture.requests().await.len() > before + 2 * WRITERS {
            return;
        }
    }
    panic!("nobody ever came first");
}

fn change(name: &str, before: Option<&str>, after: Option<&str>) -> Change {
    let value = |text: Option<&str>| text.map(SecretValue::new);
    Change { name: self::name(name), before: value(before), after: value(after) }
}

async fn an_exchange_is_refused_if_its_own_key_changed(fixture: Fixture) {
    fixture.create("app", &[("a", "1"), ("b", "2")]).await;
    let store = fixture.store("secret: app").await;
    let stale = [change("a", Some("1"), Some("new")), change("b", Some("other"), None)];
    for result in store.exchange(&stale).await {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.name()), (ErrorKind::Conflict, Some("b")));
    }
    assert_eq!(fixture.secret("app").await["data"], data(&[("a", "1"), ("b", "2")]));

    let changes =
        [change("a", Some("1"), Some("new")), change("b", Some("2"), None), change("c", None, Some("3"))];
    for result in store.exchange(&changes).await {
        result.unwrap();
    }
    assert_eq!(fixture.secret("app").await["data"], data(&[("a", "new"), ("c", "3")]));
    let patches = fixture.requests().await.into_iter().filter(|request| request == "patch app").count();
    assert_eq!(patches, 1);
}

async fn an_exchange_of_several_secrets_is_compared_before_it_is_made(fixture: Fixture) {
    fixture.create("one", &[("a", "1")]).await;
    fixture.create("two", &[("a", "2")]).await;
    let store = fixture.store("").await;
    let stale = [change("one/a", Some("1"), Some("new")), change("two/a", Some("other"), Some("new"))];
    for result in store.exchange(&stale).await {
        assert_eq!(result.unwrap_err().name(), Some("two/a"));
    }
    assert_eq!(fixture.secret("one").await["data"], data(&[("a", "1")]));

    let changes = [change("one/a", Some("1"), Some("new")), change("two/a", Some("2"), Some("newer"))];
    for result in store.exchange(&changes).await {
        result.unwrap();
    }
    assert_eq!(fixture.secret("one").await["data"], data(&[("a", "new")]));
    assert_eq!(fixture.secret("two").await["data"], data(&[("a", "newer")]));
}

async fn many_values_of_one_secret_are_set_together(fixture: Fixture) {
    let store = fixture.store("").await;
    let secrets: Vec<(SecretName, SecretValue)> =
        (0..20).map(|at| (name(&format!("s{}/key-{at}", at % 2)), "value".into())).collect();
    for result in store.management().unwrap().set_many(&secrets).await {
        result.unwrap();
    }
    assert_eq!(fixture.requests().await, ["get s0", "create", "get s1", "create"]);
    for secret in ["s0", "s1"] {
        assert_eq!(fixture.secret(secret).await["data"].as_object().unwrap().len(), 10);
    }
    // A name that cannot be one stops all.
    let refused = [(name("s0/key-0"), "new".into()), (name("s0/no key"), "new".into())];
    for result in store.management().unwrap().set_many(&refused).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidName);
    }
    assert_eq!(fixture.requests().await.len(), 4);
}

async fn a_write_leaves_the_rest_of_the_secret(fixture: Fixture) {
    let object = json!({
        "type": "example.com/own",
        "metadata": { "labels": { "app": "gateway" }, "annotations": { "note": "kept" }, "finalizers": ["a.b/c"] },
        "data": { "other": BASE64_STANDARD.encode("kept"), "binary": BASE64_STANDARD.encode(b"\xff\xfe") },
    });
    fixture.server().await.create_secret(&fixture.namespace, "app", object.clone()).await;
    let store = fixture.store("secret: app").await;
    set(&store, &key(), "value").await.unwrap();
    store.management().unwrap().delete(&key()).await.unwrap();
    let left = fixture.secret("app").await;
    for part in ["/type", "/metadata/labels", "/metadata/annotations", "/metadata/finalizers", "/data"] {
        assert_eq!(left.pointer(part), object.pointer(part), "{part}");
    }
}

async fn the_last_key_leaves_its_secret(fixture: Fixture) {
    for (more, text) in [("secret: app", "openai-key"), ("", "app/openai-key")] {
        let store = fixture.store(more).await;
        set(&store, &name(text), "value").await.unwrap();
        store.management().unwrap().delete(&name(text)).await.unwrap();
        assert_eq!(fixture.secret("app").await["data"], Value::Null);
        assert_eq!(store.management().unwrap().list().await.unwrap(), []);
        assert_eq!(store.get(&name(text)).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

async fn an_immutable_secret_is_read_and_never_written(fixture: Fixture) {
    let object = json!({ "data": data(&[("openai-key", "value")]), "immutable": true });
    fixture.server().await.create_secret(&fixture.namespace, "app", object).await;
    let store = fixture.store("secret: app").await;
    assert_eq!(held(&store, &key()).await, "value");
    let management = store.management().unwrap();
    for result in [
        set(&store, &key(), "new").await,
        set(&store, &name("fresh"), "new").await,
        management.delete(&key()).await,
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("immutable") && error.help().is_some(), "{error:?}");
    }
    assert_eq!(held(&store, &key()).await, "value");
}

async fn a_secret_that_is_being_deleted_takes_no_write(fixture: Fixture) {
    let object = json!({ "metadata": { "finalizers": ["a.b/c"] }, "data": data(&[("openai-key", "value")]) });
    let server = fixture.server().await;
    server.create_secret(&fixture.namespace, "app", object).await;
    server.delete_secret(&fixture.namespace, "app").await;
    let store = fixture.store("secret: app").await;
    assert_eq!(kind_of_get(&store).await, ErrorKind::Disabled);
    assert_eq!(set(&store, &key(), "lost").await.unwrap_err().kind(), ErrorKind::Disabled);

    server.patch_secret(&fixture.namespace, "app", &json!({ "metadata": { "finalizers": null } })).await;
    assert_eq!(kind_of_get(&store).await, ErrorKind::NotFound);
    set(&store, &key(), "kept").await.unwrap();
    assert_eq!(held(&store, &key()).await, "kept");
}

async fn a_deleted_secret_is_not_found_and_is_made_again(fixture: Fixture) {
    fixture.create("app", &[("openai-key", "value")]).await;
    let store = fixture.store("secret: app").await;
    assert_eq!(held(&store, &key()).await, "value");
    fixture.server().await.delete_secret(&fixture.namespace, "app").await;
    let error = store.get(&key()).await.unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::NotFound, Some("openai-key")));
    assert!(error.help().is_some(), "{error:?}");
    assert_eq!(store.management().unwrap().delete(&key()).await.unwrap_err().kind(), ErrorKind::NotFound);

    set(&store, &key(), "again").await.unwrap();
    assert_eq!(held(&store, &key()).await, "again");
    assert_eq!(fixture.secret("app").await["type"], "Opaque");
}

async fn the_longest_value_fits_and_a_longer_one_is_refused_unsent(fixture: Fixture) {
    let store = fixture.store("secret: app").await;
    let longest = store.capabilities().max_bytes.unwrap();
    set(&store, &key(), &"x".repeat(longest)).await.unwrap();
    assert_eq!(held(&store, &key()).await.len(), longest);
    let before = fixture.requests().await.len();
    let error = set(&store, &key(), &"x".repeat(longest + 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(fixture.requests().await.len(), before);
}

async fn keys_that_together_are_too_long_are_refused(fixture: Fixture) {
    let store = fixture.store("secret: app").await;
    // To the byte: what is just not too long must not be refused here, and is what the server takes at the most.
    set(&store, &name("half"), &"x".repeat(1 << 19)).await.unwrap();
    set(&store, &name("other"), &"x".repeat(1 << 19)).await.unwrap();
    let error = set(&store, &key(), "y").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.help().unwrap().contains("1 MiB"), "{error:?}");
    set(&store, &key(), "").await.unwrap();
    store.management().unwrap().delete(&name("half")).await.unwrap();
    set(&store, &key(), "y").await.unwrap();
}

async fn a_typed_secret_keeps_its_rules(fixture: Fixture) {
    let object =
        json!({ "type": "kubernetes.io/basic-auth", "data": data(&[("username", "u"), ("password", "p")]) });
    fixture.server().await.create_secret(&fixture.namespace, "login", object).await;
    let ssh = json!({ "type": "kubernetes.io/ssh-auth", "data": data(&[("ssh-privatekey", "k")]) });
    fixture.server().await.create_secret(&fixture.namespace, "ssh", ssh).await;
    let store = fixture.store("").await;
    set(&store, &name("login/password"), "new").await.unwrap();
    assert_eq!(held(&store, &name("login/password")).await, "new");
    let error = store.management().unwrap().delete(&name("ssh/ssh-privatekey")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(held(&store, &name("ssh/ssh-privatekey")).await, "k");
}

/// Something in between may say 'success' to anything.
async fn a_success_that_is_none_acknowledges_nothing(_: Fixture) {
    let [_, documents] = backends();
    let backend: Arc<dyn Backend> = Arc::new(documents);
    let stage = Stage::new(&backend).await;
    let store = stage.warm_store("retry: { tries: 1 }").await;
    let fresh = stage.store("retry: { tries: 1 }, prefix: fresh/").await;
    let object = |metadata: Value| {
        json!({ "kind": "Secret", "metadata": metadata, "data": data(&[("some-key", "canary")]) }).to_string()
    };
    let bodies = [
        String::new(),
        "{}".into(),
        "<html>canary</html>".into(),
        json!({ "kind": "Status", "metadata": {}, "status": "Success", "code": 200 }).to_string(),
        object(json!({ "name": "other", "resourceVersion": "7" })),
        object(json!({ "resourceVersion": "7" })),
        object(json!({ "name": "app" })),
        object(json!({ "name": "app", "resourceVersion": "" })),
    ];
    let succeed = |method: &'static str, body: &str| {
        let fault = Fault::Answer(Reply::of(200, "application/json", body));
        stage.proxy.inject_where(fault, move |request| request.method == method);
    };
    for body in &bodies {
        succeed("PATCH", body);
        let management = store.management().unwrap();
        let change = Change { name: stage.name.clone(), before: Some(stage.value.value()), after: None };
        for (call, result) in [
            ("set", management.set(&stage.name, &"new".into()).await),
            ("delete", management.delete(&stage.name).await),
            ("exchange", store.exchange(&[change]).await.remove(0)),
        ] {
            let error = result.expect_err(call);
            assert_eq!(error.kind(), ErrorKind::Malformed, "{call} {body}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        succeed("POST", body);
        let error = fresh.management().unwrap().set(&stage.name, &"new".into()).await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
        // A value of another Secret is none that was asked for.
        succeed("GET", body);
        assert_eq!(store.get(&stage.name).await.expect_err(body).kind(), ErrorKind::Malformed, "{body}");
    }
    stage.proxy.forward();
    assert!(store.get(&stage.name).await.unwrap().expose() == stage.value.text());
    assert_eq!(fresh.get(&stage.name).await.unwrap_err().kind(), ErrorKind::NotFound);
}
