//! `kubernetes.secret.v1`: the Secrets of a Kubernetes cluster.
//!
//! - A Secret is one document, and its keys are the secrets of the store: all that are wanted of one Secret come in one
//!   call.
//! - Where the cluster is, and who we are there, is read as `kubectl` reads it, with `kube`'s types and credentials
//!   (`access.rs`, `identity.rs`). The few calls go through the client that all network stores share, for `kube`'s own
//!   lets no limit of the answer be set, and tries again by itself.

mod access;
mod cluster;
mod edit;
mod failure;
mod identity;
mod object;
mod place;

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use modelmesh_secrets::{
    Capabilities, Change, Error, ErrorKind, NameRule, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, async_trait,
    setting::{ConnectorSpec, Setting, SettingKind, Settings, WHOLE_STORE},
};

use self::{
    cluster::{Asked, Cluster},
    object::{MAX_SIZE, Object, Page},
    place::{Layout, Place},
};
use crate::{
    connector::{Connector, OpenContext},
    network::{is_too_long, malformed},
};

/// How many names written `SECRET/KEY` one call of the store may ask for: it makes a request for each Secret among
/// them, one after another, within the time of one fetch.
const PAIRS_A_CALL: usize = 32;

/// The longest value: a Secret that holds one has room for a few short ones.
const MAX_VALUE: usize = MAX_SIZE - 1024;

/// How many Secrets a page of a listing has at the most: as many as `kubectl` asks for.
const PAGE: usize = 500;

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new("kubernetes.secret.v1", "Secrets of a Kubernetes cluster")
        .writable()
        .over_network()
        .with_batch(WHOLE_STORE)
        .with_settings(&[
            Setting::new("namespace", SettingKind::Text, "the namespace of the Secrets")
                .with_default("(that of the context or of the pod, else default)"),
            Setting::new(
                "secret",
                SettingKind::Text,
                "the Secret whose keys are the names; without it, names are written SECRET/KEY",
            )
            .with_default("(none)"),
            Setting::new("context", SettingKind::Text, "the context of the kubeconfig")
                .with_default("(its current one)"),
            Setting::new(
                "kubeconfig",
                SettingKind::Path,
                "a kubeconfig, which may run no helper programs; if none, KUBECONFIG's, ~/.kube/config, or the pod's own",
            ),
            Setting::new(
                "service_account",
                SettingKind::Path,
                "the folder of the pod's service account (token, ca.crt, namespace), where it is not the usual one",
            ),
        ]),
    open: |settings, context| Ok(Arc::new(KubernetesStore::open(settings, context)?)),
};

/// The keys of Secrets in one namespace.
///
/// - A value's version is the `resourceVersion` of its Secret, which changes with every key of it. Older versions cannot
///   be fetched.
/// - A write changes its keys and nothing else of the Secret, and only if the Secret is what was read just before; if it
///   is not, it is read again. [`exchange`](SecretStoreConnector::exchange) tells `Conflict` if its own keys changed.
/// - `set` makes a Secret of type `Opaque` where there is none. `delete` removes a key and leaves the Secret.
/// - `list` holds the keys of the Secret, or those of all Secrets of type `Opaque`.
/// - An immutable Secret is `Unsupported` to write, one that is being deleted `Disabled`.
pub struct KubernetesStore {
    cluster: Cluster,
    layout: Layout,
    turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for KubernetesStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesStore")
            .field("cluster", &self.cluster)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

impl KubernetesStore {
    /// Checks the settings. Reads no file, and connects to nothing.
    fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let namespace = settings.text("namespace");
        namespace.map_or(Ok(()), place::check_namespace)?;
        let is_file = settings.path("kubeconfig").is_some() || settings.text("context").is_some();
        if settings.path("service_account").is_some() && is_file {
            return Err(invalid("'service_account' goes with neither 'kubeconfig' nor 'context'")
                .with_help("a pod's service account is of the cluster in which it runs"));
        }
        let layout = Layout::of(settings.text("secret"), settings.text("prefix").unwrap_or_default())?;
        let cluster = Cluster::new(settings, context, namespace);
        Ok(KubernetesStore { cluster, layout, turn: tokio::sync::Mutex::default() })
    }

    async fn read(&self, secret: &str) -> Result<Object> {
        Object::read(&self.cluster.ask(&Asked::Read(secret)).await?, secret)
    }

