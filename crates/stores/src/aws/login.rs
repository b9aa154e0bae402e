//! Who we are to Amazon, and the region that follows from it.
//!
//! The official library finds credentials, and keeps them fresh. It is given the variables of [`OpenContext`] and our
//! HTTP client, so that it looks where its users expect it, and nowhere else. What it does beyond our reach: of a
//! profile that is named, it reads the home folder and the variables of STS from the process itself.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

#[allow(deprecated, reason = "their new place is a crate that is not made for others")]
use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
use aws_config::{
    AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig,
    identity::IdentityCache,
    profile::{self, ProfileFileCredentialsProvider},
    provider_config::ProviderConfig,
    retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
    sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_secretsmanager::Client;
use modelmesh_secrets::{Error, ErrorKind, ExposeSecret as _, Result, SecretString, setting::Settings};
use tokio::sync::OnceCell;

use super::transport::Transport;
use crate::{
    blocking,
    connector::OpenContext,
    network::{Endpoint, Http},
};

/// Environment variables of Amazon's tools that are read here; the library reads the others itself.
mod variable {
    pub(super) const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
    pub(super) const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
    pub(super) const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
    /// What a container shows where it is given its role's credentials.
    pub(super) const CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
    pub(super) const PROFILE: &str = "AWS_PROFILE";
    /// The files of profiles, where they are other ones than those in `~/.aws`.
    pub(super) const CONFIG_FILE: &str = "AWS_CONFIG_FILE";
    pub(super) const CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
    /// A PEM file with authorities to trust; as `ca_bundle` of a profile.
    pub(super) const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
    pub(super) const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
}

/// The variables that are credentials.
pub(super) const CREDENTIALS: &[&str] = &[
    variable::ACCESS_KEY_ID,
    variable::SECRET_ACCESS_KEY,
    variable::SESSION_TOKEN,
    variable::CONTAINER_TOKEN,
];

/// The name under which an assumed role's sessions show in Amazon's logs.
const SESSION: &str = "modelmesh-secrets";

/// Where credentials come from.
enum Source {
    /// Wherever the library's own chain finds them.
    Chain,
    /// The role of the machine, the container or the pod, and nothing else.
    Role,
    /// A profile, and nothing else; the variable's or the default one if none is named.
    Profile(Option<String>),
    /// An access key, of the settings or the variables, and nothing else.
    Key(Option<Key>),
}

/// An access key.
struct Key {
    id: String,
    secret: SecretString,
    session: Option<SecretString>,
}

/// Logs in when first asked to, and anew when what it has is refused.
pub(super) struct Login {
    source: Source,
    role_arn: Option<String>,
    region: Option<String>,
    endpoint: Option<Endpoint>,
    transport: Transport,
    settings: Settings,
    context: OpenContext,
    identity: Mutex<Option<Shared>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Chain => "chain",
            Source::Role => "role",
            Source::Profile(_) => "profile",
            Source::Key(_) => "key",
        };
        f.debug_struct("Login")
            .field("source", &source)
            .field("role_arn", &self.role_arn)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// A login, shared by the calls that use it.
pub(super) type Shared = Arc<OnceCell<Client>>;

/// The variables of the process, or of whoever embeds us.
type Variables = HashMap<String, String>;

impl Login {
    /// Reads no credentials yet.
    pub(super) fn new(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let bundle = bundle_of_variable(context);
        let bundle = bundle.as_deref().map(|path| (variable::CA_BUNDLE, path));
        let http = Http::open_with_bundle(settings, context, bundle)?;
        let endpoint = settings.text("endpoint").map(|text| http.endpoint("endpoint", text)).transpose()?;
        let region = settings.text("region").map(str::to_owned);
        region.as_deref().map_or(Ok(()), check_region)?;
        Ok(Login {
            source: source(settings)?,
            role_arn: settings.text("role_arn").map(str::to_owned),
            region,
            endpoint,
            transport: Transport::open(http, context)?,
            settings: settings.clone(),
            context: context.clone(),
            identity: Mutex::default(),
        })
    }

    /// The login that calls are made with. Whoever needs it first [makes](Login::ready) it; the others wait.
    pub(super) fn current(&self) -> Shared {
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(identity.get_or_insert_default())
    }

    /// Drops a login that does not work. The next call makes a new one, and reads files and variables again: a key
    /// may have been replaced.
    pub(super) fn forget(&self, refused: &Shared) {
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        // Another call may have logged in anew meanwhile.
        identity.take_if(|held| Arc::ptr_eq(held, refused));
    }

    /// The client behind `shared`. Credentials are asked for when it makes its first call.
    pub(super) async fn ready<'s>(&self, shared: &'s Shared) -> Result<&'s Client> {
        shared.get_or_try_init(|| self.client()).await
    }

    async fn client(&self) -> Result<Client> {
        let variables = self.variables();
        let transport = self.transport(&variables).await?;
        let config = self.loader(variables.clone(), &transport).load().await;
        let region = config.region().ok_or_else(no_region)?.clone();
        check_region(region.as_ref())?;
        let mut credentials = self.credentials(&config, &variables, &region, &transport).await?;
        if let Some(role) = &self.role_arn {
            let role = AssumeRoleProvider::builder(role).configure(&config).session_name(SESSION);
            credentials = SharedCredentialsProvider::new(role.build_from_provider(credentials).await);
        }
        let mut builder = aws_sdk_secretsmanager::config::Builder::from(&config)
            .credentials_provider(credentials)
            .identity_cache(IdentityCache::lazy().load_timeout(self.context.request_timeout).build());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint_url(endpoint.to_string());
        }
        Ok(Client::from_conf(builder.build()))
    }

    /// What finds the region, the addresses of services and the chain of credentials. Retries and time limits are ours.
    fn loader(&self, variables: Variables, transport: &Transport) -> ConfigLoader {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .env(variables.into())
            .http_client(transport.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Ok(name) = AppName::new(SESSION) {
            loader = loader.app_name(name);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Source::Profile(Some(name)) = &self.source {
            loader = loader.profile_name(name);
        }
        loader
    }

    async fn credentials(
        &self,
        config: &SdkConfig,
        variables: &Variables,
        region: &Region,
        transport: &Transport,
    ) -> Result<SharedCredentialsProvider> {
        let found = match &self.source {
            Source::Chain => config.credentials_provider(),
            Source::Role => {
                // The same chain, where there are no keys and no profiles.
                let mut variables = variables.clone();
                variables.remove(variable::ACCESS_KEY_ID);
                variables.remove(variable::PROFILE);
                let loader = self.loader(variables, transport).region(region.clone());
                let loader = loader.profile_files(no_profiles());
                loader.load().await.credentials_provider()
            }
            Source::Profile(name) => Some(of_profile(name.as_deref(), variables, region, transport)),
            Source::Key(Some(key)) => Some(SharedCredentialsProvider::new(key.credentials())),
            Source::Key(None) => {
                let key = key_of(variables).ok_or_else(no_key)?;
                Some(SharedCredentialsProvider::new(key))
            }
        };
        found.ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "the login cannot be set up"))
    }

    /// What calls are sent by: it trusts the `ca_bundle` of the profile, unless a setting or a variable names another.
    #[allow(deprecated, reason = "see the import")]
    #[allow(clippy::default_trait_access, reason = "the type's crate is not made for others")]
    async fn transport(&self, variables: &Variables) -> Result<Transport> {
        if self.settings.path("ca_cert").is_some() || bundle_of_variable(&self.context).is_some() {
            return Ok(self.transport.clone());
        }
        let name = match &self.source {
            Source::Profile(Some(name)) => Some(name.clone().into()),
            _ => None,
        };
        let (files, environment) = (ProfileFiles::default(), variables.clone().into());
        // Whoever reads it next says what is wrong with a file of profiles.
        let profile = profile::load(&Default::default(), &environment, &files, name).await.ok();
        let bundle = profile.as_ref().and_then(|profile| profile.get("ca_bundle"));
        let Some(bundle) = bundle.filter(|path| !path.is_empty()).map(PathBuf::from) else {
            return Ok(self.transport.clone());
        };
        let (settings, context) = (self.settings.clone(), self.context.clone());
        let opened = blocking::run(move || {
            let http = Http::open_with_bundle(&settings, &context, Some(("ca_bundle", &bundle)))?;
            Transport::open(http, &context)
        });
        opened.await
    }

    fn variables(&self) -> Variables {
        let environment = &*self.context.environment;
        let text = |name: std::ffi::OsString| {
            let name = name.into_string().ok()?;
            let value = environment.var(&name)?.into_string().ok()?;
            Some((name, value))
        };
        environment.names().into_iter().filter_map(text).collect()
    }
}

