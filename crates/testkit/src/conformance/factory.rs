//! Where the suite's stores come from.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use modelmesh_secrets::{ErrorKind, SecretName, SecretStoreConnector, SecretValue};

use crate::canary::Canary;

/// Makes fresh stores of one kind for the suite.
///
/// A factory that cannot do what it is asked panics: the case fails with its message.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// What the report calls the stores.
    fn label(&self) -> &str;

    /// A store without secrets, on backing data of its own.
    async fn empty(&self) -> Arc<dyn SecretStoreConnector>;

    /// A store on backing data of its own that holds these secrets.
    ///
    /// A factory of read-only stores puts them where the store will read them. The default writes them through
    /// the store's own management.
    ///
    /// The suite never asks this for what the store's capabilities exclude.
    async fn with(&self, secrets: &[(SecretName, SecretValue)]) -> Arc<dyn SecretStoreConnector> {
        let store = self.empty().await;
        {
            let management = store.management().expect("a factory of read-only stores provides `with`");
            for (name, value) in secrets {
                management.set(name, value).await.expect("a fresh store takes a secret");
            }
        }
        store
    }

    /// Another handle on the backing data of the store made last (by `empty`, `with` or `reopen`), as another
    /// process would open it; none if that data cannot be reached again, and then the cases on durability are
    /// excluded.
    async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>>;

    /// A store whose `get` of a secret must fail with `kind`, because the backend refuses, is down, or holds
    /// what cannot be read; none if this factory cannot bring that about.
    ///
    /// This is how a store proves that it takes no refusal and no outage for a missing secret.
    async fn staged(&self, kind: ErrorKind) -> Option<Staged> {
        let _ = kind;
        None
    }

    /// The credentials of the stores (tokens, passphrases, identities): they may show nowhere.
    fn canaries(&self) -> Vec<Canary> {
        Vec::new()
    }

    /// Rules of the backend that no capability expresses.
    fn rules(&self) -> BackendRules {
        BackendRules::default()
    }

    /// Cases that this kind of store is known to fail, each with the reason. They are run all the same, and
    /// one that does not fail any more is a failure.
    fn exemptions(&self) -> &[(&'static str, &'static str)] {
        &[]
    }

    /// How long one case may take before it counts as hung.
    fn time_limit(&self) -> Duration {
        Duration::from_mins(2)
    }
}

/// A store made to fail, and the name at which it must.
#[allow(missing_debug_implementations, reason = "a store need not have Debug")]
pub struct Staged {
    /// The store.
    pub store: Arc<dyn SecretStoreConnector>,
    /// The secret for which `get` must fail.
    pub name: SecretName,
    /// Whether the store as a whole is in trouble (a locked file, a server that is down), and not this one
    /// secret: then writing, deleting and listing must fail in the same way.
    pub whole_store: bool,
}

/// Rules of a backend that [`Capabilities`](super::Capabilities) do not express.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendRules {
    /// Names that differ in case alone are one name.
    pub case_insensitive_names: bool,
    /// The longest name that the backend takes, in bytes, where that is less than what `SecretName` allows.
    pub max_name_bytes: Option<usize>,
    /// A deleted secret can be recovered for a while: until then, reading it is `Disabled` and not `NotFound`.
    pub deleted_is_disabled: bool,
}
