//! Google Cloud Secret Manager, version 1, as its discovery document describes it (revision 20261021), in memory:
//! <https://secretmanager.googleapis.com/$discovery/rest?version=v1>.
//!
//! - `project` and `secret` are what is held, with states, etags and checksums; `listing` makes pages of it.
//! - `login` is what gives tokens, and judges them: refresh tokens, keys of service accounts, the metadata server.
//! - Errors have the shape of `google.rpc.Status`, with the reasons of `google.rpc.ErrorInfo`.
//! - Pages are short, so that few secrets make several: Google, too, may give fewer than were asked for.
//!
//! Left out: IAM policies (a project can be made to [fail](GoogleServer::set_condition)), rotation, topics, expiry, and
//! encryption by keys of one's own.

mod http;
mod listing;
mod login;
mod path;
mod project;
mod reply;
mod secret;

use std::{
    fmt,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::{login::Logins, project::Projects};
pub use self::{login::UserLogin, project::Condition, secret::VersionState};
use super::serving::{Port, Serving};

/// The server: it listens on loopback, and ends when dropped.
pub struct GoogleServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _serving: Serving,
}

/// What the server holds.
#[derive(Default)]
struct State {
    projects: Projects,
    logins: Logins,
}

impl GoogleServer {
    /// Starts a server without projects.
    pub fn start() -> Self {
        let port = Port::bind();
        let address = port.address;
        let state = Arc::new(Mutex::new(State::default()));
        state.lock().expect("it is new").logins.token_uri = format!("http://{address}/token");
        let served = Arc::clone(&state);
        let serving = port.serve(None, move |request| http::answer(Arc::clone(&served), request));
        GoogleServer { address, state, _serving: serving }
    }

    /// `http://127.0.0.1:PORT`, for `endpoint`.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`, for `GCE_METADATA_HOST`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Makes a project without secrets, and returns its ID.
    pub fn project(&self) -> String {
        self.state().projects.make()
    }

    /// A person's login, as `gcloud auth application-default login` keeps it.
    pub fn user(&self) -> UserLogin {
        self.state().logins.user()
    }

    /// The file of a new key of the service account of `project`. `key` is an RSA key, in PEM (PKCS #8).
    pub fn service_account(&self, project: &str, key: &str) -> String {
        self.state().logins.service_account(project, key)
    }

    /// The file of a federated identity, and the token that its own provider is to put into `subject_file`.
    pub fn federated(&self, subject_file: &Path) -> (String, String) {
        self.state().logins.federated(subject_file)
    }

    /// The file of a service account that `user` may act as.
    pub fn impersonating(&self, user: &UserLogin, account: &str) -> String {
        self.state().logins.impersonating(user, account)
    }

    /// Whether tokens of such service accounts can be had, from now on.
    pub fn set_impersonation_down(&self, is_down: bool) {
        self.state().logins.is_impersonation_down = is_down;
    }

    /// How often a token of `account` was asked for by somebody who may have it.
    pub fn impersonations_of(&self, account: &str) -> usize {
        self.state().logins.impersonated.get(account).copied().unwrap_or_default()
    }

    /// Refuses from now on whatever the keys of `project`'s service account have signed.
    pub fn revoke_keys(&self, project: &str) {
        self.state().logins.revoke_keys(project);
    }

    /// Makes `project` the one of the machine that the metadata server tells of.
    pub fn run_on_machine_of(&self, project: &str) {
        self.state().logins.machine = Some(project.to_owned());
    }

    /// Ends the tokens that `user` holds. The next login gives others.
    pub fn expire_tokens(&self, user: &UserLogin) {
        self.state().logins.expire(user);
    }

    /// Refuses `user`'s refresh token from now on.
    pub fn refuse_login(&self, user: &UserLogin) {
        self.state().logins.refuse(user);
    }

    /// How often `user` was given a token.
    pub fn logins_of(&self, user: &UserLogin) -> usize {
        self.state().logins.count(user)
    }

    /// How many calls came with a token that was not accepted.
    pub fn refused_tokens(&self) -> usize {
        self.state().logins.refused_tokens
    }

    /// What was asked of `project`, in order: `GET /v1/projects/…`, with the query.
    pub fn requests_of(&self, project: &str) -> Vec<String> {
        self.state().projects.of(project).requests.clone()
    }

    /// Sets how `project` answers from now on.
    pub fn set_condition(&self, project: &str, condition: Condition) {
        self.state().projects.of(project).condition = condition;
    }

    /// Adds a version with these bytes, which need not be text, and returns its number. Makes the secret if there is
    /// none.
    pub fn add_version(&self, project: &str, secret: &str, bytes: &[u8]) -> u64 {
        self.state().projects.of(project).add_version(secret, bytes)
    }

    /// Enables, disables or destroys a version.
    pub fn set_version_state(&self, project: &str, secret: &str, version: u64, state: VersionState) {
        self.state().projects.of(project).set_version_state(secret, version, state);
    }

    /// Makes `alias` stand for a version.
    pub fn set_alias(&self, project: &str, secret: &str, alias: &str, version: u64) {
        self.state().projects.of(project).set_alias(secret, alias, version);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for GoogleServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleServer").field("address", &self.address).finish_non_exhaustive()
    }
}