impl Key {
    fn credentials(&self) -> Credentials {
        let session = self.session.as_ref().map(|session| session.expose_secret().to_owned());
        Credentials::new(self.id.clone(), self.secret.expose_secret(), session, None, "settings")
    }
}

fn of_profile(
    name: Option<&str>,
    variables: &Variables,
    region: &Region,
    transport: &Transport,
) -> SharedCredentialsProvider {
    let config = ProviderConfig::without_region()
        .with_region(Some(region.clone()))
        .with_http_client(transport.clone())
        .with_retry_config(RetryConfig::disabled());
    let mut builder =
        ProfileFileCredentialsProvider::builder().configure(&config).profile_files(profile_files(variables));
    if let Some(name) = name.or_else(|| variables.get(variable::PROFILE).map(String::as_str)) {
        builder = builder.profile_name(name);
    }
    // A profile may say 'credential_source = Environment'.
    if let Some(key) = key_of(variables) {
        builder = builder.with_custom_provider("Environment", key);
    }
    SharedCredentialsProvider::new(builder.build())
}

fn bundle_of_variable(context: &OpenContext) -> Option<PathBuf> {
    let path = context.environment.var(variable::CA_BUNDLE)?;
    (!path.is_empty()).then(|| path.into())
}

/// Where the settings say that credentials come from.
fn source(settings: &Settings) -> Result<Source> {
    let invalid = |what: &'static str| Error::new(ErrorKind::InvalidConfig, what);
    let (id, secret) = (settings.text("access_key_id"), settings.secret("secret_access_key"));
    let (session, profile) = (settings.secret("session_token"), settings.text("profile"));
    let key = match (id, secret) {
        (Some(id), Some(secret)) => {
            Some(Key { id: id.to_owned(), secret: secret.clone(), session: session.cloned() })
        }
        (None, None) if session.is_none() => None,
        _ => {
            return Err(invalid("'access_key_id' and 'secret_access_key' are needed together")
                .with_help("'session_token' belongs to a temporary key, which has all three"));
        }
    };
    let auth = settings.text("auth");
    let contradiction = match (auth, &key, profile) {
        (None, Some(_), Some(_)) => Some("'profile' and 'access_key_id' contradict each other"),
        (Some("access_key"), _, Some(_)) => Some("'profile' is of no use with 'auth: access_key'"),
        (Some("iam_role"), _, Some(_)) => Some("'profile' is of no use with 'auth: iam_role'"),
        (Some("iam_role" | "profile"), Some(_), _) => {
            Some("'access_key_id' is of use with 'auth: access_key' alone")
        }
        _ => None,
    };
    if let Some(what) = contradiction {
        return Err(invalid(what).with_help("leave one of the two away"));
    }
    // Without `auth`, what is named is meant.
    Ok(match (auth, key, profile) {
        (Some("iam_role"), ..) => Source::Role,
        (Some("access_key"), key, _) | (None, key @ Some(_), _) => Source::Key(key),
        (Some(_), _, profile) | (None, None, profile @ Some(_)) => {
            Source::Profile(profile.map(str::to_owned))
        }
        (None, None, None) => Source::Chain,
    })
}

