//! A Kubernetes API server: the real `kube-apiserver` over a real etcd, without nodes and controllers.
//!
//! - Requests are authorized by RBAC: whoever is not the administrator may do what was
//!   [granted](KubernetesServer::grant), and nothing else.
//! - Who asks is known by a token of the list that the server starts with, by the token of a service account, or by
//!   a certificate.
//! - The server's own audit log tells what was asked.

mod api;
mod audit;
mod certificates;
mod start;

use std::{fmt, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use self::{api::Administrator, certificates::Authority};
use super::ServerProcess;

/// Somebody with a token, whom the server knows from its start.
#[derive(Clone, Copy, Debug)]
pub struct User<'u> {
    /// The name that roles are bound to.
    pub name: &'u str,
    /// The bearer token.
    pub token: &'u str,
}

/// Whom rights are given to.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'s> {
    /// A user of this name, however they are known.
    User(&'s str),
    /// A service account of the namespace.
    ServiceAccount(&'s str),
}

impl Subject<'_> {
    fn name(&self) -> &str {
        match self {
            Subject::User(name) | Subject::ServiceAccount(name) => name,
        }
    }

    /// The name of the user that a request is of.
    fn full_name(&self, namespace: &str) -> String {
        match self {
            Subject::User(name) => (*name).to_owned(),
            Subject::ServiceAccount(name) => format!("system:serviceaccount:{namespace}:{name}"),
        }
    }
}

/// A certificate and its key, in PEM.
#[allow(missing_debug_implementations, reason = "it holds a key")]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// The server: it listens on loopback, and ends when dropped.
pub struct KubernetesServer {
    address: String,
    authority: Authority,
    administrator: Administrator,
    audit_log: PathBuf,
    // In the order in which they end.
    _api_server: ServerProcess,
    _etcd: ServerProcess,
    _folder: TempDir,
}

impl fmt::Debug for KubernetesServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl KubernetesServer {
    /// `https://127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The certificate, in PEM, that a client must trust.
    pub fn authority(&self) -> &str {
        self.authority.certificate()
    }

    /// Makes a namespace that nobody else uses, and returns its name.
    pub async fn namespace(&self) -> String {
        let body = json!({ "metadata": { "generateName": "test-" } });
        let made = self.administrator.create("/api/v1/namespaces", &body).await;
        made["metadata"]["name"].as_str().expect("a namespace has a name").to_owned()
    }

    /// Lets somebody do `verbs` with the Secrets of a namespace. Returns when the server lets them.
    pub async fn grant(&self, namespace: &str, who: Subject<'_>, verbs: &[&str]) {
        let of_namespace = format!("{RBAC}/namespaces/{namespace}");
        let role = json!({ "metadata": { "name": who.name() }, "rules": [secrets_rule(verbs)] });
        self.administrator.create(&format!("{of_namespace}/roles"), &role).await;
        let binding = binding("Role", who, namespace);
        self.administrator.create(&format!("{of_namespace}/rolebindings"), &binding).await;
        self.administrator.wait_until_allowed(&who.full_name(namespace), namespace, verbs).await;
    }

    /// As [`grant`](KubernetesServer::grant), in all namespaces, those that are not there included.
    pub async fn grant_everywhere(&self, who: Subject<'_>, verbs: &[&str]) {
        let role = json!({ "metadata": { "name": who.name() }, "rules": [secrets_rule(verbs)] });
        self.administrator.create(&format!("{RBAC}/clusterroles"), &role).await;
        let binding = binding("ClusterRole", who, "default");
        self.administrator.create(&format!("{RBAC}/clusterrolebindings"), &binding).await;
        self.administrator.wait_until_allowed(&who.full_name("default"), "any", verbs).await;
    }

    /// Makes a service account.
    pub async fn create_service_account(&self, namespace: &str, name: &str) {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        self.administrator.create(&path, &json!({ "metadata": { "name": name } })).await;
    }

