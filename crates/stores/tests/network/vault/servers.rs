//! Several servers, and servers that cannot serve.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use modelmesh_secrets::ErrorKind;
use modelmesh_testkit::servers::{
    proxy::{Fault, FaultProxy, Request},
    vault::VaultServer,
};
use serde_json::json;

use super::{Store, delete, error, get, kind, of_shared, put, scripted::Scripted, set};
use crate::backends::vault::{Shared, Vault, open};

pub(super) fn trials(shared: &Shared) -> Vec<Trial> {
    of_shared![shared:
        a_server_that_is_down_is_passed_over,
        a_server_that_hangs_leaves_time_for_the_next,
        the_server_that_answered_is_asked_first,
        a_redirect_to_a_configured_server_is_followed,
        a_redirect_elsewhere_is_not_followed,
        redirects_in_a_circle_end,
        a_rate_limit_is_not_evaded,
        a_real_rate_limit_is_throttled,
        a_sealed_server_says_so,
        a_sealed_server_is_passed_over,
        what_a_proxy_says_is_not_vaults,
        who_is_refused_by_a_proxy_asks_the_next,
        what_would_undo_a_later_write_is_not_made_twice,
    ]
}

/// A mount with one secret, and a store that asks these servers.
async fn asking(vault: &Vault, addresses: &[&str]) -> Store {
    let mount = vault.server.mount(2).await;
    put(vault, &mount, "key", &json!({ "value": "held" })).await;
    at(vault, addresses, &mount).await
}

async fn at(vault: &Vault, addresses: &[&str], mount: &str) -> Store {
    let entry = format!(
        "store: hashicorp.vault.v1, addresses: ['{}'], mount: '{mount}', token: '{}'",
        addresses.join("', '"),
        vault.token.text()
    );
    open(&entry, "retry: { tries: 1 }, fetch_timeout: 3s, kv_version: 2", &[]).await.unwrap()
}

const DOWN: &str = "http://127.0.0.1:1";

async fn a_server_that_is_down_is_passed_over(vault: &Vault) {
    let store = asking(vault, &[DOWN, vault.server.address()]).await;
    assert_eq!(get(&store, "key").await.unwrap(), "held");
    let nobody = asking(vault, &[DOWN, "http://127.0.0.1:2"]).await;
    assert_eq!(kind(get(&nobody, "key")).await, ErrorKind::Unavailable);
}

async fn a_server_that_hangs_leaves_time_for_the_next(vault: &Vault) {
    let silent = Scripted::silent();
    let store = asking(vault, &[&silent.address, vault.server.address()]).await;
    let begun = Instant::now();
    assert_eq!(get(&store, "key").await.unwrap(), "held");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(silent.requests(), 1);
}

async fn the_server_that_answered_is_asked_first(vault: &Vault) {
    let failing = Scripted::saying("503 Service Unavailable", r#"{"errors":["Vault is sealed"]}"#);
    let store = asking(vault, &[&failing.address, vault.server.address()]).await;
    for _ in 0..5 {
        assert_eq!(get(&store, "key").await.unwrap(), "held");
    }
    assert_eq!(failing.requests(), 1);
}

async fn a_redirect_to_a_configured_server_is_followed(vault: &Vault) {
    // The path that the redirect names is of no account: what was asked is asked there.
    let location = format!("307 Temporary Redirect\r\nLocation: {}/v1/sys/seal", vault.server.address());
    let standby = Scripted::saying(&location, "");
    let store = asking(vault, &[&standby.address, DOWN, vault.server.address()]).await;
    assert_eq!(get(&store, "key").await.unwrap(), "held");
    assert_eq!(standby.requests(), 1);
}

async fn a_redirect_elsewhere_is_not_followed(vault: &Vault) {
    let foreign = Scripted::saying("200 OK", r#"{"data":{"data":{"value":"of another"}}}"#);
    for location in [&foreign.address, "https://127.0.0.1:1", "//evil.example.com", "/v1/sys/seal", ""] {
        let location = format!("307 Temporary Redirect\r\nLocation: {location}/v1/kv/data/key");
        let standby = Scripted::saying(&location, "");
        let store = asking(vault, &[&standby.address]).await;
        let error = error(get(&store, "key")).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.help().unwrap().contains("'addresses'"), "{error:?}");
    }
    assert_eq!(foreign.requests(), 0);
}

async fn redirects_in_a_circle_end(vault: &Vault) {
    let location = format!("307 Temporary Redirect\r\nLocation: {DOWN}/");
    let standby = Scripted::saying(&location, "");
    let store = asking(vault, &[&standby.address, DOWN]).await;
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::Unavailable);
    assert_eq!(standby.requests(), 1);
}

async fn a_rate_limit_is_not_evaded(vault: &Vault) {
    let body = r#"{"errors":["request path \"kv/data/key\": rate limit quota exceeded"]}"#;
    for (head, wait) in [
        ("429 Too Many Requests", None),
        ("429 Too Many Requests\r\nRetry-After: 7", Some(Duration::from_secs(7))),
    ] {
        let limited = Scripted::saying(head, body);
        let store = asking(vault, &[&limited.address, vault.server.address()]).await;
        let error = error(get(&store, "key")).await;
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, wait));
        assert_eq!(limited.requests(), 1);
    }
}

