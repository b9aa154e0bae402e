//! The mesh: sends each request to the first provider that answers, with the key that is current right then.

use std::fmt;

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    header::{AUTHORIZATION, HeaderValue},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use modelmesh_secrets::{
    AuthFailure,
    live::{Generation, ProviderHandle, SecretResolver},
};

/// Why a request failed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a provider answered.
#[derive(Debug)]
pub struct Answer {
    /// Which provider.
    pub provider: String,
    /// What it said.
    pub body: Bytes,
}

/// Providers behind one call.
pub struct Mesh {
    secrets: SecretResolver,
    http: Client<HttpConnector, Empty<Bytes>>,
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

impl Mesh {
    /// A mesh of the providers of a live configuration.
    pub fn new(secrets: SecretResolver) -> Self {
        Mesh { secrets, http: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Asks the providers in the order of the configuration, until one answers.
    pub async fn call(&self) -> Result<Answer, Failure> {
        let mut failure = Failure::from("the configuration has no providers");
        for provider in self.secrets.providers() {
            match self.ask(&provider).await {
                Ok(body) => return Ok(Answer { provider: provider.id().to_owned(), body }),
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }

    async fn ask(&self, provider: &ProviderHandle) -> Result<Bytes, Failure> {
        // Taken anew for each request, and kept for this one: its settings belong together.
        let generation = provider.current()?;
        let (status, body) = self.send(&generation).await?;
        if status != StatusCode::UNAUTHORIZED {
            return accepted(status, body);
        }
        // The key may have rotated. Whoever reports it first has the store asked; the others wait for that.
        match provider.report_auth_failure(&generation, "api_key").await {
            AuthFailure::Rotated(other) | AuthFailure::FellBack(other) => {
                // Once: if the other key is refused too, the next provider is more likely to answer.
                let (status, body) = self.send(&other).await?;
                accepted(status, body)
            }
            AuthFailure::Unchanged => accepted(status, body),
            AuthFailure::Unavailable(error) => Err(error.into()),
        }
    }

    async fn send(&self, generation: &Generation) -> Result<(StatusCode, Bytes), Failure> {
        let setting = |path| generation.setting(path).ok_or_else(|| format!("'{path}' is not configured"));
        let mut key = HeaderValue::try_from(format!("Bearer {}", setting("api_key")?))?;
        // A header that is marked shows in no `Debug` of the request.
        key.set_sensitive(true);
        let mut request = Request::get(setting("url")?).header(AUTHORIZATION, key);
        if let Some(organization) = generation.setting("organization") {
            request = request.header("openai-organization", organization);
        }
        let response = self.http.request(request.body(Empty::new())?).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}

fn accepted(status: StatusCode, body: Bytes) -> Result<Bytes, Failure> {
    if status.is_success() { Ok(body) } else { Err(format!("the provider answered {status}").into()) }
}
