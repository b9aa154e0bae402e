//! The HTTP client of all network stores.

use std::{fmt, path::Path, time::Duration};

use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, Result, SecretString, setting::Settings};
use reqwest::{
    Client, Method, NoProxy, Proxy, RequestBuilder, StatusCode, Url,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use rustls::pki_types::CertificateDer;
use serde::de::DeserializeOwned;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Endpoint,
    endpoint::is_loopback,
    failure,
    host::SystemResolver,
    tls::{self, ClientCertificate},
};
use crate::connector::OpenContext;

/// The longest answer that is read, in bytes. The largest that a store gives is a Kubernetes object of 1 MiB.
pub(crate) const MAX_ANSWER: usize = 8 << 20;

/// Idle connections are closed before the load balancers of vendors close them.
const IDLE: Duration = Duration::from_secs(55);

/// The client of one store.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    timeout: Duration,
    /// Whether plain HTTP may go to other machines.
    allows_plain: bool,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("timeout", &self.timeout)
            .field("allows_plain", &self.allows_plain)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// The client for a store with these settings. Fails with `InvalidConfig` if `ca_cert` cannot be read.
    pub(crate) fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        Http::with_certificates(settings, context, Vec::new(), None)
    }

    /// As [`open`](Http::open). Without `ca_cert` it trusts the authorities in a file that something else names: what
    /// that is called, and the path.
    pub(crate) fn open_with_bundle(
        settings: &Settings,
        context: &OpenContext,
        bundle: Option<(&str, &Path)>,
    ) -> Result<Self> {
        let bundle = bundle.filter(|_| settings.path("ca_cert").is_none());
        let authorities = bundle.map(|(named, path)| tls::authorities(named, path)).transpose()?;
        Http::with_certificates(settings, context, authorities.unwrap_or_default(), None)
    }

    /// As [`open`](Http::open), trusting `authorities` too, and known to servers by a certificate of our own.
    pub(crate) fn with_certificates(
        settings: &Settings,
        context: &OpenContext,
        mut authorities: Vec<CertificateDer<'static>>,
        own: Option<ClientCertificate>,
    ) -> Result<Self> {
        if let Some(path) = settings.path("ca_cert") {
            authorities.extend(tls::authorities("ca_cert", path)?);
        }
        let timeout = context.request_timeout;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls::configuration(authorities, own)?)
            .user_agent(concat!("modelmesh-secrets/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            .http1_only()
            .dns_resolver(SystemResolver)
            .no_proxy();
        for proxy in proxies(context)? {
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|_| {
            Error::new(ErrorKind::InvalidConfig, "the HTTP client cannot be set up with these settings")
        })?;
        Ok(Http { client, timeout, allows_plain: settings.boolean("allow_http").unwrap_or(false) })
    }

    /// The address in the setting `key`.
    pub(crate) fn endpoint(&self, key: &str, text: &str) -> Result<Endpoint> {
        Endpoint::parse(key, text, self.allows_plain)
    }

    /// The longest that a request may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The same client, whose requests may take only this long.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Http { timeout, ..self.clone() }
    }

    /// A request to be [sent](Http::send).
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).timeout(self.timeout)
    }

    /// Sends a request, and reads its whole answer, whatever its status.
    ///
    /// - `Unavailable` if there is no whole answer: no connection, a certificate that is not trusted, a reset, a
    ///   time-out.
    /// - `Malformed` if a success is longer than [`MAX_ANSWER`]; `Unavailable` if an error is.
    /// - `InvalidConfig` if the request would go over plain HTTP to another machine.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let request = request
            .build()
            .map_err(|_| Error::new(ErrorKind::InvalidName, "the name cannot be part of a request"))?;
        // Again, for an address that a backend named is checked nowhere else.
        if request.url().scheme() != "https" && !self.allows_plain && !is_loopback(request.url()) {
            return Err(Error::new(ErrorKind::InvalidConfig, "the store names an http:// address")
                .with_help("only 'allow_http: true' allows that, to other machines"));
        }
        let failed = |error: reqwest::Error| failure::transport(&error, self.timeout);
        let mut response = self.client.execute(request).await.map_err(failed)?;
        let status = response.status();
        // A page that is too long for an error is none of the store's.
        let too_long = || if status.is_success() { failure::too_long() } else { failure::interposed(status) };
        let announced = response.content_length().unwrap_or(0);
        if announced > MAX_ANSWER as u64 {
            return Err(too_long());
        }
        let mut body = Body::with_capacity(usize::try_from(announced).unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(too_long());
            }
            body.push(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { status, headers, body: body.0 })
    }
}

