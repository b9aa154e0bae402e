//! `kubernetes.secret.v1`: the Secrets of a Kubernetes cluster.
//!
//! A Secret is one document, and its keys are the secrets of the store: all that are wanted of one Secret come in one
//! call. Where a cluster is, and who we are there, is read as `kubectl` reads it, with the types and the credentials of
//! `kube`. The few calls go over the HTTP client that all network stores share, for `kube`'s own has no limit of how
//! long an answer may be.

mod cluster;
mod failure;
mod object;
mod place;

use std::{collections::BTreeMap, fmt, sync::Arc};

use modelmesh_secrets::{
    Capabilities, Change, Error, ErrorKind, NameRule, Result, SecretManagement, SecretName, SecretResolution,
    SecretStoreConnector, SecretValue, async_trait,
    setting::{ConnectorSpec, Setting, SettingKind, Settings},
};
use reqwest::Method;

use self::{
    cluster::{Cluster, Place as ClusterPlace},
    object::{Listed, Object, Patch},
    place::{Layout, Place},
};
use crate::connector::{Connector, OpenContext};

/// How many names are asked for in one call of the store: one request for each Secret among them.
const BATCH: usize = 64;

/// What the values of one Secret may have together, in bytes: `MaxSecretSize` of the Kubernetes API.
/// <https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size>
const MAX_BYTES: usize = 1 << 20;

/// How often a change is tried again that somebody else came before.
const ATTEMPTS: usize = 5;

/// The line of the registry.
pub(crate) const CONNECTOR: Connector = Connector {
    spec: ConnectorSpec::new("kubernetes.secret.v1", "Secrets of a Kubernetes cluster")
        .writable()
        .over_network()
        .with_batch(BATCH)
        .with_settings(&[
            Setting::new("namespace", SettingKind::Text, "the namespace of the Secrets")
                .with_default("(that of the context or the pod, else default)"),
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
                "a kubeconfig file; one that is named here may not run helper programs",
            )
            .with_default("(KUBECONFIG, else ~/.kube/config, else the pod's service account)"),
        ]),
    open: |settings, context| Ok(Arc::new(KubernetesStore::open(settings, context)?)),
};

/// The keys of Secrets in one namespace.
///
/// - A value's version is the `resourceVersion` of its Secret: it changes with every key of it. Older versions cannot be
///   fetched.
/// - A write changes one key, and leaves the rest of its Secret to the cluster: writers of different keys do not
///   meet. Of two that set one key, the later wins; [`exchange`](SecretStoreConnector::exchange) tells `Conflict`.
/// - `set` makes a Secret of type `Opaque` where there is none. `delete` removes a key; the Secret goes with its last
///   key if names are written `SECRET/KEY`, and stays if the setting `secret` names it.
/// - An immutable Secret is `Unsupported` to write, one that is being deleted `Disabled` to read.
pub struct KubernetesStore {
    cluster: Cluster,
    layout: Layout,
}

impl fmt::Debug for KubernetesStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesStore")
            .field("cluster", &self.cluster)
            .field("layout", &self.layout)
            .finish()
    }
}

impl KubernetesStore {
    fn open(settings: &Settings, context: &OpenContext) -> Result<Self> {
        let namespace = settings.text("namespace").filter(|text| !text.is_empty());
        if let Some(namespace) = namespace {
            place::check_object("namespace", namespace)?;
        }
        let layout = Layout::of(settings.text("secret").filter(|text| !text.is_empty()))?;
        Ok(KubernetesStore { cluster: Cluster::new(settings, context, namespace), layout })
    }

    /// The Secret, as it is now.
    async fn read(&self, secret: &str) -> Result<Object> {
        let answer = self.cluster.ask(Method::GET, &ClusterPlace::Secret(secret), &[], None).await?;
        if answer.status.is_success() { answer.json() } else { Err(failure::of(&answer)) }
    }

    /// What one key of a Secret becomes: a value, or nothing.
    ///
    /// With `seen`, only if the Secret is still of that version.
    async fn patch(&self, place: &Place<'_>, value: Option<&SecretValue>, seen: Option<&str>) -> Result<()> {
        let patch = Patch::of_key(place.key, value, seen);
        let target = ClusterPlace::Secret(place.secret);
        let answer = self.cluster.ask(Method::PATCH, &target, &[], Some(patch.body()?)).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let error = failure::of(&answer);
        // The cluster calls both a wrong value and a Secret that nobody may change 'Invalid'.
        if failure::is_invalid(&answer) && self.read(place.secret).await.is_ok_and(|secret| secret.immutable)
        {
            return Err(failure::immutable());
        }
        Err(error)
    }

    async fn create(&self, place: &Place<'_>, value: &SecretValue) -> Result<()> {
        let body = Patch::new_secret(place.secret, place.key, value).body()?;
        let answer = self.cluster.ask(Method::POST, &ClusterPlace::All, &[], Some(body)).await?;
        if answer.status.is_success() { Ok(()) } else { Err(failure::of_create(&answer)) }
    }

