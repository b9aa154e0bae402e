//! Where the cluster is, who we are there, and one request to it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use kube::{
    Config,
    client::{ConfigExt as _, middleware::AuthLayer},
    config::{AuthInfo, KubeConfigOptions, Kubeconfig},
};
use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, Result, setting::Settings};
use reqwest::{Method, StatusCode};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::sync::Mutex;
use tower::{BoxError, Layer as _, Service, ServiceExt as _};
use zeroize::Zeroizing;

use crate::{
    connector::OpenContext,
    network::{Answer, ClientCertificate, Endpoint, Http, parse_certificates},
};

/// Where a pod finds its service account.
/// <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api>
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A cluster, connected to by the first request.
pub(super) struct Cluster {
    settings: Settings,
    context: OpenContext,
    namespace: Option<String>,
    connection: Mutex<Option<Arc<Connection>>>,
}

/// What a request is about.
pub(super) enum Place<'p> {
    /// One Secret.
    Secret(&'p str),
    /// The Secrets of the namespace.
    All,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// What was read of a kubeconfig or a pod.
struct Connection {
    http: Http,
    endpoint: Endpoint,
    namespace: String,
    auth: Option<AuthLayer>,
    impersonation: HeaderMap,
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

    /// Sends a request. Refused credentials are read anew, once: tokens rotate, and helpers give new ones.
    pub(super) async fn ask(
        &self,
        method: Method,
        place: &Place<'_>,
        query: &[(&str, &str)],
        body: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Answer> {
        let connection = self.connection(None).await?;
        let answer = connection.send(&method, place, query, body.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.connection(Some(&connection)).await?.send(&method, place, query, body.as_ref()).await
    }

    /// The connection; a new one in the place of `refused`, unless somebody else was sooner.
    async fn connection(&self, refused: Option<&Arc<Connection>>) -> Result<Arc<Connection>> {
        let mut held = self.connection.lock().await;
        if let Some(held) = &*held
            && refused.is_none_or(|refused| !Arc::ptr_eq(refused, held))
        {
            return Ok(Arc::clone(held));
        }
        let config = config(&self.settings, &self.context).await?;
        let connection = Connection::open(&self.settings, &self.context, &config, self.namespace.as_deref());
        let connection = Arc::new(connection.await?);
        *held = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

impl Connection {
    async fn open(
        settings: &Settings,
        context: &OpenContext,
        config: &Config,
        namespace: Option<&str>,
    ) -> Result<Self> {
        if config.accept_invalid_certs {
            return Err(invalid("the kubeconfig accepts any certificate ('insecure-skip-tls-verify')")
                .with_help(
                    "name the cluster's authority: 'certificate-authority', or the setting 'ca_cert'",
                ));
        }
        if config.proxy_url.is_some() || config.tls_server_name.is_some() {
            return Err(invalid(
                "the kubeconfig has a 'proxy-url' or a 'tls-server-name', which are not supported",
            )
            .with_help("HTTPS_PROXY names a proxy for this store"));
        }
        let authorities = config.root_cert.iter().flatten();
        let authorities = authorities.map(|der| CertificateDer::from(der.clone())).collect();
        let own = own_certificate(&config.auth_info)?;
        let http = Http::with_certificates(settings, context, authorities, own)?;
        let endpoint = http.endpoint("server", &config.cluster_url.to_string())?;
        // It may start a helper program and wait for it.
        let for_auth = config.clone();
        let auth = crate::blocking::elsewhere(move || {
            // The library's own words may hold what a helper printed: a token.
            for_auth.auth_layer().map_err(|_| {
                Error::new(ErrorKind::StoreAuth, "the kubeconfig's credentials cannot be had")
                    .with_help("'kubectl get secrets' with the same kubeconfig tells more")
            })
        });
        Ok(Connection {
            http,
            endpoint,
            namespace: namespace.unwrap_or(&config.default_namespace).to_owned(),
            auth: auth.await?,
            impersonation: impersonation(&config.auth_info)?,
        })
    }

    async fn send(
        &self,
        method: &Method,
        place: &Place<'_>,
        query: &[(&str, &str)],
        body: Option<&Zeroizing<Vec<u8>>>,
    ) -> Result<Answer> {
        let mut path = vec!["api", "v1", "namespaces", &self.namespace, "secrets"];
        if let Place::Secret(secret) = place {
            path.push(secret);
        }
        let mut url = self.endpoint.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let body = body.map(|body| Bytes::copy_from_slice(body)).unwrap_or_default();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = url.as_str().parse().map_err(|_| invalid("the address is not a URI"))?;
        *request.headers_mut() = self.impersonation.clone();
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let content = match *method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content));
        let transport = Transport(self.http.clone());
        let sent = match &self.auth {
            None => transport.oneshot(request).await,
            Some(auth) => auth.layer(transport).oneshot(request).await,
        };
        // What is not ours is the library's: a token file that cannot be read, a helper that failed.
        sent.map(Response::into_body).map_err(|error| match error.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(_) => Error::new(ErrorKind::StoreAuth, "the kubeconfig's credentials cannot be renewed")
                .with_help("'kubectl get secrets' with the same kubeconfig tells more"),
        })
    }
}

/// The HTTP client of all network stores, as `kube` asks for one. What is inside its response is the whole answer.
#[derive(Clone)]
struct Transport(Http);

impl Service<Request<Full<Bytes>>> for Transport {
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Answer>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let http = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let url = head.uri.to_string().parse().map_err(|_| invalid("the address is not a URL"))?;
            let body = body.collect().await?.to_bytes();
            let answer = http.send(http.request(head.method, url).headers(head.headers).body(body)).await?;
            Ok(Response::new(answer))
        })
    }
}

