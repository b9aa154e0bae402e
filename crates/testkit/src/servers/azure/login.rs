//! Tokens: who is given one, and whose is accepted.

use std::collections::{HashMap, HashSet};

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::serving::parameters,
    http::Asked,
    reply::{Outcome, Reply},
};
use crate::canary::Canary;

/// What tokens of Key Vault are for.
pub(super) const RESOURCE: &str = "https://vault.azure.net";

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An application that is registered with the directory, and its credentials.
#[derive(Clone, Debug)]
pub struct Application {
    /// The directory.
    pub tenant_id: String,
    /// The application in it.
    pub client_id: String,
    /// The client secret.
    pub client_secret: String,
    /// The token of another provider, such as a cluster, that the application may log in with.
    pub subject_token: String,
    /// What of it, and of the tokens that it is given, may show nowhere.
    pub canaries: Vec<Canary>,
}

#[derive(Default)]
pub(super) struct Logins {
    /// The address of this server.
    pub(super) address: String,
    /// How many calls came with a token that was not accepted.
    pub(super) refused_tokens: usize,
    /// Whether there is a machine, and the identities it has: the empty one is the machine's own.
    pub(super) machine: Option<HashSet<String>>,
    /// What clients of App Service have to send.
    pub(super) identity_header: Option<String>,
    /// By client ID.
    applications: HashMap<String, Known>,
    /// Tokens of managed identities.
    of_machine: HashSet<String>,
    /// How often a managed identity was given one.
    pub(super) given_to_machine: usize,
}

struct Known {
    application: Application,
    token: String,
    is_refused: bool,
    count: usize,
}

impl Logins {
    pub(super) fn register(&mut self, tenant_id: &str) -> Application {
        let what = ["the client secret", "the subject token", "the access token"];
        let canaries = what.map(Canary::new);
        let [client_secret, subject_token, token] =
            canaries.each_ref().map(|canary| canary.text().to_owned());
        let client_id = super::unique_id();
        let application = Application {
            tenant_id: tenant_id.to_owned(),
            client_id: client_id.clone(),
            client_secret,
            subject_token,
            canaries: canaries.into(),
        };
        let known = Known { application: application.clone(), token, is_refused: false, count: 0 };
        self.applications.insert(client_id, known);
        application
    }

    pub(super) fn expire(&mut self, application: &Application) {
        Canary::new("a later access token").text().clone_into(&mut self.of(application).token);
    }

    pub(super) fn expire_machine(&mut self) {
        self.of_machine.clear();
    }

    pub(super) fn refuse(&mut self, application: &Application) {
        self.of(application).is_refused = true;
    }

    pub(super) fn count(&mut self, application: &Application) -> usize {
        self.of(application).count
    }

    pub(super) fn machine_token(&mut self) -> String {
        let token = Canary::new("a token of a managed identity").text().to_owned();
        self.of_machine.insert(token.clone());
        token
    }

    fn of(&mut self, application: &Application) -> &mut Known {
        self.applications.get_mut(&application.client_id).expect("an application of this server")
    }

    /// Whether a token was sent that this server gave; the challenge if not. `authority` is where it says that
    /// tokens are to be had.
    pub(super) fn judge(&mut self, asked: &Asked, authority: &str, refuses_all: bool) -> Result<(), Reply> {
        let challenge = format!("Bearer authorization=\"{authority}\", resource=\"{RESOURCE}\"");
        let refuse = |challenge: String, message: &str| {
            Reply::error(401, "Unauthorized", None, message).with_header("www-authenticate", challenge)
        };
        let Some(header) = &asked.authorization else {
            let message = "AKV10000: Request is missing a Bearer or PoP token.";
            return Err(refuse(challenge, message));
        };
        let token = header.strip_prefix("Bearer ").unwrap_or_default();
        let is_given = self.applications.values().any(|known| known.token == token);
        if !refuses_all && (is_given || self.of_machine.contains(token)) {
            return Ok(());
        }
        self.refused_tokens += 1;
        let challenge = format!("{challenge}, error=\"invalid_token\", error_description=\"IDX10223\"");
        Err(refuse(challenge, "[BearerReadAccessTokenFailed] Error validating token: IDX10223"))
    }

