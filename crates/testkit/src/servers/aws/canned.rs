//! Answers in the shape of Amazon's own.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

/// An answer that is ready.
#[derive(Clone, Debug)]
pub struct Canned {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// How often it is given; none if always.
    times: Option<usize>,
}

impl Canned {
    /// Any answer.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Canned { status, headers: Vec::new(), body: body.into(), times: None }
    }

    /// An error as JSON 1.1 services have it: <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>.
    /// Secrets Manager gives 400 for all of its own but `InternalServiceError`.
    pub fn error(status: u16, code: &str) -> Self {
        // Amazon's words name the caller, the secret and the reason.
        let body = json!({ "__type": code, "Message": "canary words of the service" });
        Canned::new(status, body.to_string())
            .with_header("content-type", "application/x-amz-json-1.1")
            .with_header("x-amzn-requestid", "5f0c1d7e-8a0b-4d52-9c53-0a5b8e6f7a11")
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Gives it this often, and then lets moto answer again.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// The answer, if it is to be given once more.
    pub(super) fn give(&mut self) -> Option<Response<Full<Bytes>>> {
        if let Some(left) = &mut self.times {
            *left = left.checked_sub(1)?;
        }
        let mut response = Response::new(Full::from(self.body.clone()));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("a status");
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(value).expect("a header");
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
        Some(response)
    }
}
