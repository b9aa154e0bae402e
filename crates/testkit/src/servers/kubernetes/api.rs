//! The calls of the administrator, who prepares what tests need.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream::pending;
use reqwest::{Body, Client, Method, Response, StatusCode};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{canary::Canary, servers::ServerProcess};

/// How long the server may take to become ready, or to take a change over.
const PATIENCE: Duration = Duration::from_mins(1);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Somebody who may do everything.
pub(super) struct Administrator {
    client: Client,
    address: String,
    token: Canary,
}

impl Administrator {
    pub(super) fn new(address: &str, authority: &str, token: Canary) -> Self {
        let mut trusted = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(authority.as_bytes()).expect("a certificate of ours");
        trusted.add(authority).expect("a certificate of ours");
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.3 is there")
            .with_root_certificates(trusted)
            .with_no_client_auth();
        // Tests have runtimes of their own, and a connection ends with the one on which it was made.
        let client = Client::builder().tls_backend_preconfigured(tls).no_proxy().pool_max_idle_per_host(0);
        let client = client.build().expect("a client");
        Administrator { client, address: address.to_owned(), token }
    }

    /// Makes an object, and returns it.
    pub(super) async fn create(&self, path: &str, object: &Value) -> Value {
        self.must(Method::POST, path, Some(("application/json", object))).await
    }

    pub(super) async fn patch(&self, path: &str, change: &Value) {
        self.must(Method::PATCH, path, Some(("application/merge-patch+json", change))).await;
    }

    pub(super) async fn delete(&self, path: &str) {
        self.must(Method::DELETE, path, None).await;
    }

    /// An object; none if there is none.
    pub(super) async fn read(&self, path: &str) -> Option<Value> {
        let response = self.send(self.token.text(), Method::GET, path, None).await.expect("an answer");
        (response.status() != StatusCode::NOT_FOUND).then_some(())?;
        Some(read(Method::GET, path, response).await)
    }

    /// Waits until `/readyz` says so, roles included.
    pub(super) async fn wait_until_ready(&self, server: &mut ServerProcess) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.send(self.token.text(), Method::GET, "/readyz", None).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            server.assert_runs();
            assert!(Instant::now() < deadline, "kube-apiserver is not ready: {}", server.log());
            sleep(PAUSE).await;
        }
    }

    /// Waits until a GET with `token` is answered with `status`.
    pub(super) async fn wait_for_status(&self, token: &str, path: &str, status: u16) {
        self.wait_until(token, path, |response| response.status().as_u16() == status).await;
    }

    /// Waits until a GET with `token` is counted by a `FlowSchema`.
    pub(super) async fn wait_for_flow_schema(&self, token: &str, path: &str, schema: &Value) {
        let uid = schema["metadata"]["uid"].as_str().expect("an object has a UID");
        let counts = |response: &Response| {
            response.headers().get("x-kubernetes-pf-flowschema-uid").is_some_and(|header| header == uid)
        };
        self.wait_until(token, path, counts).await;
    }

    async fn wait_until(&self, token: &str, path: &str, is_so: impl Fn(&Response) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let response = self.send(token, Method::GET, path, None).await.expect("an answer");
            if is_so(&response) {
                return;
            }
            assert!(Instant::now() < deadline, "{path} is still {response:?}");
            sleep(PAUSE).await;
        }
    }

    /// Keeps one request of whoever has `token` under way: a POST whose body never comes.
    pub(super) fn occupy(&self, token: &str, path: &str) {
        // A server reads what is left of a request that it refuses, unless it is too much.
        const ANNOUNCED: usize = 1 << 20;
        let (client, url, token) = (self.client.clone(), format!("{}{path}", self.address), token.to_owned());
        tokio::spawn(async move {
            loop {
                let body = Body::wrap_stream(pending::<Result<Bytes, Infallible>>());
                let request = client.post(&url).bearer_auth(&token).header("content-length", ANNOUNCED);
                // It may come while another is under way, and be refused.
                let _ = request.header("content-type", "application/json").body(body).send().await;
                sleep(PAUSE / 10).await;
            }
        });
    }

    /// Waits until roles that were made count for `user`.
    pub(super) async fn wait_until_allowed(&self, user: &str, namespace: &str, verbs: &[&str]) {
        // All of them come from one role, so that one stands for all.
        let Some(verb) = verbs.first() else { return };
        let attributes = json!({ "namespace": namespace, "verb": verb, "resource": "secrets" });
        let review = json!({ "spec": { "user": user, "resourceAttributes": attributes } });
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await;
            if answer["status"]["allowed"] == true {
                return;
            }
            assert!(Instant::now() < deadline, "{user} may still not {verb}: {answer}");
            sleep(PAUSE).await;
        }
    }

    async fn must(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Value {
        let response = self.send(self.token.text(), method.clone(), path, body).await.expect("an answer");
        read(method, path, response).await
    }

    async fn send(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> reqwest::Result<Response> {
        let request = self.client.request(method, format!("{}{path}", self.address)).bearer_auth(token);
        let request = match body {
            Some((kind, body)) => request.header("content-type", kind).body(body.to_string()),
            None => request,
        };
        request.send().await
    }
}

/// The answer, which must be that of a success.
async fn read(method: Method, path: &str, response: Response) -> Value {
    let status = response.status();
    let text = response.text().await.expect("an answer");
    assert!(status.is_success(), "{method} {path}: {status} {text}");
    serde_json::from_str(&text).expect("an answer in JSON")
}
