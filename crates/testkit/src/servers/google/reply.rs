//! Answers, and errors in the shape of `google.rpc.Status`.

use http::StatusCode;
use serde_json::{Value, json};

/// What is answered: a status, and a body in JSON.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

/// An answer, or an error as one.
pub(super) type Outcome = Result<Value, Reply>;

impl Reply {
    /// An error by its code, with Google's HTTP status for it: <https://cloud.google.com/apis/design/errors>.
    pub(super) fn error(code: &str, message: &str) -> Reply {
        let status = match code {
            "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => StatusCode::BAD_REQUEST,
            "UNAUTHENTICATED" => StatusCode::UNAUTHORIZED,
            "PERMISSION_DENIED" => StatusCode::FORBIDDEN,
            "NOT_FOUND" => StatusCode::NOT_FOUND,
            "ALREADY_EXISTS" | "ABORTED" => StatusCode::CONFLICT,
            "RESOURCE_EXHAUSTED" => StatusCode::TOO_MANY_REQUESTS,
            "UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
            _ => panic!("{code} is no code of this server"),
        };
        let error = json!({ "code": status.as_u16(), "message": message, "status": code });
        Reply { status, body: json!({ "error": error }) }
    }

    /// Adds the reason, as `google.rpc.ErrorInfo` tells it.
    pub(super) fn because(mut self, reason: &str) -> Reply {
        self.body["error"]["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
            "metadata": { "service": "secretmanager.googleapis.com" },
        }]);
        self
    }
}

/// `INVALID_ARGUMENT`.
pub(super) fn invalid(message: &str) -> Reply {
    Reply::error("INVALID_ARGUMENT", message)
}
