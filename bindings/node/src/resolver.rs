//! The resolver of a configuration.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use modelmesh_secrets::{
    ExposeSecret as _, Result,
    config::Report,
    live::{Reason, SecretResolver},
    reference::Reference,
    setting::ConnectorSpec,
};
use modelmesh_stores::{
    configuration,
    open::StoreSet,
    registry::{OpenContext, catalogue},
};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::{
    environment,
    failure::Failure,
    generation::{Generation, Refusal, activated},
    hook::Registered,
    host::{Desk, Host},
    value::Secret,
    watch::Watch,
    work::{Outcome, Work},
};

/// The resolver of a configuration file.
#[napi]
pub struct Resolver {
    resolver: SecretResolver,
    desk: Arc<Desk>,
}

/// Reads a configuration file, resolves every reference in it, and activates its providers. `connectors` are the IDs of
/// those that JavaScript has.
#[napi(ts_return_type = "Work<Resolver | Failure>")]
pub fn open_resolver(host: &Host, path: String, connectors: Vec<String>) -> Work {
    let desk = Arc::clone(host.desk());
    Work::new(host.desk(), async move {
        match start(Path::new(&path), &connectors, &desk).await {
            Ok(resolver) => Outcome::Resolver(Resolver { resolver, desk }),
            Err(failure) => Outcome::Failed(failure),
        }
    })
}

async fn start(path: &Path, connectors: &[String], desk: &Arc<Desk>) -> Result<SecretResolver, Failure> {
    let host = connectors.iter().map(|id| ConnectorSpec::of_host(lasting(id), "a connector of the program"));
    let catalogue: Vec<ConnectorSpec> = host.chain(catalogue()).collect();
    let configuration = configuration::read(path, &catalogue)?;
    // What is wrong elsewhere in the file is told together with what is wrong with its stores.
    configuration.require_valid()?;
    let host = Some(Arc::new(Registered(Arc::clone(desk))) as _);
    let context = OpenContext { host, environment: environment::seen(), ..OpenContext::default() };
    let stores = StoreSet::new(Arc::new(configuration), context)?;
    Ok(stores.live_configuration().start().await?)
}

/// An ID that lasts as long as the process: specifications are made of those. Each is kept once.
fn lasting(id: &str) -> &'static str {
    static IDS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut ids = IDS.lock().unwrap_or_else(PoisonError::into_inner);
    let ids = ids.get_or_insert_default();
    ids.get(id).copied().unwrap_or_else(|| {
        let id: &'static str = Box::leak(id.into());
        ids.insert(id);
        id
    })
}

impl From<Box<Report>> for Failure {
    fn from(report: Box<Report>) -> Self {
        let parts = report.problems().iter().map(|problem| problem.error.clone().into()).collect();
        Failure::of_several(report.to_string().trim_end().to_owned(), parts)
    }
}

impl Resolver {
    /// Work with a reference.
    fn with_reference<F>(&self, text: &str, task: impl FnOnce(SecretResolver, Reference) -> F) -> Work
    where
        F: Future<Output = Result<Outcome>> + Send + 'static,
    {
        let argument = Reference::parse_or_name(text);
        Work::with(&self.desk, argument, |reference| task(self.resolver.clone(), reference))
    }
}

#[napi]
impl Resolver {
    /// The texts with values in place of references, asked for in one plan. Fails with everything that fails.
    #[napi(ts_return_type = "Work<string[] | Failure>")]
    pub fn resolve(&self, texts: Vec<String>) -> Work {
        let resolver = self.resolver.clone();
        Work::new(&self.desk, async move {
            let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
            match resolver.resolve_texts(&texts).await {
                Ok(texts) => {
                    Outcome::Texts(texts.iter().map(|text| text.expose_secret().to_owned()).collect())
                }
                Err(errors) => Failure::of_all(errors.into_iter().map(Failure::from).collect())
                    .map_or(Outcome::Nothing, Outcome::Failed),
            }
        })
    }

    /// The value of a reference, with what its store says about it.
    #[napi(ts_return_type = "Work<Secret | Failure>")]
    pub fn get(&self, reference: String) -> Work {
        self.with_reference(&reference, |resolver, reference| async move {
            Ok(Outcome::Secret(Secret::from(&resolver.get(&reference).await?)))
        })
    }

    /// Forgets what is cached of a reference's document.
    #[napi(ts_return_type = "Work<undefined | Failure>")]
    pub fn invalidate(&self, reference: String) -> Work {
        self.with_reference(&reference, |resolver, reference| async move {
            resolver.invalidate(&reference).await.map(|()| Outcome::Nothing)
        })
    }

    /// A live handle on a reference.
    #[napi(ts_return_type = "Work<Watch | Failure>")]
    pub fn watch(&self, reference: String) -> Work {
        let desk = Arc::clone(&self.desk);
        self.with_reference(&reference, |resolver, reference| async move {
            Ok(Outcome::Watch(Watch::new(desk, resolver.watch(&reference).await?)))
        })
    }

    /// Reports that the upstream API refused a version of a reference's value.
    #[napi(ts_return_type = "Work<Refusal | Failure>")]
    pub fn report_refused(&self, reference: String, version: String) -> Work {
        self.with_reference(&reference, |resolver, reference| async move {
            let outcome = resolver.report_auth_failure(&reference, &version.into()).await;
            Ok(Outcome::Refusal(outcome.into()))
        })
    }

    /// Reports that the upstream API refused the secret in a setting of a generation.
    #[napi(ts_return_type = "Work<Refusal | Failure>")]
    pub fn report_refused_setting(&self, generation: &Generation, path: String) -> Work {
        let generation = Arc::clone(generation.inner());
        let provider = self.resolver.known_provider(generation.provider());
        Work::new(&self.desk, async move {
            match provider {
                Ok(provider) => {
                    Outcome::Refusal(Refusal::from(provider.report_auth_failure(&generation, &path).await))
                }
                Err(error) => Outcome::Failed(error.into()),
            }
        })
    }

    /// Re-resolves the references of a provider past the cache, and swaps its generation.
    #[napi(ts_return_type = "Work<Generation | Failure>")]
    pub fn activate(&self, provider: String, #[napi(ts_arg_type = "Reason")] why: String) -> Work {
        let resolver = self.resolver.clone();
        Work::new(&self.desk, async move {
            let reason = match why.parse::<Reason>() {
                Ok(reason) => reason,
                Err(error) => return Outcome::Failed(error.into()),
            };
            match activated(resolver.activate(&provider, reason).await) {
                Either::A(generation) => Outcome::Generation(generation),
                Either::B(failure) => Outcome::Failed(failure),
            }
        })
    }

    /// Activates every provider: as many outcomes, in the order of the configuration.
    #[napi(ts_return_type = "Work<(Generation | Failure)[]>")]
    pub fn reload(&self) -> Work {
        let resolver = self.resolver.clone();
        Work::new(&self.desk, async move {
            Outcome::Generations(resolver.reload().await.into_iter().map(activated).collect())
        })
    }

    /// The IDs of the providers, in the order of the configuration.
    #[napi]
    pub fn providers(&self) -> Vec<String> {
        self.resolver.providers().map(|provider| provider.id().to_owned()).collect()
    }

    /// The generation that a provider has now.
    #[napi]
    pub fn current(&self, provider: String) -> Either<Generation, Failure> {
        match self.resolver.known_provider(&provider).and_then(|provider| provider.current()) {
            Ok(generation) => Either::A(Generation::of(generation)),
            Err(error) => Either::B(error.into()),
        }
    }
}