    /// Removes a service account, and returns when its `token` is not accepted any more: the server remembers for
    /// seconds whom it knows.
    pub async fn delete_service_account(&self, namespace: &str, name: &str, token: &str) {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
        self.administrator.delete(&path).await;
        self.administrator.wait_for_status(token, &secrets_path(namespace), 401).await;
    }

    /// A token of a service account, as a pod gets one.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let made = self.administrator.create(&path, &json!({ "spec": { "expirationSeconds": 600 } })).await;
        made["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// A certificate by which the server knows the user `name`.
    pub fn client_certificate(&self, name: &str) -> ClientCertificate {
        self.authority.issue_to_client(name)
    }

    /// Makes a Secret. `object` has whatever is not to be as usual: `data`, `metadata`, `type`, `immutable`.
    pub async fn create_secret(&self, namespace: &str, name: &str, mut object: Value) {
        object["metadata"]["name"] = name.into();
        self.administrator.create(&secrets_path(namespace), &object).await;
    }

    /// A Secret, as it is; none if there is none.
    pub async fn secret(&self, namespace: &str, name: &str) -> Option<Value> {
        self.administrator.read(&format!("{}/{name}", secrets_path(namespace))).await
    }

    /// Changes a Secret by a merge patch.
    pub async fn patch_secret(&self, namespace: &str, name: &str, patch: &Value) {
        self.administrator.patch(&format!("{}/{name}", secrets_path(namespace)), patch).await;
    }

    /// Deletes a Secret.
    pub async fn delete_secret(&self, namespace: &str, name: &str) {
        self.administrator.delete(&format!("{}/{name}", secrets_path(namespace))).await;
    }

    /// Has priority and fairness refuse from now on what is asked of `namespace`, as in a cluster at its limit. It
    /// lasts as long as the runtime that this is called in. `token` is of somebody who may create Secrets there.
    ///
    /// However low the limit, one request at a time is let in: so one is sent that never ends.
    pub async fn throttle(&self, namespace: &str, token: &str) {
        let nothing = json!({
            "nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": { "type": "Reject" },
        });
        let level =
            json!({ "metadata": { "name": namespace }, "spec": { "type": "Limited", "limited": nothing } });
        self.administrator.create(&format!("{FLOW_CONTROL}/prioritylevelconfigurations"), &level).await;
        let everybody = json!({ "kind": "Group", "group": { "name": "system:authenticated" } });
        let everything = json!({
            "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": [namespace],
        });
        let schema = json!({
            "metadata": { "name": namespace },
            "spec": {
                "priorityLevelConfiguration": { "name": namespace },
                "matchingPrecedence": 10,
                "rules": [{ "subjects": [everybody], "resourceRules": [everything] }],
            },
        });
        let schema = self.administrator.create(&format!("{FLOW_CONTROL}/flowschemas"), &schema).await;
        let path = secrets_path(namespace);
        self.administrator.wait_for_flow_schema(token, &path, &schema).await;
        self.administrator.occupy(token, &path);
        self.administrator.wait_for_status(token, &path, 429).await;
    }

    /// What was asked about the Secrets of a namespace, in order, by others than the administrator: `get app`,
    /// `list`.
    pub fn requests_of(&self, namespace: &str) -> Vec<String> {
        audit::requests_of(&self.audit_log, namespace)
    }
}

/// The API of priority and fairness.
const FLOW_CONTROL: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";

/// The API of roles.
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

fn secrets_rule(verbs: &[&str]) -> Value {
    json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": verbs })
}

/// What gives the role that is called like `who` to `who`.
fn binding(kind: &str, who: Subject<'_>, namespace: &str) -> Value {
    let group = "rbac.authorization.k8s.io";
    let subject = match who {
        Subject::User(name) => json!({ "kind": "User", "name": name, "apiGroup": group }),
        Subject::ServiceAccount(name) => {
            json!({ "kind": "ServiceAccount", "name": name, "namespace": namespace })
        }
    };
    let role = json!({ "kind": kind, "name": who.name(), "apiGroup": group });
    json!({ "metadata": { "name": who.name() }, "roleRef": role, "subjects": [subject] })
}

fn secrets_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}
