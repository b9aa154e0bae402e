//! AWS Secrets Manager: moto, behind a front that refuses where moto cannot.

use std::sync::{Arc, OnceLock};

use modelmesh_secrets::{ErrorKind, SecretName, StoreSource as _};
use modelmesh_testkit::{
    canary::Canary,
    conformance::{BackendRules, Staged},
    servers::{
        aws::{AwsServer, Canned},
        proxy::Request,
    },
};
use serde_json::json;

use crate::backend::{self, Backend, Refusal, Shaped, Space, Upstream};

/// A space is a region.
pub(crate) struct Aws {
    server: OnceLock<AwsServer>,
    access_key: Canary,
    secret_key: Canary,
    session: Canary,
}

impl Aws {
    pub(crate) fn new() -> Self {
        Aws {
            server: OnceLock::new(),
            access_key: Canary::new("the ID of the access key"),
            secret_key: Canary::new("the secret access key"),
            session: Canary::new("the session token"),
        }
    }

    pub(crate) fn server(&self) -> &AwsServer {
        self.server.get_or_init(AwsServer::start)
    }
}

/// The entry of a store in `region`.
pub(crate) fn entry(address: &str, region: &str) -> String {
    format!("store: aws.secrets-manager.v1, region: {region}, endpoint: '{address}'")
}

/// An error of Amazon's with this code.
fn shaped(status: u16, code: &str) -> Shaped {
    let headers = vec![
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("x-amzn-requestid", "5f0c1d7e-8a0b-4d52-9c53-0a5b8e6f7a11".to_owned()),
    ];
    let body = json!({ "__type": code, "Message": "Refused." }).to_string();
    Shaped { status, headers, body }
}

#[async_trait::async_trait]
impl Backend for Aws {
    fn label(&self) -> &'static str {
        "aws"
    }

    async fn upstream(&self) -> Upstream {
        Upstream { address: self.server().address(), ca_cert: None }
    }

    async fn space(&self) -> Space {
        Space(self.server().region())
    }

    fn entry(&self, address: &str, space: &Space) -> String {
        entry(address, &space.0)
    }

    fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ACCESS_KEY_ID", self.access_key.text()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_key.text()),
            ("AWS_SESSION_TOKEN", self.session.text()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn canaries(&self) -> Vec<Canary> {
        vec![self.access_key.clone(), self.secret_key.clone(), self.session.clone()]
    }

    fn refusal(&self, refusal: Refusal) -> Option<Shaped> {
        let (status, code) = match refusal {
            Refusal::Denied => (400, "AccessDeniedException"),
            Refusal::NotFound => (400, "ResourceNotFoundException"),
            Refusal::Outage => (500, "InternalServiceError"),
            Refusal::ThrottledWith400 => (400, "ThrottlingException"),
            // Amazon throttles with 400 alone.
            Refusal::Throttled | Refusal::ThrottledWith403 => return None,
        };
        Some(shaped(status, code))
    }

    fn unauthenticated(&self) -> Option<(Shaped, usize)> {
        // Again with credentials that are read anew.
        Some((shaped(400, "UnrecognizedClientException"), 2))
    }

    fn is_write(&self, request: &Request) -> bool {
        let call = |prefix: &str| {
            request.headers.iter().any(|(name, value)| {
                name == "x-amz-target" && value.starts_with(&format!("secretsmanager.{prefix}"))
            })
        };
        !["Get", "BatchGet", "List", "Describe"].into_iter().any(call)
    }

    fn is_within(&self, space: &Space, request: &Request) -> bool {
        // A name is in the body alone, and a region in the scope that the signature is for.
        let is_signed_for_space = request.headers.iter().any(|(name, value)| {
            name == "authorization" && value.contains(&format!("/{}/secretsmanager/", space.0))
        });
        is_signed_for_space && request.target == "/"
    }

    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let (server, space) = (self.server(), self.space().await);
        let name = SecretName::new("some-key").unwrap();
        let held = json!({ "Name": "some-key", "SecretString": "held" });
        server.call(&space.0, "CreateSecret", &held).await;
        // One try a read, and no breaker in between: what the server answers is what is told.
        let text = backend::configuration(&entry(&server.address(), &space.0), "retry: { tries: 1 }");
        let store = backend::stores(self, &text).without_cache().store("s").await.unwrap();
        let refused = |status, code| server.answer(&space.0, None, Canned::error(status, code));
        let whole_store = match kind {
            ErrorKind::Denied => {
                refused(400, "AccessDeniedException");
                true
            }
            ErrorKind::Throttled => {
                refused(400, "ThrottlingException");
                true
            }
            ErrorKind::Unavailable => {
                refused(500, "InternalServiceError");
                true
            }
            ErrorKind::StoreAuth => {
                refused(400, "UnrecognizedClientException");
                true
            }
            ErrorKind::Disabled => {
                server.call(&space.0, "DeleteSecret", &json!({ "SecretId": "some-key" })).await;
                false
            }
            ErrorKind::Malformed => {
                let binary = json!({ "SecretId": "some-key", "SecretBinary": "//4AAQ==" });
                server.call(&space.0, "PutSecretValue", &binary).await;
                false
            }
            _ => return None,
        };
        Some(Staged { store: Arc::clone(&store), name, whole_store })
    }

    fn rules(&self) -> BackendRules {
        BackendRules { max_name_bytes: Some(512), deleted_is_disabled: true, ..BackendRules::default() }
    }
}
