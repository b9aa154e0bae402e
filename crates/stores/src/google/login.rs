//! Who we are to Google, and the project that follows from it.
//!
//! The official library makes tokens and keeps them fresh, but those of a person (`user.rs`). It is given its credentials here, and not left to find
//! them, for it reads the process's own environment. What it does beyond our reach: its requests for tokens trust
//! the system's certificates alone, follow redirects and read answers of any length, and of federated identities it reads `AWS_*` and
//! `GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES` from the process. It waits for an answer without a limit, which is
//! ours to set. After a login is dropped, the task that refreshes its token ends the next time it wakes. What it would
//! try again by itself is not left to it (`impersonation.rs`).

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use google_cloud_auth::credentials::{
    CacheableResource, Credentials, external_account, mds, service_account,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use modelmesh_secrets::{
    Error, ErrorKind, Result, duration,
    setting::{SettingValue, Settings},
};
use reqwest::Method;
use serde_json::Value;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::{
    gcloud,
    impersonation::Impersonation,
    library::{check_certificates, no_token, provide_cryptography},
    place,
    user::User,
};
use crate::{
    blocking,
    connector::OpenContext,
    environment::FixedEnvironment,
    network::{Answer, Endpoint, Http, unheard},
};

/// Environment variables that Google's own tools read, too.
mod variable {
    pub(super) const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";
    /// The second is the older spelling.
    pub(super) const PROJECT: [&str; 2] = ["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"];
    pub(super) const QUOTA_PROJECT: &str = "GOOGLE_CLOUD_QUOTA_PROJECT";
    pub(super) const METADATA_HOST: &str = "GCE_METADATA_HOST";
}

/// The address of the metadata server, for which no resolver need be asked.
const METADATA_SERVER: &str = "169.254.169.254";

/// The header that says whose quota is used: <https://cloud.google.com/apis/docs/system-parameters>.
const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// What `auth` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    ApplicationDefault,
    ServiceAccount,
    Anonymous,
}

/// Logs in when first asked to, and anew when what it has is refused.
pub(super) struct Login {
    auth: Auth,
    /// The setting `credentials_file`.
    file: Option<PathBuf>,
    /// The setting `project`.
    project: Option<String>,
    /// Whether credentials may go over plain HTTP to other machines.
    allows_plain: bool,
    http: Http,
    context: OpenContext,
    held: Held,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("auth", &self.auth)
            .field("file", &self.file)
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}

/// What a file of credentials holds.
struct File {
    source: Source,
    impersonation: Option<Impersonation>,
    quota_project: Option<HeaderValue>,
    project: Option<String>,
}

/// A login: credentials, and the project.
pub(super) struct Identity {
    source: Source,
    /// Whom the login is used to act as, if not for itself.
    impersonation: Option<Impersonation>,
    /// The project whose quota is used by whom it acts as.
    quota_project: Option<HeaderValue>,
    pub(super) project: String,
}

/// Where tokens come from.
enum Source {
    /// There are none: an emulator wants none.
    Anonymous,
    User(Box<User>),
    Library(Credentials),
}

/// A login, shared by the calls that use it.
pub(super) type Shared = Arc<OnceCell<Identity>>;

/// The login that calls are made with.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<Option<Shared>>>);

impl Held {
    fn current(&self) -> Shared {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(held.get_or_insert_default())
    }

    fn forget(&self, refused: &Shared) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another call may have logged in anew meanwhile.
        held.take_if(|held| Arc::ptr_eq(held, refused));
    }
}

/// Credentials as they are found.
enum Found {
    File(PathBuf),
    MetadataServer,
}