    async fn put(&self, place: &Place<'_>, value: &SecretValue) -> Result<()> {
        // Whoever makes or removes the Secret between our two calls makes the other one right.
        for _ in 0..ATTEMPTS {
            match self.patch(place, Some(value), None).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => return outcome,
            }
            match self.create(place, value).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                outcome => return outcome,
            }
        }
        Err(failure::contended())
    }

    async fn remove(&self, place: &Place<'_>) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let secret = self.read(place.secret).await?;
            if !secret.data.contains_key(place.key) {
                return Err(Error::new(ErrorKind::NotFound, "not found"));
            }
            let outcome = match (&self.layout, secret.data.len()) {
                (Layout::Pairs, 1) => self.remove_whole(place.secret, &secret).await,
                _ => self.patch(place, None, Some(&secret.metadata.resource_version)).await,
            };
            match outcome {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                outcome => return outcome,
            }
        }
        Err(failure::contended())
    }

    /// Removes a Secret, if it is still what was seen.
    async fn remove_whole(&self, secret: &str, seen: &Object) -> Result<()> {
        let body = Patch::deletion(&seen.metadata).body()?;
        let answer = self.cluster.ask(Method::DELETE, &ClusterPlace::Secret(secret), &[], Some(body)).await?;
        if answer.status.is_success() { Ok(()) } else { Err(failure::of(&answer)) }
    }

    /// One change, made only if the key is still what the caller saw.
    async fn change(&self, place: &Place<'_>, change: &Change) -> Result<()> {
        let secret = match self.read(place.secret).await {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            read => Some(read?),
        };
        let absent = || Err(Error::new(ErrorKind::NotFound, "not found"));
        change.check(secret.as_ref().map_or_else(absent, |secret| secret.value(place.key)))?;
        match (&secret, &change.after) {
            (Some(secret), after) => {
                self.patch(place, after.as_ref(), Some(&secret.metadata.resource_version)).await
            }
            (None, Some(value)) => self.create(place, value).await,
            (None, None) => Ok(()),
        }
    }

    /// The keys of every Secret of the namespace that is of type `Opaque`.
    async fn all_names(&self) -> Result<Vec<SecretName>> {
        /// What the cluster itself sends at a time: <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>.
        const PAGE: usize = 500;
        let (mut names, mut after, mut page) = (Vec::new(), None::<String>, PAGE);
        loop {
            let limit = page.to_string();
            let mut query = vec![("fieldSelector", "type=Opaque"), ("limit", &limit)];
            query.extend(after.as_deref().map(|after| ("continue", after)));
            let answer = match self.cluster.ask(Method::GET, &ClusterPlace::All, &query, None).await {
                // Values come along, a mebibyte in each at the most: fewer at a time are short enough.
                Err(error) if error.kind() == ErrorKind::Malformed && page > 1 => {
                    page /= 4;
                    page = page.max(1);
                    continue;
                }
                answer => answer?,
            };
            if !answer.status.is_success() {
                return Err(failure::of(&answer));
            }
            let listed: Listed = answer.json()?;
            names.extend(listed.items.iter().flat_map(|item| {
                item.data
                    .keys()
                    .filter_map(|key| SecretName::new(format!("{}/{key}", item.metadata.name)).ok())
            }));
            after = listed.metadata.next.filter(|next| !next.is_empty());
            if after.is_none() {
                return Ok(names);
            }
        }
    }
}

#[async_trait]
impl SecretResolution for KubernetesStore {
    async fn get(&self, name: &SecretName) -> Result<SecretValue> {
        let got = async {
            let place = self.layout.place(name)?;
            self.read(place.secret).await?.value(place.key)
        };
        got.await.map_err(|error| error.with_name(name))
    }

    async fn get_many(&self, names: &[SecretName]) -> Vec<Result<SecretValue>> {
        let mut read: BTreeMap<&str, Result<Object>> = BTreeMap::new();
        let mut results = Vec::with_capacity(names.len());
        for name in names {
            let place = match self.layout.place(name) {
                Ok(place) => place,
                Err(error) => {
                    results.push(Err(error.with_name(name)));
                    continue;
                }
            };
            if !read.contains_key(place.secret) {
                read.insert(place.secret, self.read(place.secret).await);
            }
            let value = match &read[place.secret] {
                Ok(secret) => secret.value(place.key),
                Err(error) => Err(error.clone()),
            };
            results.push(value.map_err(|error| error.with_name(name)));
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
            self.put(&place, value).await
        };
        set.await.map_err(|error| error.with_name(name))
    }

    async fn list(&self) -> Result<Vec<SecretName>> {
        let mut names = match &self.layout {
            Layout::Pairs => self.all_names().await?,
            Layout::Keys(secret) => match self.read(secret).await {
                Ok(secret) => secret.data.keys().filter_map(|key| SecretName::new(key).ok()).collect(),
                Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error),
            },
        };
        names.sort_unstable();
        Ok(names)
    }

    async fn delete(&self, name: &SecretName) -> Result<()> {
        let deleted = async { self.remove(&self.layout.place(name)?).await };
        deleted.await.map_err(|error| error.with_name(name))
    }
}

#[async_trait]
impl SecretStoreConnector for KubernetesStore {
    fn connector_id(&self) -> &str {
        CONNECTOR.spec.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_bytes = Some(MAX_BYTES);
        capabilities.names = match self.layout {
            Layout::Keys(_) => NameRule::Key,
            Layout::Pairs => NameRule::Only("/_.-"),
        };
        capabilities.cas = true;
        capabilities.batch = CONNECTOR.spec.batch;
        capabilities
    }

    fn management(&self) -> Option<&dyn SecretManagement> {
        Some(self)
    }

    async fn exchange(&self, changes: &[Change]) -> Vec<Result<()>> {
        let mut results = Vec::with_capacity(changes.len());
        let mut refused = None::<Error>;
        for change in changes {
            let outcome = match (&refused, self.layout.place(&change.name)) {
                // What comes after a refusal is not made, as in a store that writes all at once.
                (Some(refused), _) => Err(refused.clone()),
                (None, Err(error)) => Err(error),
                (None, Ok(place)) => self.change(&place, change).await,
            };
            let outcome = outcome.map_err(|error| error.with_name(&change.name));
            refused = refused.or_else(|| outcome.as_ref().err().cloned());
            results.push(outcome);
        }
        results
    }
}
