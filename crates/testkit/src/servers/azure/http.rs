//! The HTTP of the server, over TLS: what is asked of which part of it.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::{
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

/// Serves until `stopped`.
pub(super) fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    state: &Arc<Mutex<State>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a socket of ours");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket of ours");
        let acceptor = TlsAcceptor::from(tls);
        let accept = async {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, acceptor) = (Arc::clone(state), acceptor.clone());
                tokio::spawn(async move {
                    // A client that does not trust this server hangs up here.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        };
        tokio::select! {
            () = accept => {}
            _ = stopped => {}
        }
    });
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
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
    Ok(response(if asked.path.starts_with("/metadata/identity/") || asked.path == "/msi/token" {
        state.logins.managed_identity(&asked)
    } else if is_tokens || asked.path.ends_with("/.well-known/openid-configuration") {
        state.logins.entra(&asked)
    } else {
        state.vault(&asked)
    }))
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

/// The parameters of a query, or of a form.
pub(super) fn parameters(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
