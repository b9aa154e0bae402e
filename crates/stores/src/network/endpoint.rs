//! Where a store is.

use std::{fmt, net::IpAddr};

use modelmesh_secrets::{Error, ErrorKind, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use url::Host;

/// What is encoded of a path segment: all but the unreserved characters of RFC 3986, section 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of a backend: `https://HOST[:PORT][/PATH]`, without credentials, query or fragment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(Url);

impl Endpoint {
    /// Reads the address in the setting `key`. Fails with `InvalidConfig`, without showing what it cannot read:
    /// it may hold a password.
    pub(crate) fn parse(key: &str, text: &str, allow_http: bool) -> Result<Self> {
        let invalid = |what: &str| Error::new(ErrorKind::InvalidConfig, format!("'{key}' {what}"));
        let url = Url::parse(text.trim()).map_err(|_| {
            invalid("is not a URL").with_help("write it whole, such as https://store.example.com:8200")
        })?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err(invalid("is neither an https:// nor an http:// URL"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("holds a user or a password")
                .with_help("credentials have settings of their own, which no error and no log shows"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("holds a query or a fragment").with_help("write the address up to its path"));
        }
        if url.scheme() == "http" && !allow_http && !is_loopback(&url) {
            return Err(invalid("is http:// to another machine, where anybody in between can read secrets")
                .with_help("use https://, or set 'allow_http: true' if nobody is in between"));
        }
        Ok(Endpoint(url))
    }

    /// The URL of a place under this address: each segment is encoded, so that none can leave its place.
    ///
    /// Fails with `InvalidName` if a segment is empty, `.` or `..`, which no encoding can keep from being read
    /// as a step on the way.
    pub(crate) fn url<'s>(&self, segments: impl IntoIterator<Item = &'s str>) -> Result<Url> {
        let mut path = self.0.path().trim_end_matches('/').to_owned();
        for segment in segments {
            if matches!(segment, "" | "." | "..") {
                return Err(Error::new(ErrorKind::InvalidName, "a part of the name is empty, '.' or '..'"));
            }
            path.push('/');
            path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        let mut url = self.0.clone();
        url.set_path(&path);
        Ok(url)
    }

    /// Whether `url` goes to the same host, port and scheme.
    pub(crate) fn is_origin_of(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }

    /// The address as a URL.
    pub(crate) fn as_url(&self) -> &Url {
        &self.0
    }
}

/// Whether `url` is on this machine, whatever a resolver says.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Endpoint> {
        Endpoint::parse("address", text, false)
    }

    #[test]
    fn an_address_may_have_a_port_and_a_path() {
        for (text, shown) in [
            ("https://vault", "https://vault"),
            ("https://vault:8200/", "https://vault:8200"),
            (" https://vault/a/b/ ", "https://vault/a/b"),
            ("http://127.0.0.1:8200", "http://127.0.0.1:8200"),
            ("http://localhost", "http://localhost"),
            ("http://[::1]:8200", "http://[::1]:8200"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_unseen() {
        for text in [
            "vault:8200",
            "ftp://vault",
            "https://",
            "https://root:canary@vault",
            "https://canary@vault",
            "https://vault?token=canary",
            "https://vault#canary",
            "http://vault.example.com/canary",
            "http://10.0.0.1/canary",
            "http://127.0.0.1.example.com/canary",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        assert!(Endpoint::parse("address", "http://vault", true).is_ok());
    }

    #[test]
    fn a_segment_stays_one_segment() {
        let endpoint = parse("https://vault/v1/").unwrap();
        for (segment, path) in [
            ("key", "/v1/key"),
            ("a/b", "/v1/a%2Fb"),
            ("%2e%2e", "/v1/%252e%252e"),
            ("..\\..", "/v1/..%5C.."),
            ("a?b#c", "/v1/a%3Fb%23c"),
            ("...", "/v1/..."),
            ("a b\u{e9}", "/v1/a%20b%C3%A9"),
            ("a\tb\n", "/v1/a%09b%0A"),
        ] {
            assert_eq!(endpoint.url([segment]).unwrap().path(), path, "{segment:?}");
        }
        assert_eq!(endpoint.url(["a", "b"]).unwrap().as_str(), "https://vault/v1/a/b");
        for segment in ["", ".", ".."] {
            assert_eq!(endpoint.url(["a", segment]).unwrap_err().kind(), ErrorKind::InvalidName);
        }
    }
}
