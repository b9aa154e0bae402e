//! The HTTP client of Amazon's library: the one that all network stores share.

use std::{fmt, sync::Arc, time::Duration};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use modelmesh_secrets::{
    Error, ErrorKind, Result,
    setting::{SettingValue, Settings},
};
use reqwest::Url;
use url::Host;

use crate::{
    connector::OpenContext,
    environment::FixedEnvironment,
    network::{Answer, Http, malformed},
};

/// Sends what the library asks, to the service and to where credentials are had.
#[derive(Clone)]
pub(super) struct Transport(Arc<Clients>);

struct Clients {
    service: Http,
    /// For what gives a machine or a container its credentials: it answers on the machine's own link, over HTTP alone,
    /// and behind no proxy.
    machine: Http,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// How long the service asks to be left alone: an extension of a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryAfter(pub(super) Duration);

impl Transport {
    pub(super) fn open(service: Http, context: &OpenContext) -> Result<Self> {
        let plain = Settings::default().with("allow_http", SettingValue::Boolean(true));
        let environment = Arc::new(FixedEnvironment::default());
        let machine = Http::open(&plain, &OpenContext { environment, ..context.clone() })?;
        Ok(Transport(Arc::new(Clients { service, machine })))
    }

    async fn send(&self, request: HttpRequest, limit: Option<Duration>) -> Result<HttpResponse> {
        let unsendable = || {
            Error::new(ErrorKind::InvalidConfig, "the address of the service is not a URL").with_help(
                "check 'endpoint' and the variables AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SECRETS_MANAGER",
            )
        };
        let url = Url::parse(request.uri()).map_err(|_| unsendable())?;
        let request = request.try_into_http1x().map_err(|_| unsendable())?;
        let (mut head, body) = request.into_parts();
        // Signatures and tokens are among them.
        head.headers.values_mut().for_each(|value| value.set_sensitive(true));
        let http = if is_link_local(&url) { &self.0.machine } else { &self.0.service };
        let request =
            http.request(head.method, url).headers(head.headers).body(Bytes::from_owner(Body(body)));
        let request = match limit {
            Some(limit) => request.timeout(limit),
            None => request,
        };
        response(http.send(request).await?)
    }
}

/// What the library has written, sent without a copy.
struct Body(SdkBody);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes().unwrap_or_default()
    }
}

fn response(answer: Answer) -> Result<HttpResponse> {
    let status = answer.status.as_u16().try_into().map_err(|_| malformed("has no status"))?;
    let retry_after = answer.retry_after();
    let mut response = HttpResponse::new(status, SdkBody::from(Bytes::from_owner(answer.body)));
    for (name, value) in &answer.headers {
        // What is not text is of no use to the library.
        if let Ok(value) = value.to_str() {
            response.headers_mut().append(name.as_str().to_owned(), value.to_owned());
        }
    }
    if let Some(wait) = retry_after {
        response.add_extension(RetryAfter(wait));
    }
    Ok(response)
}

/// Whether `url` is an address that is valid on the machine's own link alone, where credentials of machines and
/// containers are had: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>.
fn is_link_local(url: &Url) -> bool {
    /// Where the metadata service and the agent of pods are, by `IPv6`.
    const OF_AMAZON: [&str; 2] = ["fd00:ec2::254", "fd00:ec2::23"];
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => OF_AMAZON.iter().any(|known| known.parse() == Ok(address)),
        _ => false,
    }
}

impl HttpClient for Transport {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        // Who looks for a metadata server does not wait for long, for there may be none.
        let limit = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or_default());
        SharedHttpConnector::new(Connector { transport: self.clone(), limit })
    }
}

#[derive(Debug)]
struct Connector {
    transport: Transport,
    limit: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (transport, limit) = (self.transport.clone(), self.limit);
        HttpConnectorFuture::new(async move {
            // The error is found again among the causes of the library's own.
            transport.send(request, limit).await.map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_a_machine_are_had_on_its_own_link() {
        for (url, expected) in [
            ("http://169.254.169.254/latest/api/token", true),
            ("http://169.254.170.2/v2/credentials", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::254]/latest/api/token", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://169.254.169.254.example.com/", false),
            ("http://[fd00::1]/", false),
            ("http://127.0.0.1/", false),
            ("https://secretsmanager.us-east-1.amazonaws.com/", false),
        ] {
            assert_eq!(is_link_local(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
