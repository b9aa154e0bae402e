//! One store, with the engine around it.

use std::sync::{Arc, atomic::Ordering};

use modelmesh_secrets::{
    BaseSecretStore, Error, Result, SecretManagement as _, SecretName, SecretResolution as _,
    SecretStoreConnector as _, SecretValue,
    config::{Given, StoreEntry},
    setting::ConnectorSpec,
};
use modelmesh_stores::{
    open::open_given,
    registry::{OpenContext, connector},
};
use napi::{
    Env,
    bindgen_prelude::{Either, Either4, Object, Unknown},
};
use napi_derive::napi;

use crate::{
    environment, epoch,
    failure::Failure,
    given,
    hook::{HookConnector, Landing, Waiting, claimed},
    host::{Desk, Host},
    value::Secret,
    work::{Outcome, Work, at_once},
};

/// A store that JavaScript made.
#[napi]
pub struct Store {
    engine: BaseSecretStore,
    desk: Arc<Desk>,
    /// Whether a read costs nothing, and is not cached: the environment. It is read on the thread that changes it, for
    /// the C library allows no other.
    is_at_hand: bool,
}

/// Opens a store of a connector, from the settings of its table and the resolution parameters.
#[napi]
pub fn open_store(
    host: &Host,
    id: String,
    #[napi(ts_arg_type = "GivenMap")] settings: Object<'_>,
) -> napi::Result<Either<Store, Failure>> {
    let settings = given::settings(&settings)?;
    let is_uncached =
        settings.iter().any(|(key, value)| key == "cache_enabled" && matches!(value, Given::Boolean(false)));
    let is_at_hand = is_uncached && connector(&id).is_some_and(|connector| !connector.spec.cached);
    environment::look();
    let context = OpenContext { environment: environment::seen(), ..OpenContext::default() };
    Ok(opened(host, open_given(&id, settings, &context), is_at_hand))
}

/// Opens a store over the hook of this number, from the resolution parameters.
#[napi]
pub fn open_hook(
    host: &Host,
    hook: u32,
    id: String,
    #[napi(ts_arg_type = "GivenMap")] settings: Object<'_>,
) -> napi::Result<Either<Store, Failure>> {
    let settings = given::settings(&settings)?;
    Ok(opened(host, over_hook(host.desk(), hook, id, settings), false))
}

fn over_hook(
    desk: &Arc<Desk>,
    hook: u32,
    id: String,
    settings: Vec<(String, Given)>,
) -> Result<BaseSecretStore> {
    let policy = StoreEntry::given(&id, ConnectorSpec::new("custom", "a hook"), settings)?.policy;
    let connector = HookConnector { desk: Arc::clone(desk), hook, id: id.clone() };
    Ok(BaseSecretStore::builder(Arc::new(connector)).name(id).policy(policy).build())
}

fn opened(host: &Host, store: Result<BaseSecretStore>, is_at_hand: bool) -> Either<Store, Failure> {
    match store {
        Ok(store) => Either::A(Store { engine: store, desk: Arc::clone(host.desk()), is_at_hand }),
        Err(error) => Either::B(error.into()),
    }
}

impl Store {
    /// What the store has at hand.
    fn at_hand(&self, name: SecretName) -> Result<SecretValue> {
        let missing = Error::not_found(name.as_str());
        at_once(self.engine.stored(&[name])).pop().unwrap_or(Err(missing))
    }

    /// Work with a name: `task` has the store and the name, if it is one.
    fn with_name<F>(&self, name: &str, task: impl FnOnce(BaseSecretStore, SecretName) -> F) -> Work
    where
        F: Future<Output = Result<Outcome>> + Send + 'static,
    {
        Work::with(&self.desk, SecretName::new(name), |name| task(self.engine.clone(), name))
    }
}