    /// Entra: <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.
    pub(super) fn entra(&mut self, asked: &Asked) -> Outcome {
        let tenant = asked.path.split('/').nth(1).unwrap_or_default().to_owned();
        if !self.applications.values().any(|known| known.application.tenant_id == tenant) {
            let what = format!("Tenant '{tenant}' not found.");
            return Err(Reply::aadsts(400, "invalid_request", 90002, &what));
        }
        if asked.method == Method::GET {
            let at = format!("{}/{tenant}", self.address);
            return Ok(json!({
                "issuer": format!("{at}/v2.0"),
                "authorization_endpoint": format!("{at}/oauth2/v2.0/authorize"),
                "token_endpoint": format!("{at}/oauth2/v2.0/token"),
            }));
        }
        let form = parameters(&String::from_utf8_lossy(&asked.body));
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("grant_type") != "client_credentials" {
            return Err(Reply::aadsts(400, "unsupported_grant_type", 70003, "The grant is not supported."));
        }
        if field("scope") != format!("{RESOURCE}/.default") {
            let what = "The resource principal was not found in the tenant.";
            return Err(Reply::aadsts(400, "invalid_resource", 500_011, what));
        }
        let known = self.applications.get_mut(field("client_id"));
        let known = known.filter(|known| known.application.tenant_id == tenant).ok_or_else(|| {
            let what = "Application was not found in the directory.";
            Reply::aadsts(400, "unauthorized_client", 700_016, what)
        })?;
        let application = &known.application;
        if field("client_assertion_type") == ASSERTION {
            if known.is_refused || field("client_assertion") != application.subject_token {
                let what = "No matching federated identity record found for presented assertion.";
                return Err(Reply::aadsts(401, "invalid_client", 700_213, what));
            }
        } else if known.is_refused || field("client_secret") != application.client_secret {
            let what = "Invalid client secret provided.";
            return Err(Reply::aadsts(401, "invalid_client", 7_000_215, what));
        }
        known.count += 1;
        Ok(json!({
            "token_type": "Bearer",
            "expires_in": 3599,
            "ext_expires_in": 3599,
            "access_token": known.token,
        }))
    }

    /// The managed identities of a virtual machine
    /// (<https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>),
    /// and of App Service (<https://learn.microsoft.com/en-us/azure/app-service/overview-managed-identity>).
    pub(super) fn managed_identity(&mut self, asked: &Asked) -> Outcome {
        let is_app_service = asked.path == "/msi/token";
        let refuse = |status, error: &str, description: &str| {
            Reply::new(status, json!({ "error": error, "error_description": description }))
        };
        if is_app_service {
            if asked.identity_header.is_none() || asked.identity_header != self.identity_header {
                return Err(Reply::new(401, json!({ "statusCode": 401, "message": "Unauthorized" })));
            }
        } else if !asked.is_for_metadata {
            return Err(refuse(400, "invalid_request", "Required metadata header not specified"));
        }
        let version = if is_app_service { "2019-08-01" } else { "2018-02-01" };
        let resource = asked.parameter("resource").unwrap_or_default();
        if asked.parameter("api-version") != Some(version) || resource != RESOURCE {
            return Err(refuse(400, "invalid_resource", "AADSTS500011: The resource was not found"));
        }
        let identity = asked.parameter("client_id").unwrap_or_default();
        match &self.machine {
            None => return Err(Reply::new(404, json!({ "error": "not_found" }))),
            Some(identities) if !identities.contains(identity) => {
                return Err(refuse(400, "invalid_request", "Identity not found"));
            }
            Some(_) => {}
        }
        self.given_to_machine += 1;
        let token = self.machine_token();
        let now = Timestamp::now().as_second();
        let times = json!({ "expires_in": "86399", "expires_on": (now + 86_399).to_string() });
        let mut answer = json!({
            "access_token": token,
            "client_id": identity,
            "not_before": now.to_string(),
            "resource": RESOURCE,
            "token_type": "Bearer",
        });
        for (key, time) in times.as_object().into_iter().flatten() {
            // App Service tells the time alone at which a token ends.
            if key == "expires_on" || !is_app_service {
                answer[key] = Value::clone(time);
            }
        }
        Ok(answer)
    }
}
