//! Names that would lead out of a store's own space, if anybody let them.

use std::sync::Arc;

use libtest_mimic::Trial;
use modelmesh_secrets::{Error, ErrorKind, SecretName, Version};
use modelmesh_testkit::canary::Canary;

use crate::{
    backend::{self, Backend, Space},
    stage::Stage,
};

pub(crate) fn trial(backend: &Arc<dyn Backend>) -> Trial {
    let backend = Arc::clone(backend);
    crate::trial(format!("names::{}::stay_within_their_space", backend.label()), move || stay(backend))
}

/// A secret of somebody else has this name, in the space without the prefix and in another space.
const NEIGHBOUR: &str = "outside";

/// Versions that aim at the neighbours.
const VERSIONS: &[&str] = &["../../outside", "%2e%2e%2foutside", "1?name=outside", "\"}"];

/// Names that aim at the neighbours, by every trick that some server falls for.
fn hostile(space: &Space, other: &Space) -> Vec<String> {
    const STEPS: &[&str] = &[
        "..",
        "%2e%2e",
        "%2E%2e",
        ".%2e",
        "%252e%252e",
        "..;",
        "..%00",
        "\u{2025}",
        "..\\",
        "..%5c",
        "..%2f",
    ];
    let (space, other) = (&space.0, &other.0);
    let mut names = Vec::new();
    for step in STEPS {
        for slash in ["/", "%2f", "\\", "%5c", "\u{2215}"] {
            names.push(format!("{step}{slash}{NEIGHBOUR}"));
            names.push(format!("x{slash}{step}{slash}{step}{slash}{NEIGHBOUR}"));
            names.push(format!("{step}{slash}{other}{slash}{NEIGHBOUR}"));
            names.push(format!("{step}{slash}{step}{slash}{other}{slash}data{slash}{NEIGHBOUR}"));
        }
        names.push((*step).to_owned());
    }
    for trick in [
        // Out of a quoted filter, a JSON string, a query, a fragment, a matrix parameter, an action.
        "x\" or title eq \"outside",
        "x' or 'a'='a",
        "\" or \"\"=\"",
        "outside\" and title co \"",
        "x\\\" or title eq \\\"outside",
        "x\",\"SecretId\":\"outside",
        "x?name=outside",
        "x&name=outside",
        "x#/outside",
        "x;name=outside",
        "outside:access",
        "x/versions/latest:access?secret=outside",
        "*",
        "out*",
        "out%",
        "outside%00",
        "outside\u{200b}",
        "${secrets:outside}",
        "//outside",
        "/outside",
        "outside/",
        "x//outside",
        "./outside",
        "outside/.",
        "@outside",
        "http://127.0.0.1:1/outside",
        "//127.0.0.1:1/outside",
        // Control characters.
        "out\0side",
        "x\r\nX-Header: outside",
        "x\noutside",
        "x\toutside",
        "\u{7f}outside",
        "\u{85}outside",
    ] {
        names.push(trick.to_owned());
    }
    names.push(format!("projects/{other}/secrets/{NEIGHBOUR}"));
    names.push(format!("{other}/{NEIGHBOUR}"));
    names.push(format!("{space}/{NEIGHBOUR}"));
    names.push(format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{NEIGHBOUR}"));
    names
}

async fn stay(backend: Arc<dyn Backend>) {
    let stage = Stage::new(&backend).await;
    let other = backend.space().await;
    let neighbour = SecretName::new(NEIGHBOUR).unwrap();
    let secrets = ["in the space", "in another space"].map(Canary::new);
    let stores = [backend::open(&*backend, &stage.space).await, backend::open(&*backend, &other).await];
    for (store, secret) in stores.iter().zip(&secrets) {
        store.management().unwrap().set(&neighbour, &secret.value()).await.unwrap();
    }

    // What is under a prefix that ends in a slash may be a folder, and in a hyphen never is.
    for prefix in ["inside-", "inside/"] {
        let is_possible =
            stores[0].capabilities().names.allows(&SecretName::new(format!("{prefix}x")).unwrap());
        let store = match stage.try_store(&format!("prefix: '{prefix}'")).await {
            Ok(store) => store,
            // No name under it would be one of this backend.
            Err(error) if !is_possible => {
                assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
                continue;
            }
            Err(error) => panic!("{error:?}"),
        };
        stage.forget();
        for text in hostile(&stage.space, &other) {
            let name = match SecretName::new(&text) {
                Ok(name) => name,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::InvalidName, "{text:?}");
                    continue;
                }
            };
            let management = store.management().unwrap();
            let read = store.get(&name).await;
            judge(&stage, &text, &secrets, read.map(|value| value.expose().to_owned()));
            for version in VERSIONS {
                let old = store.get_version(&name, &Version::from(*version)).await;
                judge(&stage, &text, &secrets, old.map(|value| value.expose().to_owned()));
            }
            let written = management.set(&name, &"of a test".into()).await;
            let is_written = written.is_ok();
            judge(&stage, &text, &secrets, written.map(|()| String::new()));
            assert!(is_possible || !is_written, "{text:?} was written under {prefix:?}");
            if is_written {
                assert_eq!(store.get(&name).await.unwrap().expose(), "of a test", "{text:?}");
                management.delete(&name).await.unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
            } else {
                let deleted = management.delete(&name).await;
                judge(&stage, &text, &secrets, deleted.map(|()| String::new()));
            }
            all_within(&stage, &text);
        }
    }

    for (store, secret) in stores.iter().zip(&secrets) {
        let left =
            store.get(&neighbour).await.unwrap_or_else(|error| panic!("{}: {error:?}", secret.label()));
        assert!(left.expose() == secret.text(), "{} was changed", secret.label());
    }
}

/// Whatever was asked stayed within the space; what was refused for its name was not asked at all; and nobody got
/// what is a neighbour's.
fn judge(stage: &Stage, text: &str, neighbours: &[Canary], outcome: Result<String, Error>) {
    let count = all_within(stage, text);
    match outcome {
        Ok(value) => {
            for neighbour in neighbours {
                assert!(value != neighbour.text(), "{text:?} led to the secret {}", neighbour.label());
            }
        }
        Err(error) => {
            let expected =
                [ErrorKind::InvalidName, ErrorKind::NotFound, ErrorKind::Unsupported, ErrorKind::Disabled];
            assert!(expected.contains(&error.kind()), "{text:?}: {error:?}");
            assert!(
                error.kind() != ErrorKind::InvalidName || count == 0,
                "{text:?} was asked before it was refused"
            );
        }
    }
}

/// How many requests for data there were since the last look, all of them within the space.
fn all_within(stage: &Stage, text: &str) -> usize {
    let requests = stage.take_requests();
    for request in &requests {
        assert!(stage.backend.is_within(&stage.space, request), "{text:?}: {request:?}");
    }
    requests.len()
}
