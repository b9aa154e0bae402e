//! Names that would lead elsewhere, and listings.

use libtest_mimic::Trial;
use modelmesh_secrets::{ErrorKind, SecretName};
use serde_json::json;

use super::{delete, get, kind, list, of_shared, put, set, versioned};
use crate::backends::vault::{Shared, Vault};

pub(super) fn trials(shared: &Shared) -> Vec<Trial> {
    of_shared![shared:
        hostile_names_stay_under_mount_and_prefix,
        what_is_no_name_is_refused_before_any_call,
        a_prefix_is_never_left_by_a_listing,
        a_listing_begins_at_the_prefix,
        a_listing_walks_deep_and_wide_trees,
    ]
}

/// Names that another program might read as a way elsewhere.
const HOSTILE: &[&str] = &[
    "%2e%2e/%2e%2e/victim",
    "..%2fvictim",
    "..%2f..%2fdata%2fvictim",
    "a/..%2f..%2fvictim",
    "...",
    "..a/..b",
    "..\\..\\victim",
    "victim?version=1",
    "victim#",
    "victim?list=true",
    "victim%00",
    "victim%2f",
    "\"victim\"",
    "'victim' or 1=1",
    "{{victim}}",
    "victim;x=y",
    "metadata/victim",
    "data/victim",
    "config",
    "+/victim",
    "*",
    "sys/seal",
    "https:/127.0.0.1/victim",
    "@127.0.0.1",
];

async fn hostile_names_stay_under_mount_and_prefix(vault: &Vault) {
    for version in [1, 2] {
        let mount = vault.server.mount(version).await;
        let victims = [vault.open(&mount, vault.token.text(), "").await, versioned(vault, "").await.1];
        for victim in &victims {
            set(victim, "victim", "untouched").await.unwrap();
        }
        let store = vault.open(&mount, vault.token.text(), "prefix: app/").await;
        for hostile in HOSTILE {
            assert_eq!(kind(get(&store, hostile)).await, ErrorKind::NotFound, "{hostile}");
            set(&store, hostile, hostile).await.unwrap_or_else(|error| panic!("{hostile}: {error:?}"));
            assert_eq!(get(&store, hostile).await.unwrap(), *hostile);
        }
        let mut expected: Vec<String> = HOSTILE.iter().map(|&hostile| hostile.to_owned()).collect();
        expected.sort();
        assert_eq!(list(&store).await, expected);
        for hostile in HOSTILE {
            delete(&store, hostile).await.unwrap();
            assert_eq!(kind(get(&store, hostile)).await, ErrorKind::NotFound, "{hostile}");
        }
        for victim in &victims {
            assert_eq!(get(victim, "victim").await.unwrap(), "untouched");
            assert_eq!(list(victim).await, ["victim"]);
        }
    }
}

async fn what_is_no_name_is_refused_before_any_call(vault: &Vault) {
    for hostile in ["..", "a/../b", "./a", "a//b", "/a", "a/", "a\nb", "a\0b", "a\u{1b}[2Jb", "a\u{9b}b"] {
        assert_eq!(SecretName::new(hostile).unwrap_err().kind(), ErrorKind::InvalidName, "{hostile:?}");
    }
    // Whoever asked would learn that the token is refused.
    let store = vault.open("nowhere", vault.refused.text(), "").await;
    for hostile in ["\u{202e}a", "a\u{a0}b", "\u{feff}a", "a\u{200b}", "a\u{2028}b"] {
        assert_eq!(kind(get(&store, hostile)).await, ErrorKind::InvalidName, "{hostile:?}");
        assert_eq!(kind(set(&store, hostile, "x")).await, ErrorKind::InvalidName, "{hostile:?}");
        assert_eq!(kind(delete(&store, hostile)).await, ErrorKind::InvalidName, "{hostile:?}");
    }
}

async fn a_prefix_is_never_left_by_a_listing(vault: &Vault) {
    let (mount, _) = versioned(vault, "").await;
    for path in ["app/one", "app/deep/two", "app-three", "application/four", "other", "app/app-five"] {
        put(vault, &mount, path, &json!({ "value": "x" })).await;
    }
    for (prefix, expected) in [
        ("app/", &["app-five", "deep/two", "one"][..]),
        ("app-", &["three"]),
        ("app", &["-three", "/app-five", "/deep/two", "/one", "lication/four"]),
        ("app/app-", &["five"]),
        ("none/", &[]),
        ("none", &[]),
    ] {
        let store = vault.open(&mount, vault.token.text(), &format!("prefix: '{prefix}'")).await;
        // A name that would begin with a slash is none.
        let expected: Vec<&str> = expected.iter().copied().filter(|name| !name.starts_with('/')).collect();
        assert_eq!(list(&store).await, expected, "{prefix}");
    }
}

async fn a_listing_begins_at_the_prefix(vault: &Vault) {
    let (mount, _) = versioned(vault, "").await;
    for path in ["team/app/key", "team/app/deep/key", "team/secret/key", "other"] {
        put(vault, &mount, path, &json!({ "value": "x" })).await;
    }
    // A token that may list there and nowhere else.
    let rules = format!("path \"{mount}/metadata/team/app/*\" {{ capabilities = [\"list\"] }}");
    vault.server.client().policy(&mount, &rules).await;
    let token = vault.server.client().token(json!({ "policies": [mount] })).await;
    let store = vault.open(&mount, &token, "prefix: team/app/").await;
    assert_eq!(list(&store).await, ["deep/key", "key"]);
    let outside = vault.open(&mount, &token, "prefix: team/").await;
    assert_eq!(kind(outside.management().unwrap().list()).await, ErrorKind::Denied);
}

async fn a_listing_walks_deep_and_wide_trees(vault: &Vault) {
    let (mount, store) = versioned(vault, "").await;
    let deep = vec!["d"; 40].join("/");
    let mut expected: Vec<String> = (0..30).map(|at| format!("wide-{at}/key")).collect();
    // A folder and a secret of one name.
    expected.extend([deep, "wide-1".to_owned(), "wide-1/key/more".to_owned()]);
    expected.sort();
    for path in &expected {
        put(vault, &mount, path, &json!({ "value": "x" })).await;
    }
    assert_eq!(list(&store).await, expected);
}
