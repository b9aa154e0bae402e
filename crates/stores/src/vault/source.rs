//! Where a token comes from: it is given, it is in a file, or a login gives it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use modelmesh_secrets::{
    Error, ErrorKind, ExposeSecret as _, Result, SecretString,
    setting::{Setting, SettingKind, Settings},
};
use reqwest::{StatusCode, header::HeaderValue};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    failure,
    place::Mount,
    servers::{Request, Servers},
    variable::{self, Variables},
};
use crate::{
    blocking,
    json::{self, SecretText},
    network::{header, malformed},
};

/// Where Kubernetes puts the token of a pod's service account.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The settings under `auth`.
pub(super) const AUTH_SETTINGS: &[Setting] = &[
    Setting::new(
        "method",
        SettingKind::Choice(&["approle", "kubernetes", "userpass", "jwt"]),
        "the auth method to log in with",
    ),
    Setting::new("mount", SettingKind::Text, "where the auth method is mounted")
        .with_default("(the method's name)"),
    Setting::new("role", SettingKind::Text, "the role, for 'kubernetes' and 'jwt'"),
    Setting::new("role_id", SettingKind::Secret, "the ID of the role, for 'approle'"),
    Setting::new("secret_id", SettingKind::Secret, "the secret ID, for 'approle'"),
    Setting::new("secret_id_file", SettingKind::Path, "a file with the secret ID, read at each login"),
    Setting::new("username", SettingKind::Text, "the name of the user, for 'userpass'"),
    Setting::new("password", SettingKind::Secret, "the password, for 'userpass'"),
    Setting::new("jwt", SettingKind::Secret, "the token of another issuer, for 'jwt' and 'kubernetes'"),
    Setting::new(
        "jwt_file",
        SettingKind::Path,
        "a file with that token, read at each login; for 'kubernetes' the pod's own if none is named",
    ),
];

/// Where a token comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// It is given.
    Token(SecretString),
    /// It is in a file that somebody else keeps fresh: an agent, or a person who logs in.
    File(PathBuf),
    /// As [`File`](Source::File), where nothing was configured, and the vendor's tools would look there.
    HomeFile(PathBuf),
    /// A login gives it.
    Method(Box<Method>),
}

/// A way to log in.
#[derive(Debug)]
pub(super) struct Method {
    name: &'static str,
    mount: Mount,
    username: Option<String>,
    /// What is sent, by the names that the method gives it.
    credentials: Vec<(&'static str, Credential)>,
}

#[derive(Debug)]
enum Credential {
    Given(SecretString),
    /// Read at each login: somebody may have replaced it.
    File(PathBuf),
}

/// A token, and how long it lives.
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// None if nobody said.
    pub(super) lease: Option<Lease>,
}

/// What Vault says of a token's life.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Lease {
    /// In seconds; 0 is for ever.
    lease_duration: u64,
    #[serde(rename = "renewable")]
    pub(super) is_renewable: bool,
}

impl Lease {
    pub(super) fn duration(self) -> Duration {
        Duration::from_secs(self.lease_duration)
    }
}

impl Source {
    /// What the settings say, else what the environment has. `InvalidConfig` if there is none, or more than one.
    pub(super) fn of(settings: &Settings, variables: &Variables) -> Result<Self> {
        let token = settings.secret("token").cloned().map(Source::Token);
        let file = settings.path("token_file").map(|path| Source::File(path.to_owned()));
        let method = settings.group("auth").map(Method::of).transpose()?;
        let mut named =
            [token, file, method.map(|method| Source::Method(Box::new(method)))].into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(source), None) => Ok(source),
            (Some(_), Some(_)) => Err(Error::new(
                ErrorKind::InvalidConfig,
                "of 'token', 'token_file' and 'auth', more than one is set",
            )
            .with_help("keep the one that is meant")),
            (None, _) => {
                let given = variables.text(&variable::TOKEN).map(|token| Source::Token(token.into()));
                given.or_else(|| variables.token_file().map(Source::HomeFile)).ok_or_else(no_token)
            }
        }
    }

    /// Whether asking again may give another token.
    pub(super) fn can_change(&self) -> bool {
        !matches!(self, Source::Token(_))
    }

    /// Whether each asking gives a token of its own.
    pub(super) fn is_login(&self) -> bool {
        matches!(self, Source::Method(_))
    }

    /// A token. `StoreAuth` if a login is refused, `Io` if a file cannot be read.
    pub(super) async fn token(&self, servers: &Servers) -> Result<Token> {
        let given =
            |token: &SecretString| Ok(Token { header: header(token.expose_secret().trim())?, lease: None });
        match self {
            Source::Token(token) => given(token),
            Source::File(path) => {
                given(&read("token_file", path).await?.map_err(|error| unreadable(path, &error))?)
            }
            Source::HomeFile(path) => {
                given(&read("the token's file", path).await?.map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => no_token(),
                    _ => unreadable(path, &error),
                })?)
            }
            Source::Method(method) => method.log_in(servers).await,
        }
    }
}

