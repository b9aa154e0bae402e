//! Kubernetes: a real API server.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use modelmesh_secrets::{ErrorKind, SecretName, SecretStoreConnector, StoreSource as _};
use modelmesh_testkit::{
    canary::Canary,
    conformance::{BackendRules, Staged},
    servers::{
        free_port,
        kubernetes::{KubernetesServer, Subject, User},
    },
};
use serde_json::json;
use tempfile::{NamedTempFile, TempDir};
use tokio::sync::OnceCell;

use crate::backend::{Backend, Refusal, Shaped, Space, Upstream, configuration, stores};

/// What a store needs that reads and writes.
pub(crate) const ALL_VERBS: &[&str] = &["get", "list", "create", "patch"];

/// The server, and those whom it knows.
pub(crate) struct Cluster {
    server: OnceCell<KubernetesServer>,
    folder: TempDir,
    /// Of whoever may do all that a store needs.
    writer: Canary,
    /// Of somebody who may do nothing.
    stranger: Canary,
    /// One that the server does not know.
    refused: Canary,
}

/// The one cluster of all tests, for as long as one of them has it.
static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

impl Cluster {
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Cluster::new());
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }

    fn new() -> Self {
        Cluster {
            server: OnceCell::new(),
            folder: TempDir::new().unwrap(),
            writer: Canary::new("the token of the writer"),
            stranger: Canary::new("the token of somebody without rights"),
            refused: Canary::new("a token that the cluster does not know"),
        }
    }

    pub(crate) async fn server(&self) -> &KubernetesServer {
        let users = [
            User { name: "writer", token: self.writer.text() },
            User { name: "stranger", token: self.stranger.text() },
        ];
        self.server.get_or_init(|| KubernetesServer::start(&users)).await
    }

    pub(crate) fn writer(&self) -> &str {
        self.writer.text()
    }

    pub(crate) fn refused(&self) -> &str {
        self.refused.text()
    }

    /// A namespace in which the writer may do what a store needs.
    pub(crate) async fn namespace(&self) -> String {
        let namespace = self.server().await.namespace().await;
        self.server().await.grant(&namespace, Subject::User("writer"), ALL_VERBS).await;
        namespace
    }

    /// Writes a file that nothing else is called. Whoever reads it meanwhile sees one whole file or the other.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let file = NamedTempFile::new_in(&self.folder).unwrap();
        fs::write(file.path(), text).unwrap();
        file.persist(&path).unwrap();
        path
    }

    /// A kubeconfig, in JSON, which is YAML: of a user with these fields, in the namespace `default`.
    pub(crate) fn kubeconfig(&self, address: &str, user: &serde_json::Value) -> String {
        let server = self.server.get().expect("a space is made before a store");
        let authority = BASE64_STANDARD.encode(server.authority());
        let cluster = json!({ "server": address, "certificate-authority-data": authority });
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
            "clusters": [{ "name": "test", "cluster": cluster }],
            "users": [{ "name": "test", "user": user }],
        })
        .to_string()
    }

    /// The entry of a store that comes with `token`.
    fn entry(&self, address: &str, namespace: &str, token: &Canary) -> String {
        let text = self.kubeconfig(address, &json!({ "token": token.text() }));
        // One file for each: proxies come and go while other stores are at work.
        let (_, port) = address.rsplit_once(':').unwrap();
        entry(&self.file(&format!("{namespace}-{port}-{}", token.label()), &text), namespace)
    }
}

/// The entry of a store with a kubeconfig.
pub(crate) fn entry(kubeconfig: &Path, namespace: &str) -> String {
    format!("store: kubernetes.secret.v1, kubeconfig: '{}', namespace: {namespace}", kubeconfig.display())
}

/// How names are written, and what there is of the server.
pub(crate) struct Kubernetes {
    cluster: Arc<Cluster>,
    label: &'static str,
    /// The setting `secret`; without it, names are written `SECRET/KEY`.
    secret: Option<&'static str>,
}

/// Both ways of writing names. A Secret is called `app` in both.
pub(crate) fn backends() -> [Kubernetes; 2] {
    let cluster = Cluster::shared();
    [("kubernetes", Some("app")), ("kubernetes-documents", None)].map(|(label, secret)| Kubernetes {
        cluster: Arc::clone(&cluster),
        label,
        secret,
    })
}