#[napi]
impl Store {
    /// The memory of the number that changes when copies are to be dropped; `null` where the runtime takes no memory
    /// but its own. It may be asked for once.
    #[napi(ts_return_type = "ArrayBuffer | null")]
    pub fn epoch_buffer(&self, env: Env) -> Option<Unknown<'static>> {
        epoch::buffer_over(env, self.engine.epoch())
    }

    /// The number that changes when copies are to be dropped.
    #[napi]
    pub fn epoch(&self) -> u32 {
        self.engine.epoch().load(Ordering::Acquire)
    }

    /// The value, if it is in the cache.
    #[napi]
    pub fn cached(&self, name: String) -> Option<String> {
        self.engine.with_value(&name, |value| value.expose().to_owned())
    }

    /// The value. Blocks this thread if it is not in the cache; not for stores whose hook is JavaScript.
    #[napi]
    pub fn get(&self, name: String) -> Either<String, Failure> {
        let get = |name| {
            if self.is_at_hand {
                return self.at_hand(name);
            }
            environment::look();
            self.engine.get_blocking(&name)
        };
        match SecretName::new(name).and_then(get) {
            Ok(value) => Either::A(value.expose().to_owned()),
            Err(error) => Either::B(error.into()),
        }
    }

    /// The value, with what the store says about it.
    #[napi(ts_return_type = "Work<Secret | Failure>")]
    pub fn fetch(&self, name: String) -> Work {
        if self.is_at_hand {
            let value = SecretName::new(name).and_then(|name| self.at_hand(name));
            let outcome = value.map(|value| Outcome::Secret(Secret::from(&value)));
            return Work::new(&self.desk, std::future::ready(outcome.into()));
        }
        self.with_name(&name, |store, name| async move {
            Ok(Outcome::Secret(Secret::from(&store.get(&name).await?)))
        })
    }

    /// The value as the backend has it now, past the cache.
    #[napi(ts_return_type = "Work<Secret | Failure>")]
    pub fn refresh(&self, name: String) -> Work {
        self.with_name(&name, |store, name| async move {
            Ok(Outcome::Secret(Secret::from(&store.refresh(&name).await?)))
        })
    }

    /// Fetches values into the cache, in as few calls as the store can take.
    #[napi(ts_return_type = "Work<undefined | Failure>")]
    pub fn preload(&self, names: Vec<String>) -> Work {
        let (store, names) =
            (self.engine.clone(), names.iter().map(SecretName::new).collect::<Result<Vec<_>>>());
        Work::new(&self.desk, async move {
            let failures: Vec<Failure> = match names {
                Ok(names) => store
                    .get_many(&names)
                    .await
                    .into_iter()
                    .filter_map(Result::err)
                    .map(Failure::from)
                    .collect(),
                Err(error) => vec![error.into()],
            };
            Failure::of_all(failures).map_or(Outcome::Nothing, Outcome::Failed)
        })
    }

    /// Stores a secret, for good.
    #[napi(ts_return_type = "Work<undefined | Failure>")]
    pub fn set(&self, name: String, secret: Secret) -> Work {
        self.with_name(&name, |store, name| async move {
            let value: SecretValue = secret.into_value()?;
            store.set(&name, &value).await.map(|()| Outcome::Nothing)
        })
    }

    /// Removes a secret.
    #[napi(ts_return_type = "Work<undefined | Failure>")]
    pub fn delete(&self, name: String) -> Work {
        self.with_name(
            &name,
            |store, name| async move { store.delete(&name).await.map(|()| Outcome::Nothing) },
        )
    }

    /// The names of all secrets, sorted.
    #[napi(ts_return_type = "Work<string[] | Failure>")]
    pub fn list(&self) -> Work {
        let store = self.engine.clone();
        Work::new(&self.desk, async move {
            let names = store.list().await;
            names
                .map(|names| Outcome::Texts(names.iter().map(|name| name.as_str().to_owned()).collect()))
                .into()
        })
    }

    /// Forgets what is cached of a name.
    #[napi]
    pub fn invalidate(&self, name: String) {
        // What is no name is not in the cache.
        if let Ok(name) = SecretName::new(name) {
            self.engine.invalidate(&name);
        }
    }

    /// Forgets everything that is cached.
    #[napi]
    pub fn clear(&self) {
        self.engine.clear_cache();
    }

    /// The value, the duty to call the hook, or a place among those who wait for it.
    #[napi]
    pub fn claim(&self, name: String) -> Either4<Secret, Failure, Landing, Waiting> {
        match SecretName::new(name) {
            Ok(name) => claimed(self.engine.claim(&name), name, &self.desk),
            Err(error) => Either4::B(error.into()),
        }
    }
}
