//! Azure Key Vault's secrets, as their published REST API describes them
//! (<https://learn.microsoft.com/en-us/rest/api/keyvault/secrets>, versions 7.4 to 2026-04-01), and the logins of
//! Entra and of managed identities, in memory and over TLS.
//!
//! - `vault` and `secret` are what is held, with versions, attributes and the collection of deleted secrets; `listing`
//!   makes pages of it.
//! - `login` is what gives tokens, and judges them.
//! - Errors have Key Vault's shape, with its inner codes; those of logins have Entra's.
//! - A real vault has a host of its own. Here, the first segment of the path stands for it, and the server itself is a
//!   vault, too: clients that read IDs expect no such segment.
//!
//! Left out: roles (permissions can be [forbidden](AzureServer::forbid), and a vault made to
//! [fail](AzureServer::set_condition)), backup and restore, keys and certificates.

mod http;
mod listing;
mod login;
mod reply;
mod secret;
mod vault;

use std::{
    collections::HashSet,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustls::{
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::json;

use self::{
    http::Asked,
    login::Logins,
    reply::{Outcome, Reply},
    vault::Vaults,
};
pub use self::{login::Application, vault::Condition};
use super::serving::{Port, Serving};

/// The server: it listens on loopback, and ends when dropped.
pub struct AzureServer {
    address: SocketAddr,
    certificate: String,
    tenant: String,
    state: Arc<Mutex<State>>,
    _serving: Serving,
}

/// What the server holds.
#[derive(Default)]
struct State {
    vaults: Vaults,
    logins: Logins,
    tenant: String,
}

impl State {
    /// Answers what is asked of a vault.
    fn vault(&mut self, asked: &Asked) -> Outcome {
        let (id, path) = vault::split(&asked.path);
        let no_host = || Reply { body: None, ..Reply::new(404, json!(null)) };
        let vault = self.vaults.find(&id).ok_or_else(no_host)?;
        vault.requests.push(format!("{} {}", asked.method, asked.target));
        let authority = match &vault.condition {
            Condition::Challenging(authority) => authority.clone(),
            _ => format!("{}/{}", self.logins.address, self.tenant),
        };
        if let Condition::Interposed(status) = vault.condition {
            return Err(Reply::new(status, json!("<html>a proxy</html>"))
                .with_header("www-authenticate", "Basic".into()));
        }
        self.logins.judge(asked, &authority, vault.condition == Condition::Refusing)?;
        vault.answer(asked, &id, &path)
    }
}

impl AzureServer {
    /// Starts a server with one directory, and without applications.
    pub fn start() -> Self {
        let port = Port::bind();
        let address = port.address;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]);
        let made = made.expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key)
            })
            .expect("a certificate of ours");
        let tenant = unique_id();
        let mut state = State { tenant: tenant.clone(), ..State::default() };
        state.logins.address = format!("https://{address}");
        let state = Arc::new(Mutex::new(state));
        let served = Arc::clone(&state);
        let serving = port.serve(Some(tls), move |request| http::answer(Arc::clone(&served), request));
        AzureServer { address, certificate: made.cert.pem(), tenant, state, _serving: serving }
    }

    /// `https://127.0.0.1:PORT`: a vault, the authority that gives tokens, and the managed identities of a machine.
    pub fn address(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The server's own certificate, in PEM, for whom is to trust it.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Makes a vault without secrets, and returns its ID: it is at `https://127.0.0.1:PORT/ID`.
    pub fn vault(&self) -> String {
        self.state().vaults.make()
    }

    /// Registers an application in the directory.
    pub fn register(&self) -> Application {
        self.state().logins.register(&self.tenant)
    }

    /// Makes a machine of this server that has these identities, by client ID; the empty one is the machine's own.
    pub fn run_on_machine(&self, identities: &[&str]) {
        let identities: HashSet<String> = identities.iter().map(|&id| id.to_owned()).collect();
        self.state().logins.machine = Some(identities);
    }

    /// Makes App Service of the machine, at `/msi/token`, for those who send this header.
    pub fn run_in_app_service(&self, identity_header: &str) {
        self.state().logins.identity_header = Some(identity_header.to_owned());
    }

    /// Ends the tokens that `application` holds. The next login gives others.
    pub fn expire_tokens(&self, application: &Application) {
        self.state().logins.expire(application);
    }

    /// Ends the tokens of managed identities.
    pub fn expire_machine_tokens(&self) {
        self.state().logins.expire_machine();
    }

    /// Refuses `application`'s credentials from now on.
    pub fn refuse_login(&self, application: &Application) {
        self.state().logins.refuse(application);
    }

    /// How often `application` was given a token.
    pub fn logins_of(&self, application: &Application) -> usize {
        self.state().logins.count(application)
    }

    /// How often a managed identity was given a token.
    pub fn machine_logins(&self) -> usize {
        self.state().logins.given_to_machine
    }

    /// A token of a managed identity, as if it had been given one.
    pub fn machine_token(&self) -> String {
        self.state().logins.machine_token()
    }

    /// How many calls came with a token that was not accepted.
    pub fn refused_tokens(&self) -> usize {
        self.state().logins.refused_tokens
    }

    /// What was asked of `vault`, in order: `GET /ID/secrets/…`, with the query.
    pub fn requests_of(&self, vault: &str) -> Vec<String> {
        self.state().vaults.of(vault).requests.clone()
    }

    /// The IDs of a secret's versions, from the oldest to the newest.
    pub fn versions_of(&self, vault: &str, secret: &str) -> Vec<String> {
        let mut state = self.state();
        let versions = &state.vaults.of(vault).held(secret).versions;
        versions.iter().map(|version| version.id.clone()).collect()
    }

    /// Sets how `vault` answers from now on.
    pub fn set_condition(&self, vault: &str, condition: Condition) {
        self.state().vaults.of(vault).condition = condition;
    }

    /// Takes a permission from everybody: `get`, `get deleted`, `set`, `list`, `delete`, `recover` or `purge`.
    pub fn forbid(&self, vault: &str, permission: &'static str) {
        self.state().vaults.of(vault).forbidden.insert(permission);
    }

    /// Makes deletions and recoveries take effect only after the secret was asked for so many times.
    pub fn set_slowness(&self, vault: &str, looks: usize) {
        self.state().vaults.of(vault).slowness = looks;
    }

    /// Adds a version that is `body`, as a PUT has it, and returns its ID. Makes the secret if there is none.
    pub fn add_version(&self, vault: &str, secret: &str, body: &serde_json::Value) -> String {
        self.state().vaults.of(vault).add_version(secret, body)
    }

    /// What a read of the secret's newest version would be answered.
    pub fn bundle(&self, vault: &str, secret: &str) -> serde_json::Value {
        let mut state = self.state();
        let version = state.vaults.of(vault).held(secret).version("").expect("a version of it");
        version.bundle("https://vault", secret)
    }

    /// Switches a version on or off.
    pub fn set_enabled(&self, vault: &str, secret: &str, version: &str, enabled: bool) {
        let mut state = self.state();
        state.vaults.of(vault).held(secret).version(version).expect("a version of it").enabled = enabled;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AzureServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// An ID in the form of a UUID, of random digits.
fn unique_id() -> String {
    let digits = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}
