//! Answers, and errors in the shapes of Key Vault, of Entra, and of managed identities.

use http::StatusCode;
use serde_json::{Value, json};

/// What is answered: a status, headers, and a body in JSON; none where there is none.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

/// An answer with status 200, or another one.
pub(super) type Outcome = Result<Value, Reply>;

impl Reply {
    pub(super) fn new(status: u16, body: Value) -> Reply {
        let status = StatusCode::from_u16(status).expect("a status");
        Reply { status, headers: Vec::new(), body: Some(body) }
    }

    /// An error of Key Vault:
    /// <https://learn.microsoft.com/en-us/azure/key-vault/general/rest-error-codes>.
    pub(super) fn error(status: u16, code: &str, inner: Option<&str>, message: &str) -> Reply {
        let mut error = json!({ "code": code, "message": message });
        if let Some(inner) = inner {
            error["innererror"] = json!({ "code": inner });
        }
        Reply::new(status, json!({ "error": error }))
    }

    /// An error of a token endpoint (RFC 6749, section 5.2), with the numbers that Entra adds:
    /// <https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes>.
    pub(super) fn aadsts(status: u16, error: &str, number: u32, what: &str) -> Reply {
        let trace = super::unique_id();
        let description =
            format!("AADSTS{number}: {what} Trace ID: {trace}\r\nCorrelation ID: {trace}\r\nTimestamp: now");
        let body = json!({
            "error": error,
            "error_description": description,
            "error_codes": [number],
            "timestamp": "2026-11-25 09:00:00Z",
            "trace_id": trace,
            "correlation_id": trace,
            "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
        });
        Reply::new(status, body)
    }

    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Reply {
        self.headers.push((name, value));
        self
    }
}

/// `BadParameter`.
pub(super) fn invalid(message: &str) -> Reply {
    Reply::error(400, "BadParameter", None, message)
}

/// `SecretNotFound`, as it is told of a secret that is not there, or that was deleted.
pub(super) fn not_found(name: &str) -> Reply {
    let message = format!(
        "A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may \
         be able to recover it using the correct recovery command."
    );
    Reply::error(404, "SecretNotFound", None, &message)
}

/// `Conflict` with this inner code.
pub(super) fn conflict(inner: &str, message: &str) -> Reply {
    Reply::error(409, "Conflict", Some(inner), message)
}
