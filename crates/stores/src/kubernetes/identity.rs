//! What a request says about who sends it.

use std::{
    fs,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use kube::{
    Config,
    client::{ConfigExt as _, middleware::AuthLayer},
    config::AuthInfo,
};
use modelmesh_secrets::{Error, ErrorKind, ExposeSecret, Result, SecretString};
use reqwest::header::AUTHORIZATION;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};
use zeroize::Zeroizing;

use super::{access::data_or_file, invalid};
use crate::{
    blocking,
    network::{ClientCertificate, bearer},
};

/// A user of a cluster. One that is known by a certificate alone has no credentials here.
pub(super) struct Identity {
    credentials: Credentials,
    impersonation: HeaderMap,
}

enum Credentials {
    None,
    Token(SecretString),
    /// Read for each request: whoever replaces the token tells nobody.
    TokenFile(PathBuf),
    /// What else a kubeconfig may have: a password, a helper program.
    OfLibrary(AuthLayer),
}

impl Identity {
    /// May start a helper program, and wait for it.
    pub(super) async fn of(user: AuthInfo) -> Result<Identity> {
        let impersonation = impersonation(&user)?;
        // As in kubectl, the file goes first, for it is the one that is renewed.
        if let Some(file) = &user.token_file {
            return Ok(Identity { credentials: Credentials::TokenFile(file.into()), impersonation });
        }
        if let Some(token) = user.token {
            return Ok(Identity { credentials: Credentials::Token(token), impersonation });
        }
        let has_helper = user.exec.is_some();
        // Only what is in the user counts; the address is for a client that is not made.
        let mut config = Config::new(http::Uri::from_static("https://cluster.invalid"));
        config.auth_info = user;
        let layer = blocking::elsewhere(move || {
            // The library panics at a token that no header can hold.
            let layer = catch_unwind(AssertUnwindSafe(|| config.auth_layer()));
            layer.map_err(|_| no_credentials())?.map_err(|_| no_credentials())
        });
        let layer = layer.await?;
        let credentials = match layer {
            Some(layer) => Credentials::OfLibrary(layer),
            None if has_helper => {
                return Err(Error::new(
                    ErrorKind::StoreAuth,
                    "the helper program of the kubeconfig gave no token",
                )
                .with_help(
                    "log in with the cluster's own tool; helpers that give certificates are not supported",
                ));
            }
            None => Credentials::None,
        };
        Ok(Identity { credentials, impersonation })
    }

    /// The headers of the next request.
    pub(super) async fn headers(&self) -> Result<HeaderMap> {
        let mut headers = match &self.credentials {
            Credentials::None => HeaderMap::new(),
            Credentials::Token(token) => HeaderMap::from_iter([(AUTHORIZATION, bearer(token)?)]),
            Credentials::TokenFile(path) => {
                let path = path.clone();
                let token = blocking::run(move || read_token(&path)).await?;
                HeaderMap::from_iter([(AUTHORIZATION, bearer(&token)?)])
            }
            Credentials::OfLibrary(layer) => {
                // The library puts them into a request, which goes no further than this.
                let echo = service_fn(|request: Request<String>| {
                    ready(Ok::<_, BoxError>(Response::new(request.into_parts().0.headers)))
                });
                // Boxed, for the compiler cannot tell of the bare future that it may be sent to other threads.
                let given: BoxFuture<'static, Result<Response<HeaderMap>, BoxError>> =
                    Box::pin(layer.layer(echo).oneshot(Request::default()));
                given.await.map_err(|_| no_credentials())?.into_body()
            }
        };
        headers.extend(self.impersonation.clone());
        Ok(headers)
    }
}

fn read_token(path: &Path) -> Result<SecretString> {
    let text = fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        let what = format!("the token cannot be read: {} ({})", path.display(), error.kind());
        Error::new(ErrorKind::StoreAuth, what)
            .with_help("the file is that of a kubeconfig or a service account")
    })?;
    // Whoever writes one by hand ends it with a newline.
    Ok(SecretString::from(text.trim()))
}

/// The library's own words are not shown: they hold what a helper printed, which may be a token.
fn no_credentials() -> Error {
    Error::new(ErrorKind::StoreAuth, "the credentials of the kubeconfig cannot be had")
        .with_help("'kubectl get secrets' with the same kubeconfig tells more")
}

