//! Azure Key Vault: a protocol server of ours, which Microsoft's own client proves.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use modelmesh_secrets::{ErrorKind, SecretName, StoreSource};
use modelmesh_testkit::{
    canary::Canary,
    conformance::{BackendRules, Staged},
    servers::{
        azure::{Application, AzureServer, Condition},
        proxy::Request,
    },
};
use serde_json::json;
use tempfile::TempDir;

use crate::backend::{self, Backend, Refusal, Shaped, Space, Upstream};

#[derive(Default)]
pub(crate) struct Azure(OnceLock<Running>);

struct Running {
    server: AzureServer,
    application: Application,
    folder: TempDir,
}

impl Azure {
    fn running(&self) -> &Running {
        self.0.get_or_init(|| {
            let server = AzureServer::start();
            let application = server.register();
            let folder = TempDir::new().unwrap();
            fs::write(folder.path().join("ca.pem"), server.certificate()).unwrap();
            Running { server, application, folder }
        })
    }

    fn certificate(&self) -> PathBuf {
        self.running().folder.path().join("ca.pem")
    }
}

/// The entry of a store that logs in as an application, at the server itself.
pub(crate) fn entry(server: &AzureServer, address: &str, vault: &str, application: &Application) -> String {
    format!(
        "store: microsoft.key-vault.v1, vault_url: '{address}/{vault}', authority_host: '{}', tenant_id: {}, \
         client_id: {}, client_secret: '{}', auth: client_secret, verify_challenge_resource: false",
        server.address(),
        application.tenant_id,
        application.client_id,
        application.client_secret,
    )
}

#[async_trait::async_trait]
impl Backend for Azure {
    fn label(&self) -> &'static str {
        "azure"
    }

    async fn upstream(&self) -> Upstream {
        let server = &self.running().server;
        Upstream { address: server.address(), ca_cert: Some(server.certificate().to_owned()) }
    }

    async fn space(&self) -> Space {
        Space(self.running().server.vault())
    }

    fn entry(&self, address: &str, space: &Space) -> String {
        let Running { server, application, .. } = self.running();
        entry(server, address, &space.0, application)
    }

    fn canaries(&self) -> Vec<Canary> {
        self.running().application.canaries.clone()
    }

    fn refusal(&self, refusal: Refusal) -> Option<Shaped> {
        let (status, code, inner, wait) = match refusal {
            Refusal::Denied => (403, "Forbidden", Some("ForbiddenByRbac"), None),
            Refusal::NotFound => (404, "SecretNotFound", None, None),
            Refusal::Outage => (503, "ServiceUnavailable", None, None),
            Refusal::Throttled => (429, "Throttled", None, Some("1")),
            Refusal::ThrottledWith400 | Refusal::ThrottledWith403 => return None,
        };
        let mut error = json!({ "code": code, "message": "Refused." });
        if let Some(inner) = inner {
            error["innererror"] = json!({ "code": inner });
        }
        let mut headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        headers.extend(wait.map(|wait| ("retry-after", wait.to_owned())));
        Some(Shaped { status, headers, body: json!({ "error": error }).to_string() })
    }

    fn requests_until_believed(&self, refusal: Refusal) -> usize {
        // Of a secret that is not there, it is asked whether it was deleted.
        if refusal == Refusal::NotFound { 2 } else { 1 }
    }

    fn requests_until_a_write_believes(&self, refusal: Refusal) -> usize {
        // Who may write and not read has nothing to keep, and writes.
        if refusal == Refusal::Denied { 2 } else { self.requests_until_believed(refusal) }
    }

    fn unauthenticated(&self) -> Option<(Shaped, usize)> {
        let server = &self.running().server;
        let challenge = format!(
            "Bearer authorization=\"{}/{}\", resource=\"https://vault.azure.net\"",
            server.address(),
            self.running().application.tenant_id
        );
        let headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("www-authenticate", challenge),
        ];
        let error = json!({ "error": { "code": "Unauthorized", "message": "Refused." } });
        // Again with a new token.
        Some((Shaped { status: 401, headers, body: error.to_string() }, 2))
    }

    fn is_login(&self, request: &Request) -> bool {
        // The first request of a store only asks who gives tokens.
        request.headers.iter().all(|(name, _)| name != "authorization")
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let Running { server, .. } = self.running();
        let space = self.space().await;
        let vault = &space.0;
        let version = server.add_version(vault, "some-key", &json!({ "value": "held" }));
        // One try a read, and no breaker in between: what the server answers is what is told.
        let mut store = backend::open_at(self, &server.address(), &space, "retry: { tries: 1 }").await;
        let whole_store = match kind {
            ErrorKind::Denied => {
                server.set_condition(vault, Condition::Failing(403, "Forbidden", Some("ForbiddenByRbac")));
                true
            }
            ErrorKind::Throttled => {
                server.set_condition(vault, Condition::Throttling(1));
                true
            }
            ErrorKind::Unavailable => {
                server.set_condition(vault, Condition::Failing(503, "ServiceUnavailable", None));
                true
            }
            ErrorKind::StoreAuth => {
                let other = server.register();
                server.refuse_login(&other);
                let entry = entry(server, &server.address(), vault, &other);
                let more = format!("ca_cert: '{}'", self.certificate().display());
                let stores = backend::stores(self, &backend::configuration(&entry, &more)).without_cache();
                store = stores.store("s").await.unwrap();
                true
            }
            ErrorKind::Disabled => {
                server.set_enabled(vault, "some-key", &version, false);
                false
            }
            _ => return None,
        };
        Some(Staged { store: Arc::clone(&store), name: SecretName::new("some-key").unwrap(), whole_store })
    }

    fn rules(&self) -> BackendRules {
        BackendRules { case_insensitive_names: true, max_name_bytes: Some(127), deleted_is_disabled: true }
    }
}