/// The access key of the variables.
fn key_of(variables: &Variables) -> Option<Credentials> {
    let read = |name| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let (id, secret) = (read(variable::ACCESS_KEY_ID)?, read(variable::SECRET_ACCESS_KEY)?);
    Some(Credentials::new(id, secret, read(variable::SESSION_TOKEN).map(str::to_owned), None, "variables"))
}

/// The files of profiles.
#[allow(deprecated, reason = "see the import")]
fn profile_files(variables: &Variables) -> ProfileFiles {
    let home = variables.get(variable::HOME).map(PathBuf::from).unwrap_or_default();
    let file = |name: &str, usual: &str| {
        let named = variables.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        named.unwrap_or_else(|| home.join(".aws").join(usual))
    };
    ProfileFiles::builder()
        .with_file(ProfileFileKind::Config, file(variable::CONFIG_FILE, "config"))
        .with_file(ProfileFileKind::Credentials, file(variable::CREDENTIALS_FILE, "credentials"))
        .build()
}

#[allow(deprecated, reason = "see the import")]
fn no_profiles() -> ProfileFiles {
    ProfileFiles::builder().with_contents(ProfileFileKind::Config, "").build()
}

/// A region is part of a host's name, so it is judged before it becomes one.
fn check_region(region: &str) -> Result<()> {
    let is_label = (1..=63).contains(&region.len())
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if is_label {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidConfig, "a region holds small letters, digits and '-' alone")
        .with_help("write it as Amazon does, such as us-east-1"))
}

fn no_region() -> Error {
    Error::new(ErrorKind::InvalidConfig, "it is not known which region the secrets are in")
        .with_help("set 'region', the variable AWS_REGION, or 'region' of the profile")
}

fn no_key() -> Error {
    Error::new(ErrorKind::InvalidConfig, "'auth: access_key' needs an access key").with_help(
        "set 'access_key_id' and 'secret_access_key', or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )
}