impl Login {
    /// Reads nothing yet.
    pub(super) fn new(settings: &Settings, context: &OpenContext, http: Http) -> Result<Self> {
        let auth = match settings.text("auth") {
            Some("service_account") => Auth::ServiceAccount,
            Some("anonymous") => Auth::Anonymous,
            _ => Auth::ApplicationDefault,
        };
        let file = settings.path("credentials_file").map(Path::to_owned);
        if auth == Auth::Anonymous && file.is_some() {
            return Err(invalid("'credentials_file' is of no use with 'auth: anonymous'"));
        }
        if auth == Auth::Anonymous && settings.text("endpoint").is_none() {
            return Err(invalid("'auth: anonymous' needs an 'endpoint'")
                .with_help("Google serves nobody without credentials; it is for emulators"));
        }
        let project = settings.text("project").map(str::to_owned);
        project.as_deref().map_or(Ok(()), place::check_project)?;
        let allows_plain = settings.boolean("allow_http").unwrap_or(false);
        let (context, held) = (context.clone(), Held::default());
        Ok(Login { auth, file, project, allows_plain, http, context, held })
    }

    /// The login that calls are made with. Whoever needs it first [makes](Login::ready) it; the others wait.
    pub(super) fn current(&self) -> Shared {
        self.held.current()
    }

    /// Drops a login that does not work. The next call makes a new one, and reads the credentials again: a key may
    /// have been replaced on disk.
    pub(super) fn forget(&self, refused: &Shared) {
        self.held.forget(refused);
    }

    /// Whether a new login can be another than the one before.
    pub(super) fn can_log_in_anew(&self) -> bool {
        self.auth != Auth::Anonymous
    }