async fn a_real_rate_limit_is_throttled(vault: &Vault) {
    let mount = vault.server.mount(2).await;
    let quota = json!({ "path": format!("{mount}/"), "rate": 1, "interval": "1h" });
    let store = at(vault, &[vault.server.address(), vault.server.address()], &mount).await;
    vault.server.client().expect("POST", &format!("sys/quotas/rate-limit/{mount}"), Some(quota)).await;
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::NotFound);
    assert_eq!(kind(get(&store, "key")).await, ErrorKind::Throttled);
}

async fn a_sealed_server_says_so(vault: &Vault) {
    let sealed = sealed().await;
    let error = error(get(&at(vault, &[sealed.address()], "secret").await, "key")).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("sealed"), "{error}");
    assert!(error.help().unwrap().contains("operator unseal"), "{error:?}");
}

async fn a_sealed_server_is_passed_over(vault: &Vault) {
    let sealed = sealed().await;
    let store = asking(vault, &[sealed.address(), vault.server.address()]).await;
    assert_eq!(get(&store, "key").await.unwrap(), "held");
    // Of two that cannot serve, the one that says why is believed.
    let error = error(get(&asking(vault, &[DOWN, sealed.address()]).await, "key")).await;
    assert!(error.message().contains("sealed"), "{error}");
}

async fn sealed() -> VaultServer {
    let server = VaultServer::start();
    server.client().expect("PUT", "sys/seal", None).await;
    server.client().until("sys/seal-status", |_, body| body["sealed"] == true).await;
    server
}

async fn what_a_proxy_says_is_not_vaults(vault: &Vault) {
    for (head, body) in [
        ("404 Not Found", "<html>not found</html>"),
        ("404 Not Found", ""),
        ("403 Forbidden", "<html>forbidden</html>"),
        ("403 Forbidden", r#"{"message":"forbidden"}"#),
        ("400 Bad Request", ""),
        ("502 Bad Gateway", "<html></html>"),
        ("301 Moved\r\nLocation: http://127.0.0.1:1/", ""),
    ] {
        let proxy = Scripted::saying(head, body);
        let store = asking(vault, &[&proxy.address]).await;
        assert_eq!(kind(get(&store, "key")).await, ErrorKind::Unavailable, "{head} {body}");
        assert_eq!(kind(super::set(&store, "key", "x")).await, ErrorKind::Unavailable, "{head} {body}");
        assert_eq!(kind(super::delete(&store, "key")).await, ErrorKind::Unavailable, "{head} {body}");
        assert_eq!(kind(store.management().unwrap().list()).await, ErrorKind::Unavailable, "{head} {body}");
    }
}

async fn who_is_refused_by_a_proxy_asks_the_next(vault: &Vault) {
    for head in ["404 Not Found", "403 Forbidden", "401 Unauthorized", "400 Bad Request", "301 Moved"] {
        let proxy = Scripted::saying(head, "<html>no backend</html>");
        let store = asking(vault, &[&proxy.address, vault.server.address()]).await;
        for _ in 0..2 {
            assert_eq!(get(&store, "key").await.unwrap(), "held", "{head}");
        }
        assert_eq!(proxy.requests(), 1, "who answered is asked first: {head}");
    }
}

/// What is lost is the answer: the server has done what it was asked.
async fn what_would_undo_a_later_write_is_not_made_twice(vault: &Vault) {
    let proxy = FaultProxy::start(vault.server.address(), None, |_| false);
    let is_write = |request: &Request| request.method != "GET";
    for (kv, is_made_again) in [(1, false), (2, true)] {
        let mount = vault.server.mount(kv).await;
        put(vault, &mount, "key", &json!({ "value": "held" })).await;
        let entry = format!(
            "store: hashicorp.vault.v1, addresses: ['{}', '{}'], mount: '{mount}', token: '{}'",
            proxy.plain_address(),
            vault.server.address(),
            vault.token.text()
        );
        let store = open(&entry, &format!("kv_version: {kv}"), &[]).await.unwrap();
        proxy.inject_where(Fault::Reset, is_write);
        // Where it is check-and-set, it is found to be done.
        let written = set(&store, "key", "new").await;
        assert_eq!(
            written.map_err(|error| error.kind()),
            if is_made_again { Ok(()) } else { Err(ErrorKind::Unavailable) }
        );
        proxy.forward();
        assert_eq!(get(&store, "key").await.unwrap(), "new");

        let store = open(&entry, &format!("kv_version: {kv}"), &[]).await.unwrap();
        proxy.inject_where(Fault::Reset, is_write);
        assert_eq!(kind(delete(&store, "key")).await, ErrorKind::Unavailable);
        proxy.forward();
        assert_eq!(kind(get(&store, "key")).await, ErrorKind::NotFound);
    }
}