/// The certificate by which the cluster knows `user`, if it is one.
pub(super) fn own_certificate(user: &AuthInfo) -> Result<Option<ClientCertificate>> {
    let chain = data_or_file(user.client_certificate_data.as_deref(), user.client_certificate.as_deref())?;
    let key_data = user.client_key_data.as_ref().map(ExposeSecret::expose_secret);
    let key = data_or_file(key_data, user.client_key.as_deref())?;
    let (chain, key) = match (chain, key) {
        (None, None) => return Ok(None),
        (Some(chain), Some(key)) => (chain, key),
        _ => return Err(invalid("the kubeconfig has a client certificate or its key, and not both")),
    };
    let chain: Option<Vec<_>> = CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>().ok();
    let chain = chain.filter(|chain| !chain.is_empty());
    match (chain, PrivateKeyDer::from_pem_slice(&key)) {
        (Some(chain), Ok(key)) => Ok(Some(ClientCertificate { chain, key })),
        _ => Err(invalid("the kubeconfig's client certificate or its key is not PEM")),
    }
}

/// The headers by which one user acts as another.
/// <https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/>
fn impersonation(user: &AuthInfo) -> Result<HeaderMap> {
    if user.impersonate_uid.is_some() || user.impersonate_user_extra.is_some() {
        return Err(invalid(
            "the kubeconfig acts as a user by UID or by extra fields, which is not supported",
        )
        .with_help("'as' and 'as-groups' are"));
    }
    let value =
        |text: &String| HeaderValue::from_str(text).map_err(|_| invalid("'as' in the kubeconfig is no name"));
    let mut headers = HeaderMap::new();
    if let Some(name) = &user.impersonate {
        headers.insert("impersonate-user", value(name)?);
    }
    for group in user.impersonate_groups.iter().flatten() {
        headers.append("impersonate-group", value(group)?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The headers of a user with these fields of a kubeconfig.
    fn headers(fields: &str) -> Result<HeaderMap> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let user = serde_json::from_str(fields).unwrap();
        runtime.block_on(async { Identity::of(user).await?.headers().await })
    }

    #[test]
    fn a_user_may_act_as_another() {
        let fields = r#"{"token": "t", "as": "jane", "as-groups": ["developers", "admins"]}"#;
        let headers = headers(fields).unwrap();
        assert_eq!(headers["impersonate-user"], "jane");
        let groups: Vec<_> = headers.get_all("impersonate-group").into_iter().collect();
        assert_eq!(groups, ["developers", "admins"]);
        for fields in [r#"{"as-uid": "7"}"#, r#"{"as-user-extra": {"a": ["b"]}}"#, r#"{"as": "new\nline"}"#] {
            assert_eq!(self::headers(fields).unwrap_err().kind(), ErrorKind::InvalidConfig, "{fields}");
        }
    }

    #[test]
    fn a_token_that_no_header_can_hold_is_refused_unseen() {
        let error = headers(r#"{"token": "canary\n"}"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }

    #[test]
    fn credentials_are_shown_to_the_cluster_alone() {
        for (fields, sent) in [
            (r#"{"token": "canary"}"#, "Bearer canary"),
            (r#"{"username": "jane", "password": "canary"}"#, "Basic amFuZTpjYW5hcnk="),
        ] {
            let headers = headers(fields).unwrap();
            assert_eq!(headers[AUTHORIZATION], sent);
            assert!(headers[AUTHORIZATION].is_sensitive() && !format!("{headers:?}").contains("canary"));
        }
        assert!(headers("{}").unwrap().is_empty());
    }

    #[test]
    fn a_certificate_needs_its_key() {
        for fields in [
            r#"{"client-certificate-data": "Y2FuYXJ5"}"#,
            r#"{"client-certificate-data": "Y2FuYXJ5", "client-key-data": "Y2FuYXJ5"}"#,
            r#"{"client-certificate-data": "canary!", "client-key-data": "Y2FuYXJ5"}"#,
        ] {
            let error = own_certificate(&serde_json::from_str(fields).unwrap()).map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{fields}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