/// Where the cluster is, as `kubectl` finds it.
async fn config(settings: &Settings, context: &OpenContext) -> Result<Config> {
    let options = KubeConfigOptions {
        context: settings.text("context").map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    if let Some(path) = settings.path("kubeconfig") {
        let config = from_files(&[path.to_owned()], &options).await?;
        if config.auth_info.exec.is_some() || config.auth_info.auth_provider.is_some() {
            // Whoever can change the project's file would decide what runs on the machine of who uses it.
            return Err(invalid("the kubeconfig that 'kubeconfig' names wants to run a program to log in")
                .with_help("name it in the variable KUBECONFIG, if you trust it to run programs"));
        }
        return Ok(config);
    }
    let named = context.environment.var("KUBECONFIG").filter(|files| !files.is_empty());
    let files = match &named {
        Some(files) => std::env::split_paths(files).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => home(context).map(|home| home.join(".kube/config")).into_iter().collect::<Vec<PathBuf>>(),
    };
    // As kubectl does: of several files, those that are not there are passed over.
    let files: Vec<PathBuf> = files.into_iter().filter(|file| file.exists()).collect();
    match (files.is_empty(), &named) {
        (false, _) => from_files(&files, &options).await,
        (true, Some(_)) => Err(invalid("no file that KUBECONFIG names is there")),
        (true, None) => from_pod(context, Path::new(SERVICE_ACCOUNT)),
    }
}

async fn from_files(files: &[PathBuf], options: &KubeConfigOptions) -> Result<Config> {
    // The library's own words quote the file, in which there are credentials.
    let unreadable = |file: &Path| {
        invalid(format!("the kubeconfig cannot be read: {}", file.display()))
            .with_help("'kubectl config view' with the same file tells more")
    };
    let mut merged = Kubeconfig::default();
    for file in files {
        let read = Kubeconfig::read_from(file).map_err(|_| unreadable(file))?;
        merged = merged.merge(read).map_err(|_| unreadable(file))?;
    }
    Config::from_custom_kubeconfig(merged, options).await.map_err(|_| {
        invalid(
            "the kubeconfig has no such context, or one whose cluster, user or certificates are not there",
        )
        .with_help("'kubectl config get-contexts' lists those it has; 'context' names one")
    })
}

/// The service account of the pod we run in.
fn from_pod(context: &OpenContext, folder: &Path) -> Result<Config> {
    let variable = |name| context.environment.var(name).and_then(|value| value.into_string().ok());
    let (Some(host), Some(port)) = (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"))
    else {
        return Err(invalid("there is no kubeconfig, and this is no pod of a cluster")
            .with_help("set 'kubeconfig' or KUBECONFIG, or make ~/.kube/config with your cluster's tool"));
    };
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| {
            invalid(format!(
                "the pod's service account cannot be read: {} ({})",
                path.display(),
                error.kind()
            ))
            .with_help("'automountServiceAccountToken' must not be false")
        })
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let url = format!("https://{host}:{port}").parse();
    let mut config = Config::new(url.map_err(|_| invalid("the pod's variables hold no address"))?);
    let authorities = parse_certificates(&read("ca.crt")?);
    let authorities = authorities.ok_or_else(|| invalid("the pod's 'ca.crt' holds no certificates"))?;
    config.root_cert = Some(authorities.iter().map(|certificate| certificate.to_vec()).collect());
    config.default_namespace = String::from_utf8_lossy(&read("namespace")?).trim().to_owned();
    // Read again by the library each minute, for it is replaced each hour.
    config.auth_info.token_file = Some(folder.join("token").to_string_lossy().into_owned());
    Ok(config)
}

/// The certificate by which the cluster knows us, if it is one.
fn own_certificate(auth: &AuthInfo) -> Result<Option<ClientCertificate>> {
    let unusable = || {
        invalid("the kubeconfig's client certificate or its key cannot be read")
            .with_help("both are PEM, in a file or in base64")
    };
    let pem = |data: Option<&str>, file: Option<&str>| -> Result<Option<Zeroizing<Vec<u8>>>> {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        Ok(match (data, file) {
            (Some(data), _) => {
                Some(Zeroizing::new(BASE64_STANDARD.decode(data.trim()).map_err(|_| unusable())?))
            }
            (None, Some(file)) => Some(Zeroizing::new(std::fs::read(file).map_err(|_| unusable())?)),
            (None, None) => None,
        })
    };
    let chain = pem(auth.client_certificate_data.as_deref(), auth.client_certificate.as_deref())?;
    let key_data = auth.client_key_data.as_ref().map(|key| key.expose_secret());
    let key = pem(key_data, auth.client_key.as_deref())?;
    match (chain, key) {
        (Some(chain), Some(key)) => Ok(Some(ClientCertificate {
            chain: parse_pem_chain(&chain).ok_or_else(unusable)?,
            key: PrivateKeyDer::from_pem_slice(&key).map_err(|_| unusable())?,
        })),
        (None, None) => Ok(None),
        _ => Err(unusable()),
    }
}

fn parse_pem_chain(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!chain.is_empty()).then_some(chain)
}

/// The headers by which one user acts as another.
/// <https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/>
fn impersonation(auth: &AuthInfo) -> Result<HeaderMap> {
    if auth.impersonate_uid.is_some() || auth.impersonate_user_extra.is_some() {
        return Err(invalid(
            "the kubeconfig acts as a user by its UID or extra fields, which is not supported",
        ));
    }
    let value =
        |text: &str| HeaderValue::from_str(text).map_err(|_| invalid("'as' in the kubeconfig is no name"));
    let mut headers = HeaderMap::new();
    if let Some(user) = &auth.impersonate {
        headers.insert("impersonate-user", value(user)?);
    }
    for group in auth.impersonate_groups.iter().flatten() {
        headers.append("impersonate-group", value(group)?);
    }
    Ok(headers)
}

fn home(context: &OpenContext) -> Option<PathBuf> {
    let variable = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    context.environment.var(variable).filter(|home| !home.is_empty()).map(PathBuf::from)
}

fn invalid(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, what)
}