/// Bytes that leave no copy behind when they grow.
struct Body(Zeroizing<Vec<u8>>);

impl Body {
    fn with_capacity(capacity: usize) -> Self {
        Body(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, chunk: &[u8]) {
        let needed = self.0.len() + chunk.len();
        if needed > self.0.capacity() {
            let mut grown = Vec::with_capacity(needed.max(2 * self.0.capacity()));
            grown.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = Zeroizing::new(grown);
        }
        self.0.extend_from_slice(chunk);
    }
}

/// What a backend answered.
///
/// `Debug` shows the status alone: headers and bodies hold secrets.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// The body, read as JSON. `Malformed` if it is not what `T` expects; what it holds instead is not shown.
    ///
    /// Fields of `T` that may be secret have a type that is wiped.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|_| failure::malformed("is not what the store sends"))
    }

    /// A header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The error of an answer that is not in the store's own shape.
    pub(crate) fn interposed(&self) -> Error {
        self.with_retry_after(failure::interposed(self.status))
    }

    /// `error`, with how long the store asks to be left alone, if this answer says so.
    pub(crate) fn with_retry_after(&self, error: Error) -> Error {
        error.with_retry_after(self.retry_after())
    }

    /// How long the store asks to be left alone: `Retry-After`, in seconds or as a date (RFC 9110, section
    /// 10.2.3).
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More than fits is for ever.
            return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
        }
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Some(Duration::try_from(date.duration_since(jiff::Timestamp::now())).unwrap_or_default())
    }
}

/// A header that nothing prints.
pub(crate) fn header(value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Error::new(ErrorKind::InvalidConfig, "a credential holds characters that no HTTP header can")
            .with_help("look for a newline or a space at its end")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The value of an `Authorization` header with a bearer token.
pub(crate) fn bearer(token: &SecretString) -> Result<HeaderValue> {
    header(&Zeroizing::new(format!("Bearer {}", token.expose_secret())))
}

/// The proxies of the environment. What goes to this machine goes to none.
fn proxies(context: &OpenContext) -> Result<Vec<Proxy>> {
    let read = |name: &str| {
        let spelled = [name.to_ascii_lowercase(), name.to_owned()];
        let found = spelled.iter().find_map(|name| context.environment.var(name));
        found.and_then(|value| value.into_string().ok()).filter(|value| !value.trim().is_empty())
    };
    let except = read("NO_PROXY").map_or_else(String::new, |names| format!("{names},"));
    let except = NoProxy::from_string(&format!("{except}localhost,127.0.0.0/8,::1"));
    let made = |variable: &str, make: fn(String) -> reqwest::Result<Proxy>| {
        let url = read(variable)?;
        Some(make(url).map(|proxy| proxy.no_proxy(except.clone())).map_err(|_| {
            // The text may hold a password.
            Error::new(ErrorKind::InvalidConfig, format!("the variable {variable} is no address of a proxy"))
                .with_help(
                    "it is one such as http://proxy.example.com:3128; NO_PROXY lists who is asked without it",
                )
        }))
    };
    let https = made("HTTPS_PROXY", Proxy::https);
    let http = made("HTTP_PROXY", Proxy::http);
    let all = made("ALL_PROXY", Proxy::all);
    https.into_iter().chain(http).chain(all).collect()
}

#[cfg(test)]
mod tests;
