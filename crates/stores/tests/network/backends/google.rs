//! Google Secret Manager: a protocol server of ours, which Google's own client proves.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use modelmesh_secrets::{ErrorKind, SecretName};
use modelmesh_testkit::{
    canary::Canary,
    conformance::{BackendRules, Staged},
    servers::{
        google::{Condition, GoogleServer, UserLogin, VersionState},
        proxy::Request,
    },
};
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};

use crate::backend::{self, Backend, Refusal, Shaped, Space, Upstream};

#[derive(Default)]
pub(crate) struct Google(OnceLock<Running>);

struct Running {
    server: GoogleServer,
    user: UserLogin,
    folder: TempDir,
}

impl Google {
    fn running(&self) -> &Running {
        self.0.get_or_init(|| {
            let server = GoogleServer::start();
            let user = server.user();
            let folder = TempDir::new().unwrap();
            Running { server, user, folder }
        })
    }

    /// The file of a login that gets its tokens at `address`.
    fn credentials_at(&self, address: &str) -> PathBuf {
        let Running { server, user, folder } = self.running();
        let path = folder.path().join(format!("{}.json", address.replace(['/', ':'], "-")));
        // Whole or not at all: another test may read it right now.
        let file = NamedTempFile::new_in(folder).unwrap();
        fs::write(&file, user.file.replace(&server.address(), address)).unwrap();
        file.persist(&path).unwrap();
        path
    }
}

/// An error in Google's shape.
fn shaped(status: u16, code: &str, details: &Value) -> Shaped {
    let error = json!({ "code": status, "message": "Refused.", "status": code, "details": details });
    let headers = vec![("content-type", "application/json; charset=UTF-8".to_owned())];
    Shaped { status, headers, body: json!({ "error": error }).to_string() }
}

/// The entry of a store that logs in with a file.
pub(crate) fn entry(address: &str, project: &str, file: &Path) -> String {
    format!(
        "store: google.secret-manager.v1, project: {project}, endpoint: '{address}', credentials_file: '{}'",
        file.display()
    )
}

#[async_trait::async_trait]
impl Backend for Google {
    fn label(&self) -> &'static str {
        "google"
    }

    async fn upstream(&self) -> Upstream {
        Upstream { address: self.running().server.address(), ca_cert: None }
    }

    async fn space(&self) -> Space {
        Space(self.running().server.project())
    }

    fn entry(&self, address: &str, space: &Space) -> String {
        entry(address, &space.0, &self.credentials_at(address))
    }

    fn is_login(&self, request: &Request) -> bool {
        request.path() == "/token"
    }

    /// Nothing but words parts the path of a secret from the end of it.
    fn is_within(&self, space: &Space, request: &Request) -> bool {
        let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        let secrets = request.path().strip_prefix(&format!("/v1/projects/{}/secrets", space.0));
        secrets.is_some_and(|under| under.split(['/', ':']).all(is_word))
    }

    fn unauthenticated(&self) -> Option<(Shaped, usize)> {
        // One fresh login is tried.
        Some((shaped(401, "UNAUTHENTICATED", &json!([])), 2))
    }

    fn canaries(&self) -> Vec<Canary> {
        self.running().user.canaries.clone()
    }

    fn refusal(&self, refusal: Refusal) -> Option<Shaped> {
        let (status, code, details) = match refusal {
            Refusal::Denied => {
                let reason = json!({
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "IAM_PERMISSION_DENIED",
                    "domain": "iam.googleapis.com",
                    "metadata": { "permission": "secretmanager.versions.access" },
                });
                (403, "PERMISSION_DENIED", json!([reason]))
            }
            Refusal::NotFound => (404, "NOT_FOUND", json!([])),
            Refusal::Outage => (503, "UNAVAILABLE", json!([])),
            Refusal::Throttled => (429, "RESOURCE_EXHAUSTED", json!([])),
            Refusal::ThrottledWith400 | Refusal::ThrottledWith403 => return None,
        };
        Some(shaped(status, code, &details))
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let Running { server, folder, .. } = self.running();
        let space = self.space().await;
        let project = &space.0;
        server.add_version(project, "some-key", b"held");
        // One try a read, and no breaker in between: what the server answers is what is told.
        let mut store = backend::open_at(self, &server.address(), &space, "retry: { tries: 1 }").await;
        let whole_store = match kind {
            ErrorKind::Denied => {
                server
                    .set_condition(project, Condition::Failing("PERMISSION_DENIED", "IAM_PERMISSION_DENIED"));
                true
            }
            ErrorKind::Throttled => {
                server
                    .set_condition(project, Condition::Failing("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"));
                true
            }
            ErrorKind::Unavailable => {
                server.set_condition(project, Condition::Failing("UNAVAILABLE", "SERVICE_NOT_VISIBLE"));
                true
            }
            ErrorKind::StoreAuth => {
                let other = server.user();
                let file = folder.path().join(format!("{project}.json"));
                fs::write(&file, &other.file).unwrap();
                server.refuse_login(&other);
                let text = backend::configuration(&entry(&server.address(), project, &file), "");
                let stores = backend::stores(self, &text).without_cache();
                store = modelmesh_secrets::StoreSource::store(&stores, "s").await.unwrap();
                true
            }
            ErrorKind::Disabled => {
                server.add_version(project, "some-key", b"newer");
                server.set_version_state(project, "some-key", 2, VersionState::Disabled);
                false
            }
            ErrorKind::Malformed => {
                server.add_version(project, "some-key", b"\xff\xfe not text");
                false
            }
            _ => return None,
        };
        Some(Staged { store: Arc::clone(&store), name: SecretName::new("some-key").unwrap(), whole_store })
    }

    fn rules(&self) -> BackendRules {
        BackendRules { max_name_bytes: Some(255), ..BackendRules::default() }
    }
}
