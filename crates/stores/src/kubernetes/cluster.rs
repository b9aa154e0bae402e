//! One request to the cluster.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use modelmesh_secrets::{Result, setting::Settings};
use reqwest::{
    Method, Url,
    header::{ACCEPT, CONTENT_TYPE},
};
use tokio::sync::Mutex;

use super::{
    access::Access,
    failure,
    identity::{Identity, own_certificate},
    place,
};
use crate::{
    blocking,
    connector::OpenContext,
    network::{Answer, Endpoint, Http},
};

/// A cluster. Where it is, and who we are there, is read for the first request, and again when that is refused.
pub(super) struct Cluster {
    settings: Settings,
    context: OpenContext,
    /// The setting.
    namespace: Option<String>,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

struct Connection {
    http: Http,
    endpoint: Endpoint,
    namespace: String,
    identity: Identity,
}

/// What is asked of the Secrets of the namespace.
pub(super) enum Asked<'a> {
    /// One Secret.
    Read(&'a str),
    /// A page of all of them, by these parameters.
    List(&'a [(&'a str, &'a str)]),
    /// A new one.
    Create(Bytes),
    /// Another content of one: a JSON merge patch.
    Patch(&'a str, Bytes),
}

impl Asked<'_> {
    pub(super) fn is_change(&self) -> bool {
        matches!(self, Asked::Create(_) | Asked::Patch(..))
    }
}

impl Cluster {
    pub(super) fn new(settings: &Settings, context: &OpenContext, namespace: Option<&str>) -> Self {
        Cluster {
            settings: settings.clone(),
            context: context.clone(),
            namespace: namespace.map(str::to_owned),
            connection: Mutex::default(),
        }
    }

    /// Sends a request. If the cluster does not know us, credentials are read anew, once: tokens rotate, and helpers
    /// give new ones.
    pub(super) async fn ask(&self, asked: &Asked<'_>) -> Result<Answer> {
        let connection = self.connection(None).await?;
        let mut answer = connection.send(asked).await?;
        if failure::is_unauthorized(&answer) {
            answer = self.connection(Some(&connection)).await?.send(asked).await?;
        }
        if answer.status.is_success() { Ok(answer) } else { Err(failure::of(&answer, asked)) }
    }

    /// The connection; a new one in the place of `refused`, unless somebody else was sooner.
    async fn connection(&self, refused: Option<&Arc<Connection>>) -> Result<Arc<Connection>> {
        let mut held = self.connection.lock().await;
        if let Some(held) = &*held
            && refused.is_none_or(|refused| !Arc::ptr_eq(refused, held))
        {
            return Ok(Arc::clone(held));
        }
        let connection = Arc::new(self.connect().await?);
        *held = Some(Arc::clone(&connection));
        Ok(connection)
    }

    async fn connect(&self) -> Result<Connection> {
        let (settings, context) = (self.settings.clone(), self.context.clone());
        let opened = blocking::run(move || {
            let access = Access::find(&settings, &context)?;
            let own = own_certificate(&access.user)?;
            let http = Http::with_certificates(&settings, &context, access.authorities, own)?;
            let endpoint = http.endpoint("server", &access.server)?;
            Ok((http, endpoint, access.namespace, access.user))
        });
        let (http, endpoint, usual, user) = opened.await?;
        let namespace = self.namespace.clone().unwrap_or(usual);
        place::check_namespace(&namespace)?;
        Ok(Connection { http, endpoint, namespace, identity: Identity::of(user).await? })
    }
}

impl Connection {
    async fn send(&self, asked: &Asked<'_>) -> Result<Answer> {
        let (method, url) = self.target(asked)?;
        let request = self.http.request(method, url).headers(self.identity.headers().await?);
        let request = request.header(ACCEPT, "application/json");
        let request = match asked {
            Asked::Read(_) | Asked::List(_) => request,
            Asked::Create(body) => request.header(CONTENT_TYPE, "application/json").body(body.clone()),
            Asked::Patch(_, body) => {
                request.header(CONTENT_TYPE, "application/merge-patch+json").body(body.clone())
            }
        };
        self.http.send(request).await
    }

    fn target(&self, asked: &Asked<'_>) -> Result<(Method, Url)> {
        let all = ["api", "v1", "namespaces", &self.namespace, "secrets"];
        let (method, secret) = match asked {
            Asked::Read(secret) => (Method::GET, Some(*secret)),
            Asked::List(_) => (Method::GET, None),
            Asked::Create(_) => (Method::POST, None),
            Asked::Patch(secret, _) => (Method::PATCH, Some(*secret)),
        };
        let mut url = self.endpoint.url(all.into_iter().chain(secret))?;
        if let Asked::List(parameters) = asked {
            url.query_pairs_mut().extend_pairs(*parameters);
        }
        Ok((method, url))
    }
}
