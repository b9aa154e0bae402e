//! The HTTP of the server, over TLS: what is asked of which part of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::Value;

use super::{
    super::serving::parameters,
    State,
    reply::{Outcome, Reply, invalid},
};

/// One request, taken apart.
pub(super) struct Asked {
    pub(super) method: Method,
    /// The path and the query, as they came.
    pub(super) target: String,
    pub(super) path: String,
    pub(super) query: HashMap<String, String>,
    /// What the client calls this server.
    pub(super) host: String,
    pub(super) authorization: Option<String>,
    /// The headers by which clients of managed identities are known.
    pub(super) is_for_metadata: bool,
    pub(super) identity_header: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn json(&self) -> Outcome {
        serde_json::from_slice(&self.body).map_err(|_| invalid("The request body is not JSON."))
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

/// Answers a request.
pub(super) async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let asked = Asked {
        target: head.uri.to_string(),
        path: head.uri.path().to_owned(),
        query: parameters(head.uri.query().unwrap_or_default()),
        host: text("host").unwrap_or_default(),
        authorization: text("authorization"),
        is_for_metadata: text("metadata").as_deref() == Some("true"),
        identity_header: text("x-identity-header"),
        method: head.method,
        body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
    };
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let is_tokens = asked.path.ends_with("/oauth2/v2.0/token");
    response(if asked.path.starts_with("/metadata/identity/") || asked.path == "/msi/token" {
        state.logins.managed_identity(&asked)
    } else if is_tokens || asked.path.ends_with("/.well-known/openid-configuration") {
        state.logins.entra(&asked)
    } else {
        state.vault(&asked)
    })
}

fn response(outcome: Outcome) -> Response<Full<Bytes>> {
    let Reply { status, headers, body } = outcome.map_or_else(
        |other| other,
        |body: Value| Reply { status: StatusCode::OK, headers: Vec::new(), body: Some(body) },
    );
    let mut response = Response::new(Full::from(body.map(|body| body.to_string()).unwrap_or_default()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    let id = ("x-ms-request-id", super::unique_id());
    for (name, value) in headers.into_iter().chain([id]) {
        response.headers_mut().insert(name, HeaderValue::from_str(&value).expect("a header of ours"));
    }
    response
}
