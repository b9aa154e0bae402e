//! The HTTP client that all network stores share, as the SDK's transport.

use std::{cell::RefCell, error::Error as StdError, sync::Arc};

use azure_core::{
    error::ErrorKind as SdkErrorKind,
    http::{AsyncRawResponse, Body, HttpClient, Request, headers::Headers},
};
use modelmesh_secrets::{Error, Result, async_trait};
use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use zeroize::Zeroizing;

use super::{challenge::Challenge, failure::Refusal, login::Login};
use crate::network::{Answer, Endpoint, Http, header, malformed};

tokio::task_local! {
    /// Takes the body of an answer past the SDK, which copies it into buffers that nobody wipes.
    static BODY: RefCell<Option<Zeroizing<Vec<u8>>>>;
}

/// The body of the vault's answer to a call of the SDK, which itself sees none.
pub(super) async fn body_of<T>(
    call: impl Future<Output = azure_core::Result<T>>,
) -> azure_core::Result<Zeroizing<Vec<u8>>> {
    let call = async {
        call.await?;
        Ok(BODY.with(RefCell::take).unwrap_or_default())
    };
    BODY.scope(RefCell::default(), call).await
}

/// What the SDK reaches the vault by.
#[derive(Debug)]
pub(super) struct VaultTransport {
    pub(super) http: Http,
    pub(super) vault: Endpoint,
    pub(super) login: Arc<Login>,
    pub(super) verifies_resource: bool,
}

impl VaultTransport {
    /// The vault's answer, if it is one that the SDK is to see: a success, or a challenge.
    async fn ask(&self, request: &Request) -> Result<Answer, azure_core::Error> {
        // A link to a further page says where to go, and the token goes along.
        if !self.vault.is_origin_of(request.url()) {
            return Err(passed(malformed("has a link that leads to another place")));
        }
        let answer = send(&self.http, request).await.map_err(passed)?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.judge(&answer, request).await.map_err(passed)?;
            return Ok(answer);
        }
        if !answer.status.is_success() {
            return Err(Refusal::of(&answer).map_or_else(|| passed(answer.interposed()), passed));
        }
        Ok(answer)
    }

    /// Judges a challenge before the SDK follows it. A token that was refused is dropped, so that the SDK, which then
    /// asks for one, is given another.
    async fn judge(&self, answer: &Answer, request: &Request) -> Result<()> {
        let header = answer.header(WWW_AUTHENTICATE.as_str());
        let challenge = header.and_then(Challenge::parse).ok_or_else(|| answer.interposed())?;
        let authority = self.login.authority()?;
        challenge.check(request.url(), authority.as_url(), self.verifies_resource)?;
        if let Some(refused) = request.headers().get_optional_str(&AUTHORIZATION.as_str().into()) {
            self.login.forget(refused).await;
        }
        Ok(())
    }
}

#[async_trait]
impl HttpClient for VaultTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut answer = self.ask(request).await?;
        if answer.status.is_success() {
            // Outside of `body_of` there is no such place, and the SDK reads the body.
            let _ = BODY.try_with(|body| body.replace(Some(std::mem::take(&mut answer.body))));
        }
        Ok(seen_by_sdk(answer))
    }
}

/// Sends what the SDK asks.
pub(super) async fn send(http: &Http, request: &Request) -> Result<Answer> {
    let unsupported = || Error::unsupported("send such a request");
    let Body::Bytes(body) = request.body() else { return Err(unsupported()) };
    let method = request.method().as_str().parse::<Method>().map_err(|_| unsupported())?;
    let mut asked = http.request(method, request.url().clone());
    for (name, value) in request.headers().iter() {
        asked = asked.header(name.as_str(), header(value.as_str())?);
    }
    http.send(asked.body(body.clone())).await
}

/// An answer in the SDK's form. Headers that are not text say nothing to it.
pub(super) fn seen_by_sdk(answer: Answer) -> AsyncRawResponse {
    let mut headers = Headers::new();
    for (name, value) in &answer.headers {
        if let Ok(value) = value.to_str() {
            headers.insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    AsyncRawResponse::from_bytes(
        answer.status.as_u16().into(),
        headers,
        bytes::Bytes::from_owner(answer.body),
    )
}

/// An error of ours, on its way through the SDK: [`Fault`](super::failure::Fault) finds it there.
pub(super) fn passed(error: impl StdError + Send + Sync + 'static) -> azure_core::Error {
    azure_core::Error::new(SdkErrorKind::Other, error)
}