    /// The identity behind `shared`, logged in.
    pub(super) async fn ready<'s>(&self, shared: &'s Shared) -> Result<&'s Identity> {
        shared.get_or_try_init(|| self.log_in()).await
    }

    /// The headers that say who we are: a token, and the project whose quota is used.
    ///
    /// `Unavailable` if there is no answer where tokens are had, `StoreAuth` if none is given. Such a login is
    /// [forgotten](Login::forget): the library remembers an error for seconds, and waits for an answer for ever; when
    /// to try again is not its business.
    pub(super) async fn headers(&self, shared: &Shared) -> Result<HeaderMap> {
        let (held, awaited, http) = (self.held.clone(), Arc::clone(shared), self.http.clone());
        // In a task, for a caller may give up first, and must not leave a login behind that hangs; and the library
        // panics where the runtime on which the login was made has ended.
        let task = tokio::spawn(async move {
            let limit = http.timeout();
            let headers = match awaited.get() {
                Some(identity) => tokio::time::timeout(limit, identity.headers(&http)).await,
                None => Ok(Err(ended_early())),
            };
            headers.unwrap_or_else(|_| Err(too_slow(limit))).inspect_err(|_| held.forget(&awaited))
        });
        task.await.unwrap_or_else(|_| {
            self.forget(shared);
            Err(ended_early())
        })
    }

    async fn log_in(&self) -> Result<Identity> {
        if self.auth == Auth::Anonymous {
            let project = self.known_project().ok_or_else(no_project)?;
            return Ok(Identity::of(Source::Anonymous, project));
        }
        let identity = match self.find()? {
            Found::File(path) => self.read(path).await?,
            Found::MetadataServer => {
                let project = match self.known_project() {
                    Some(project) => project,
                    None => self.project_of_machine().await?,
                };
                Identity::of(Source::Library(self.machine()?), project)
            }
        };
        place::check_project(&identity.project)?;
        Ok(identity)
    }

    /// Where credentials are: the order of Google's own tools, in
    /// <https://cloud.google.com/docs/authentication/application-default-credentials>.
    fn find(&self) -> Result<Found> {
        let named = || self.variable(variable::CREDENTIALS).map(PathBuf::from);
        if let Some(path) = self.file.clone().or_else(named) {
            return Ok(Found::File(path));
        }
        if self.auth == Auth::ServiceAccount {
            return Err(Error::new(ErrorKind::InvalidConfig, "'auth: service_account' needs a key file")
                .with_help("name it in 'credentials_file' or GOOGLE_APPLICATION_CREDENTIALS"));
        }
        let of_gcloud = gcloud::folder(&*self.context.environment)
            .map(|folder| folder.join("application_default_credentials.json"));
        Ok(of_gcloud.filter(|path| path.exists()).map_or(Found::MetadataServer, Found::File))
    }

    /// The login that a file describes.
    async fn read(&self, path: PathBuf) -> Result<Identity> {
        let shown = path.display().to_string();
        let text = blocking::run(move || Ok(fs::read(path).map(Zeroizing::new))).await?;
        let text = text.map_err(|error| {
            Error::new(ErrorKind::Io, format!("{shown}: cannot be read ({})", error.kind()))
                .with_help("'gcloud auth application-default login' makes one for a person")
        })?;
        let file = self.parse(&text).map_err(|error| {
            let wrong = Error::new(ErrorKind::InvalidConfig, format!("{shown}: {}", error.message()));
            match error.help() {
                Some(help) => wrong.with_help(help.to_owned()),
                None => wrong,
            }
        })?;
        let project = match self.known_project().or(file.project) {
            Some(project) => project,
            None => self.project_of_gcloud().await?.ok_or_else(no_project)?,
        };
        let File { source, impersonation, quota_project, .. } = file;
        Ok(Identity { source, impersonation, quota_project, project })
    }

    /// What is in a file. The errors do not name it.
    fn parse(&self, text: &[u8]) -> Result<File> {
        // The library takes a tree of JSON, whose strings it cannot wipe.
        let mut json: Value = serde_json::from_slice(text).map_err(|_| invalid("is not JSON"))?;
        if self.auth == Auth::ServiceAccount && kind(&json) != "service_account" {
            return Err(invalid("is not the key of a service account")
                .with_help("'auth: application_default' takes every kind of credentials"));
        }
        let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        let project = text("project_id");
        let quota_project = self.variable(variable::QUOTA_PROJECT).or_else(|| text("quota_project_id"));
        let impersonation = Impersonation::take(&mut json, self.allows_plain)?;
        if kind(&json) == "impersonated_service_account" {
            if impersonation.is_none() {
                return Err(invalid("is not complete"));
            }
            json = json["source_credentials"].take();
        }
        // Whose tokens are only used to ask for others has a quota of its own.
        let of_source = quota_project.clone().filter(|_| impersonation.is_none());
        let source = self.source(json, of_source)?;
        let quota_project = quota_project.map(|project| HeaderValue::from_str(&project));
        let quota_project =
            quota_project.transpose().map_err(|_| invalid("names no project for its quota"))?;
        Ok(File { source, impersonation, quota_project, project })
    }

    /// The login that `json` describes.
    fn source(&self, json: Value, quota_project: Option<String>) -> Result<Source> {
        let kind = kind(&json).to_owned();
        if kind == "authorized_user" {
            let user = User::read(&self.http, json, quota_project)?;
            return user.map(|user| Source::User(Box::new(user))).ok_or_else(|| invalid("is not complete"));
        }
        if let Some(address) = json.get("token_url").and_then(Value::as_str) {
            Endpoint::parse("token_url", address, self.allows_plain)?;
        }
        provide_cryptography();
        // A key signs its own tokens: nobody is asked for them.
        if kind != "service_account" {
            check_certificates()?;
        }
        macro_rules! build {
            ($kind:ident) => {{
                let builder = $kind::Builder::new(json);
                match quota_project {
                    Some(project) => builder.with_quota_project_id(project).build(),
                    None => builder.build(),
                }
            }};
        }
        let credentials = match kind.as_str() {
            "service_account" => build!(service_account),
            "external_account" => build!(external_account),
            _ => return Err(invalid("holds no kind of credentials that is known")),
        };
        // The library's own words quote what they cannot read.
        credentials.map(Source::Library).map_err(|_| invalid("is not complete"))
    }

    /// The service account of the machine that this runs on.
    fn machine(&self) -> Result<Credentials> {
        provide_cryptography();
        check_certificates()?;
        let builder = mds::Builder::default();
        let builder = match self.variable(variable::METADATA_HOST) {
            Some(host) => builder.with_endpoint(format!("http://{host}")),
            None => builder,
        };
        let builder = match self.variable(variable::QUOTA_PROJECT) {
            Some(project) => builder.with_quota_project_id(project),
            None => builder,
        };
        builder
            .build()
            .map_err(|_| Error::new(ErrorKind::InvalidConfig, "the metadata server cannot be asked"))
    }

    /// The project of the machine: <https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys>.
    async fn project_of_machine(&self) -> Result<String> {
        // The server answers on the machine's own link, over HTTP alone, and behind no proxy.
        let settings = Settings::default().with("allow_http", SettingValue::Boolean(true));
        let environment = Arc::new(FixedEnvironment::default());
        let http = Http::open(&settings, &OpenContext { environment, ..self.context.clone() })?;
        let host = self.variable(variable::METADATA_HOST).unwrap_or_else(|| METADATA_SERVER.to_owned());
        let server = Endpoint::parse(variable::METADATA_HOST, &format!("http://{host}"), true)?;
        let url = server.url(["computeMetadata", "v1", "project", "project-id"])?;
        let answer = http.send(http.request(Method::GET, url).header("metadata-flavor", "Google")).await;
        // Whoever answers without this header is not the metadata server.
        let is_genuine = |answer: &Answer| {
            answer.status.is_success() && answer.header("metadata-flavor") == Some("Google")
        };
        let answer = answer.map_err(|_| no_machine())?;
        let text = str::from_utf8(&answer.body).ok().filter(|_| is_genuine(&answer));
        text.map(|project| project.trim().to_owned()).ok_or_else(no_machine)
    }

    /// The project that `gcloud` works in: whose login is a person's, theirs is no part of it.
    async fn project_of_gcloud(&self) -> Result<Option<String>> {
        let environment = Arc::clone(&self.context.environment);
        blocking::run(move || Ok(gcloud::project(&*environment))).await
    }

    fn known_project(&self) -> Option<String> {
        let of_environment = || variable::PROJECT.iter().find_map(|name| self.variable(name));
        self.project.clone().or_else(of_environment)
    }

    fn variable(&self, name: &str) -> Option<String> {
        gcloud::variable(&*self.context.environment, name)
    }
}

