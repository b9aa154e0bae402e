//! What can go wrong between a client and a server.

use std::time::Duration;

/// What the proxy does in place of forwarding.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nobody listens.
    Refused,
    /// The certificate is of an authority that nobody trusts. Clients of plain HTTP notice nothing.
    UnknownAuthority,
    /// The request is read and never answered. The connection stays open until the client closes it.
    Silence,
    /// The server's answer up to the middle of its body (of its head, if it has none), and then a reset of the
    /// connection.
    Reset,
    /// The server's answer, one byte and a pause at a time.
    Drip(Duration),
    /// The server's answer, announced to be longer than it is (half of its head, if it has no body).
    Truncated,
    /// This answer, and the server is not asked.
    Answer(Reply),
    /// An answer with a body of this many bytes, and the server is not asked.
    Oversized {
        /// How long it is.
        bytes: u64,
        /// Whether a `Content-Length` says so, or the body comes in chunks without a known end.
        is_announced: bool,
    },
}

/// An answer that the proxy makes itself.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, without those of the body's length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// What a proxy or a gateway answers by itself: a page that says no more than the status.
    pub fn bare(status: u16) -> Self {
        let page =
            format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
        Reply::of(status, "text/html", page)
    }

    /// An answer with a body of this type.
    pub fn of(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Reply { status, headers: vec![("Content-Type".into(), content_type.into())], body: body.into() }
    }

    /// A redirect to this URL.
    pub fn redirect(to: &str) -> Self {
        Reply::bare(307).with_header("Location", to)
    }

    /// The same with this header, in the place of one of the same name.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(held, _)| !held.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }

    /// As it goes over the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} Injected\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let length = self.body.len();
        bytes.extend_from_slice(format!("Content-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