    /// A Secret; none if there is none.
    async fn find(&self, secret: &str) -> Result<Option<Object>> {
        match self.read(secret).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// The keys of one Secret, each as `name` writes it.
    async fn keys(&self, secret: &str, name: impl Fn(&str) -> String + Send) -> Result<Vec<SecretName>> {
        let held = self.find(secret).await?;
        let keys = held.iter().flat_map(|held| held.data.keys());
        Ok(keys.filter_map(|key| SecretName::new(name(key)).ok()).collect())
    }

    /// The keys of all Secrets of the namespace that are of type `Opaque`: others are made by the cluster, or for it.
    async fn all_keys(&self) -> Result<Vec<SecretName>> {
        let (mut names, mut after, mut page) = (Vec::new(), String::new(), PAGE);
        loop {
            let limit = page.to_string();
            let mut query = vec![("fieldSelector", "type=Opaque"), ("limit", limit.as_str())];
            query.extend((!after.is_empty()).then_some(("continue", after.as_str())));
            let answer = match self.cluster.ask(&Asked::List(&query)).await {
                // Values come along: of large Secrets fewer are asked for at a time.
                Err(error) if is_too_long(&error) && page > 1 => {
                    page = page.div_ceil(4);
                    continue;
                }
                answer => answer?,
            };
            let Page { metadata, items } = answer.json()?;
            for Object { metadata, data, .. } in &items {
                let of_secret = data.keys().map(|key| format!("{}/{key}", metadata.name));
                names.extend(of_secret.filter_map(|name| SecretName::new(name).ok()));
            }
            if metadata.next.is_empty() {
                return Ok(names);
            }
            if metadata.next == after {
                return Err(malformed("repeats a page of the listing"));
            }
            after = metadata.next;
        }
    }

    /// What `items` are about, if each is something the cluster could have.
    fn places<'s, T>(
        &'s self,
        items: &'s [T],
        name: impl Fn(&'s T) -> &'s SecretName,
    ) -> Result<Vec<(Place<'s>, &'s T)>> {
        let placed = |item: &'s T| {
            let name = name(item);
            Ok((self.layout.place(name).map_err(|error| error.with_name(name))?, item))
        };
        items.iter().map(placed).collect()
    }
}

#[async_trait]
impl SecretResolution for KubernetesStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let got = async {
            let Place { secret, key } = self.layout.place(name)?;
            self.read(secret).await?.value(key)
        };
        got.await.map_err(|error: Error| error.with_name(name))
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let mut read: BTreeMap<&str, Result<Object>> = BTreeMap::new();
        let mut results = Vec::with_capacity(names.len());
        for name in names {
            let got = match self.layout.place(name) {
                Err(error) => Err(error),
                Ok(Place { secret, key }) => {
                    if !read.contains_key(secret) {
                        read.insert(secret, self.read(secret).await);
                    }
                    read[secret].as_ref().map_err(Clone::clone).and_then(|secret| secret.value(key))
                }
            };
            results.push(got.map_err(|error| error.with_name(name)));
        }
        results
    }
}

#[async_trait]
impl SecretManagement for KubernetesStore {
    async fn set(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        let set = async {
            let place = self.layout.place(name)?;
            self.capabilities().check_value(value)?;
            self.edit(place.secret, &[(place.key, Some(value))].into(), |_| Ok(())).await
        };
        set.await.map_err(|error| error.with_name(name))
    }

    /// Those of one Secret are set together, or none of them.
    async fn set_many(&self, secrets: &[(SecretName, SecretValue)]) -> Vec<Result<()>> {
        let capabilities = self.capabilities();
        let checked = self.places(secrets, |(name, _)| name).and_then(|places| {
            for (name, value) in secrets {
                capabilities.check_value(value).map_err(|error| error.with_name(name))?;
            }
            Ok(places)
        });
        match checked {
            Ok(places) => self.put(&places).await,
            Err(refused) => vec![Err(refused); secrets.len()],
        }
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        let mut names = match &self.layout {
            Layout::Keys(secret) => self.keys(secret, str::to_owned).await?,
            Layout::Pairs { only: Some(secret) } => {
                self.keys(secret, |key| format!("{secret}/{key}")).await?
            }
            Layout::Pairs { only: None } => self.all_keys().await?,
        };
        names.sort_unstable();
        // A Secret that was changed while pages were read may be on two of them.
        names.dedup();
        Ok(names)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let deleted = async { self.remove(self.layout.place(name)?).await };
        deleted.await.map_err(|error: Error| error.with_name(name))
    }
}

#[async_trait]
impl SecretStoreConnector for KubernetesStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_bytes = Some(MAX_VALUE);
        (capabilities.names, capabilities.batch) = match self.layout {
            // What a prefix with a '/' leaves of a name is a key.
            Layout::Keys(_) | Layout::Pairs { only: Some(_) } => (NameRule::Key, WHOLE_STORE),
            Layout::Pairs { only: None } => (NameRule::Only("/_.-"), PAIRS_A_CALL),
        };
        capabilities.cas = true;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }

    async fn exchange(&self, changes: &[Change]) -> Vec<Result<()>> {
        match self.places(changes, |change| &change.name) {
            Ok(places) => self.put_known(&places).await,
            Err(refused) => vec![Err(refused); changes.len()],
        }
    }
}

fn invalid(what: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, what)
}