impl Kubernetes {
    fn with_layout(&self, entry: &str) -> String {
        match self.secret {
            Some(secret) => format!("{entry}, secret: {secret}"),
            None => entry.to_owned(),
        }
    }

    async fn open(&self, address: &str, namespace: &str, token: &Canary) -> Arc<dyn SecretStoreConnector> {
        let entry = self.with_layout(&self.cluster.entry(address, namespace, token));
        let entry = match self.prefix() {
            Some(prefix) => format!("{entry}, prefix: '{prefix}'"),
            None => entry,
        };
        // One try a read: what the server answers is what is told.
        let stores = stores(self, &configuration(&entry, "retry: { tries: 1 }")).without_cache();
        stores.store("s").await.unwrap_or_else(|error| panic!("{error:?}"))
    }
}

/// An answer of the API server that is no object but a status.
fn status(code: u16, reason: &str) -> (u16, &'static str, String) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "refused",
        "reason": reason, "details": { "name": "app", "kind": "secrets" }, "code": code,
    });
    (code, "application/json", body.to_string())
}

#[async_trait::async_trait]
impl Backend for Kubernetes {
    fn label(&self) -> &'static str {
        self.label
    }

    async fn upstream(&self) -> Upstream {
        let server = self.cluster.server().await;
        Upstream { address: server.address().to_owned(), ca_cert: Some(server.authority().to_owned()) }
    }

    async fn space(&self) -> Space {
        Space(self.cluster.namespace().await)
    }

    fn entry(&self, address: &str, space: &Space) -> String {
        self.with_layout(&self.cluster.entry(address, &space.0, &self.cluster.writer))
    }

    fn prefix(&self) -> Option<&'static str> {
        self.secret.is_none().then_some("app/")
    }

    fn canaries(&self) -> Vec<Canary> {
        let Cluster { writer, stranger, refused, .. } = &*self.cluster;
        vec![writer.clone(), stranger.clone(), refused.clone()]
    }

    fn refusal(&self, refusal: Refusal) -> Option<Shaped> {
        let (status, kind, body) = match refusal {
            Refusal::Denied => status(403, "Forbidden"),
            Refusal::NotFound => status(404, "NotFound"),
            Refusal::Outage => status(503, "ServiceUnavailable"),
            // Priority and fairness has no shape of its own.
            Refusal::Throttled => {
                (429, "text/plain; charset=utf-8", "Too many requests, please try again later.\n".into())
            }
            Refusal::ThrottledWith400 | Refusal::ThrottledWith403 => return None,
        };
        Some(Shaped { status, headers: vec![("Content-Type", kind.to_owned())], body })
    }

    fn unauthenticated(&self) -> Option<(Shaped, usize)> {
        let (status, kind, body) = status(401, "Unauthorized");
        // Again with credentials that are read anew.
        Some((Shaped { status, headers: vec![("Content-Type", kind.to_owned())], body }, 2))
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let namespace = self.cluster.namespace().await;
        let server = self.cluster.server().await;
        let Cluster { writer, stranger, refused, .. } = &*self.cluster;
        let value = |bytes: &[u8]| json!({ "data": { "some-key": BASE64_STANDARD.encode(bytes) } });
        let mut object = value(b"held");
        let (mut address, mut token, mut whole_store) = (server.address().to_owned(), writer, true);
        match kind {
            ErrorKind::Denied => token = stranger,
            ErrorKind::StoreAuth => token = refused,
            ErrorKind::Unavailable => address = format!("https://127.0.0.1:{}", free_port()),
            ErrorKind::Throttled => server.throttle(&namespace, writer.text()).await,
            ErrorKind::Malformed => {
                (object, whole_store) = (value(b"\xff\xfe not text"), false);
            }
            ErrorKind::Disabled => {
                object["metadata"]["finalizers"] = json!(["modelmesh.test/kept"]);
                whole_store = false;
            }
            _ => return None,
        }
        server.create_secret(&namespace, "app", object).await;
        if kind == ErrorKind::Disabled {
            server.delete_secret(&namespace, "app").await;
        }
        let store = self.open(&address, &namespace, token).await;
        Some(Staged { store, name: SecretName::new("some-key").unwrap(), whole_store })
    }

    fn rules(&self) -> BackendRules {
        BackendRules { max_name_bytes: Some(253), ..BackendRules::default() }
    }
}
