//! Calls to a server, as its administrator makes them.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde_json::Value;

/// How long something that happens by itself may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, and a token for it.
#[derive(Clone)]
pub struct VaultClient {
    http: Client,
    address: String,
    token: String,
}

impl VaultClient {
    /// A client with this token, which trusts the certificates of `authority`, in PEM, alone.
    pub fn new(address: &str, token: &str, authority: Option<&str>) -> Self {
        let mut roots = RootCertStore::empty();
        if let Some(pem) = authority {
            let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
            roots.add(certificate).expect("a certificate");
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // No connection is kept: the runtime that it belongs to may end before the next call.
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(10))
            .build()
            .expect("an HTTP client");
        VaultClient { http, address: address.to_owned(), token: token.to_owned() }
    }

    /// Where it sends its calls.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same server, with another token.
    pub fn with_token(&self, token: &str) -> Self {
        VaultClient { token: token.to_owned(), ..self.clone() }
    }

    /// Makes a call to `/v1/PATH`. The status, and the body, which is null where it is no JSON; none if there is no
    /// answer.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.http.request(method, format!("{}/v1/{path}", self.address));
        if !self.token.is_empty() {
            request = request.header("X-Vault-Token", &self.token);
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// As [`call`](VaultClient::call), for calls that succeed.
    ///
    /// # Panics
    ///
    /// Panics with the answer if it is no success.
    pub async fn expect(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        match self.call(method, path, body).await {
            Some((200..=299, body)) => body,
            answer => panic!("{method} {path}: {answer:?}"),
        }
    }

    /// Reads `path` until `is_so`, and returns the body.
    ///
    /// # Panics
    ///
    /// Panics with the last answer if that takes more than a minute.
    pub async fn until(&self, path: &str, is_so: impl Fn(u16, &Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.call("GET", path, None).await;
            if let Some((status, body)) = &answer
                && is_so(*status, body)
            {
                return body.clone();
            }
            assert!(Instant::now() < deadline, "{path} stays {answer:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Makes a policy of this name.
    pub async fn policy(&self, name: &str, rules: &str) {
        let body = serde_json::json!({ "policy": rules });
        self.expect("PUT", &format!("sys/policies/acl/{name}"), Some(body)).await;
    }

    /// Makes a token, as `auth/token/create` takes it, and returns it.
    pub async fn token(&self, wanted: Value) -> String {
        let made = self.expect("POST", "auth/token/create", Some(wanted)).await;
        made["auth"]["client_token"].as_str().expect("a token").to_owned()
    }
}

/// Shows no token.
impl fmt::Debug for VaultClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultClient").field("address", &self.address).finish_non_exhaustive()
    }
}