impl Method {
    fn of(settings: &Settings) -> Result<Self> {
        let name = match settings.text("method") {
            Some("approle") => "approle",
            Some("kubernetes") => "kubernetes",
            Some("userpass") => "userpass",
            Some("jwt") => "jwt",
            _ => {
                return Err(invalid("'auth' has no 'method'")
                    .with_help("it is 'approle', 'kubernetes', 'userpass' or 'jwt'"));
            }
        };
        let needed: &[&str] = match name {
            "approle" => &["role_id", "secret_id", "secret_id_file"],
            "userpass" => &["username", "password"],
            _ => &["role", "jwt", "jwt_file"],
        };
        for setting in AUTH_SETTINGS.iter().skip(2) {
            let is_set = settings.text(setting.key).is_some()
                || settings.secret(setting.key).is_some()
                || settings.path(setting.key).is_some();
            if is_set && !needed.contains(&setting.key) {
                return Err(invalid(format!("'{}' is of no use with 'method: {name}'", setting.key)));
            }
        }
        let mount = Mount::parse("auth.mount", settings.text("mount").unwrap_or(name))?;
        let text = |key: &'static str| {
            let text = settings.text(key).filter(|text| !text.is_empty());
            text.map(|text| Credential::Given(text.into()))
        };
        let secret = |key: &'static str| settings.secret(key).cloned().map(Credential::Given);
        let file = |key: &'static str| settings.path(key).map(|path| Credential::File(path.to_owned()));
        let either = |key: &'static str, file_key: &'static str| match (secret(key), file(file_key)) {
            (Some(_), Some(_)) => Err(invalid(format!("both '{key}' and '{file_key}' are set"))),
            (given, file) => Ok(given.or(file)),
        };
        let missing = |key: &str| invalid(format!("'method: {name}' needs '{key}'"));
        let mut username = None;
        let credentials = match name {
            "approle" => {
                let role = secret("role_id").ok_or_else(|| missing("role_id"))?;
                // A role may be set up to need no secret ID.
                let secret_id = either("secret_id", "secret_id_file")?.map(|secret| ("secret_id", secret));
                std::iter::once(("role_id", role)).chain(secret_id).collect()
            }
            "userpass" => {
                let name = settings.text("username").filter(|name| !name.is_empty());
                username = Some(name.ok_or_else(|| missing("username"))?.to_owned());
                vec![("password", secret("password").ok_or_else(|| missing("password"))?)]
            }
            "kubernetes" => {
                let role = text("role").ok_or_else(|| missing("role"))?;
                let jwt = either("jwt", "jwt_file")?.unwrap_or_else(|| Credential::File(POD_TOKEN.into()));
                vec![("role", role), ("jwt", jwt)]
            }
            _ => {
                // The mount may have a role of its own for who names none.
                let jwt = either("jwt", "jwt_file")?.ok_or_else(|| missing("jwt"))?;
                text("role").map(|role| ("role", role)).into_iter().chain([("jwt", jwt)]).collect()
            }
        };
        Ok(Method { name, mount, username, credentials })
    }

    async fn log_in(&self, servers: &Servers) -> Result<Token> {
        #[derive(Deserialize)]
        struct Reply {
            auth: Option<Auth>,
        }
        #[derive(Deserialize)]
        struct Auth {
            client_token: SecretText,
            #[serde(flatten)]
            lease: Lease,
        }
        let mut sent = BTreeMap::new();
        for (key, credential) in &self.credentials {
            let text = match credential {
                Credential::Given(text) => text.clone(),
                Credential::File(path) => read(key, path).await?.map_err(|error| unreadable(path, &error))?,
            };
            sent.insert(*key, SecretText(text));
        }
        let body = Bytes::from_owner(json::write(&sent));
        let path = std::iter::once("auth")
            .chain(self.mount.segments())
            .chain(["login"])
            .chain(self.username.as_deref());
        let answer = servers.send(&Request::post(path, body), None).await?;
        if !answer.status.is_success() {
            let is_refused = matches!(
                answer.status,
                StatusCode::BAD_REQUEST
                    | StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::NOT_FOUND
            );
            return Err(if is_refused && failure::is_its_own(&answer) {
                failure::login_refused(answer.status, self.what_may_be_wrong())
            } else {
                failure::of(&answer)
            });
        }
        let Some(auth) = answer.json::<Reply>()?.auth else {
            return Err(malformed("to the login has no token"));
        };
        if auth.client_token.0.expose_secret().is_empty() {
            return Err(Error::new(ErrorKind::StoreAuth, "the login demands a second factor")
                .with_help("log in with a method, or as a user, for whom no MFA is enforced"));
        }
        Ok(Token { header: header(auth.client_token.0.expose_secret())?, lease: Some(auth.lease) })
    }

    fn what_may_be_wrong(&self) -> &'static str {
        match self.name {
            "approle" => {
                "the secret ID may be revoked, expired or used up: make another one, and put it into 'secret_id' or its \
                 file; else check 'role_id', where the role may be used from, and 'auth.mount'"
            }
            "userpass" => {
                "check 'username', 'password' and 'auth.mount'; after several failures a user is locked out for a while"
            }
            "kubernetes" => {
                "check that 'role' allows this service account and namespace, the token's audience, and 'auth.mount'"
            }
            _ => {
                "check that 'role' allows the issuer, audience and claims of the token, its expiry, and 'auth.mount'"
            }
        }
    }
}

/// A file with a credential, without the newline at its end.
async fn read(key: &str, path: &Path) -> Result<Result<SecretString, io::Error>> {
    let file = path.to_owned();
    let bytes = match blocking::run(move || Ok(fs::read(file))).await? {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) => return Ok(Err(error)),
    };
    let text = str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
    if text.is_empty() {
        let what = format!("{}: the file of '{key}' holds no text", path.display());
        return Err(
            Error::new(ErrorKind::StoreAuth, what).with_help("whoever writes it may be about to: try again")
        );
    }
    Ok(Ok(text.into()))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{}: cannot be read ({})", path.display(), error.kind()))
        .with_help("check the path, the owner and the mode")
}

fn invalid(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, what)
}

fn no_token() -> Error {
    invalid("there is no token").with_help(
        "set 'token', 'token_file' or 'auth', or the variable VAULT_TOKEN or BAO_TOKEN; or log in with 'vault login' \
         or 'bao login'",
    )
}
