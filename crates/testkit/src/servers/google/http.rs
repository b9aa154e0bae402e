//! The HTTP of the server: what is asked of which part of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::Value;

use super::{
    super::serving::parameters,
    State,
    login::Caller,
    reply::{Outcome, Reply, invalid},
};

/// One request, taken apart.
pub(super) struct Asked {
    pub(super) method: Method,
    /// The path and the query, as they came.
    pub(super) target: String,
    pub(super) path: String,
    pub(super) query: HashMap<String, String>,
    pub(super) authorization: Option<String>,
    /// Whether the header of clients of the metadata server is there.
    pub(super) is_for_metadata: bool,
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// The body as JSON; an empty one is an empty object.
    pub(super) fn json(&self) -> Outcome {
        if self.body.is_empty() {
            return Ok(serde_json::json!({}));
        }
        serde_json::from_slice(&self.body).map_err(|_| invalid("Invalid JSON payload received."))
    }

    /// A parameter; none if it is empty, as Google's JSON has it.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
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
        authorization: text("authorization"),
        is_for_metadata: text("metadata-flavor").as_deref() == Some("Google"),
        method: head.method,
        body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
    };
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = asked.path.strip_prefix("/computeMetadata/v1/") {
        state.logins.metadata(&asked, key)
    } else if asked.path == "/token" {
        json_response(state.logins.give(&asked))
    } else if let Some(account) = asked.path.strip_prefix("/v1/projects/-/serviceAccounts/") {
        json_response(state.logins.impersonate(&asked, account))
    } else {
        json_response(state.api(&asked))
    }
}

impl State {
    fn api(&mut self, asked: &Asked) -> Outcome {
        let caller: Caller = self.logins.caller(asked)?;
        let fields = asked.parameter("fields").map(str::to_owned);
        let answer = self.projects.answer(asked, &caller)?;
        Ok(fields.map_or_else(|| answer.clone(), |fields| partial(&answer, &fields)))
    }
}

fn json_response(outcome: Outcome) -> Response<Full<Bytes>> {
    let Reply { status, body } =
        outcome.map_or_else(|error| error, |body| Reply { status: StatusCode::OK, body });
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The parts of `value` that `fields` names: `a/b,c`.
/// <https://cloud.google.com/apis/docs/system-parameters>
fn partial(value: &Value, fields: &str) -> Value {
    fields.split(',').fold(Value::Object(serde_json::Map::new()), |mut chosen, path| {
        choose(value, path, &mut chosen);
        chosen
    })
}

fn choose(value: &Value, path: &str, chosen: &mut Value) {
    let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let Some(part) = value.get(first) else { return };
    chosen[first] = match (part, rest) {
        (Value::Array(items), Some(rest)) => items.iter().map(|item| partial(item, rest)).collect(),
        (part, Some(rest)) => partial(part, rest),
        (part, None) => part.clone(),
    };
}