impl Identity {
    fn of(source: Source, project: String) -> Self {
        Identity { source, impersonation: None, quota_project: None, project }
    }

    /// The headers of a request.
    async fn headers(&self, http: &Http) -> Result<HeaderMap> {
        let Some(impersonation) = &self.impersonation else {
            return self.source.headers().await;
        };
        let mut headers = impersonation.headers(http, self.source.headers()).await?;
        headers.extend(self.quota_project.clone().map(|project| (QUOTA_PROJECT, project)));
        Ok(headers)
    }
}

impl Source {
    /// The headers of the login itself.
    async fn headers(&self) -> Result<HeaderMap> {
        let credentials = match self {
            Source::Anonymous => return Ok(HeaderMap::new()),
            Source::User(user) => return user.headers().await,
            Source::Library(credentials) => credentials,
        };
        match unheard(credentials.headers(Extensions::new())).await {
            Ok(CacheableResource::New { data, .. }) => Ok(data),
            Ok(CacheableResource::NotModified) => Err(ended_early()),
            Err(error) => Err(no_token(&error)),
        }
    }
}

fn kind(json: &Value) -> &str {
    json.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, what.to_owned())
}

fn ended_early() -> Error {
    Error::new(ErrorKind::Unavailable, "the login ended before it gave a token")
        .with_help("try again: the next call logs in anew")
}

fn too_slow(limit: Duration) -> Error {
    let limit = duration::format(limit);
    Error::new(ErrorKind::Unavailable, format!("Google's login did not answer within {limit}"))
        .with_help("check that it can be reached; 'fetch_timeout' is the longest it may take")
}

fn no_project() -> Error {
    Error::new(ErrorKind::InvalidConfig, "it is not known which project the secrets are in")
        .with_help("set 'project', or the variable GOOGLE_CLOUD_PROJECT")
}

fn no_machine() -> Error {
    Error::new(ErrorKind::Unavailable, "the metadata server does not tell the project of this machine").with_help(
        "set 'project'; outside Google Cloud, 'gcloud auth application-default login' or 'credentials_file' give \
         credentials",
    )
}
