//! What is peculiar to Kubernetes, on a real API server.

/// The tests of these names, each with a namespace of its own on one server.
macro_rules! trials {
    ($cluster:ident: $($test:ident),* $(,)?) => {
        vec![$({
            let cluster = Arc::clone($cluster);
            let test = move || async move { $test(Fixture::new(cluster).await).await };
            crate::trial(concat!("kubernetes::", stringify!($test)), test)
        }),*]
    };
}

mod login;
mod reading;
mod writing;

use std::{path::PathBuf, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use libtest_mimic::Trial;
use modelmesh_secrets::{Result, SecretName};
use modelmesh_testkit::servers::kubernetes::{KubernetesServer, Subject};
use serde_json::{Value, json};

use crate::{
    asking::{Store, key, kind_of_get, name, open},
    backends::kubernetes::{Cluster, entry},
};

pub(crate) fn trials() -> Vec<Trial> {
    let cluster = Cluster::shared();
    let groups = [reading::trials(&cluster), writing::trials(&cluster), login::trials(&cluster)];
    groups.into_iter().flatten().collect()
}

/// A namespace of the server in which the writer may do what a store needs.
struct Fixture {
    cluster: Arc<Cluster>,
    namespace: String,
}

impl Fixture {
    async fn new(cluster: Arc<Cluster>) -> Self {
        let namespace = cluster.namespace().await;
        Fixture { cluster, namespace }
    }

    async fn server(&self) -> &KubernetesServer {
        self.cluster.server().await
    }

    /// A kubeconfig of a user with these fields.
    async fn kubeconfig(&self, name: &str, user: &Value) -> PathBuf {
        let address = self.server().await.address();
        self.file(name, &self.cluster.kubeconfig(address, user))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        self.cluster.file(&format!("{}-{name}", self.namespace), text)
    }

    /// A store of the writer.
    async fn store(&self, more: &str) -> Store {
        let file = self.kubeconfig("writer", &json!({ "token": self.cluster.writer() })).await;
        open(&entry(&file, &self.namespace), more, &[]).await.unwrap()
    }

    /// A store of a service account that may do `verbs`.
    async fn store_that_may(&self, verbs: &[&str]) -> Store {
        let server = self.server().await;
        server.create_service_account(&self.namespace, "someone").await;
        // A role must have a verb.
        if !verbs.is_empty() {
            server.grant(&self.namespace, Subject::ServiceAccount("someone"), verbs).await;
        }
        let token = server.service_account_token(&self.namespace, "someone").await;
        let file = self.kubeconfig("someone", &json!({ "token": token })).await;
        open(&entry(&file, &self.namespace), "secret: app", &[]).await.unwrap()
    }

    async fn create(&self, secret: &str, keys: &[(&str, &str)]) {
        self.server().await.create_secret(&self.namespace, secret, json!({ "data": data(keys) })).await;
    }

    async fn secret(&self, secret: &str) -> Value {
        self.server().await.secret(&self.namespace, secret).await.unwrap()
    }

    async fn requests(&self) -> Vec<String> {
        self.server().await.requests_of(&self.namespace)
    }
}

fn data(keys: &[(&str, &str)]) -> Value {
    keys.iter().map(|(key, value)| ((*key).to_owned(), json!(BASE64_STANDARD.encode(value)))).collect()
}

async fn set(store: &Store, name: &SecretName, value: &str) -> Result<()> {
    store.management().unwrap().set(name, &value.into()).await
}

async fn held(store: &Store, name: &SecretName) -> String {
    store.get(name).await.unwrap().expose().to_owned()
}
