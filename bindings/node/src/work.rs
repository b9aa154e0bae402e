//! What is under way: waited for, or made a promise of.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, LazyLock},
};

use modelmesh_secrets::{Error, ErrorKind};
use napi::{
    Env,
    bindgen_prelude::{Either, Object, ToNapiValue},
    sys,
};
use napi_derive::napi;
use tokio::runtime::{Builder, Runtime};

use crate::{
    environment,
    failure::Failure,
    generation::{Generation, Refusal},
    host::{Desk, Slot},
    resolver::Resolver,
    value::Secret,
    watch::Watch,
};

/// Where connectors run that need a runtime around them. The engine has a thread of its own beside it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("modelmesh-node")
        .enable_all()
        .build()
        .expect("the system gives a process its first threads")
});

/// What comes of a call.
pub enum Outcome {
    Nothing,
    Texts(Vec<String>),
    Secret(Secret),
    Resolver(Resolver),
    Watch(Watch),
    Generation(Generation),
    Generations(Vec<Either<Generation, Failure>>),
    Refusal(Refusal),
    Failed(Failure),
}

impl From<modelmesh_secrets::Result<Outcome>> for Outcome {
    fn from(result: modelmesh_secrets::Result<Outcome>) -> Self {
        result.unwrap_or_else(|error| Outcome::Failed(error.into()))
    }
}

#[allow(unsafe_code, reason = "the trait's own signature")]
impl ToNapiValue for Outcome {
    unsafe fn to_napi_value(env: sys::napi_env, outcome: Self) -> napi::Result<sys::napi_value> {
        // SAFETY: each is given the environment that this was given.
        unsafe {
            match outcome {
                Outcome::Nothing => <()>::to_napi_value(env, ()),
                Outcome::Texts(texts) => Vec::to_napi_value(env, texts),
                Outcome::Secret(secret) => Secret::to_napi_value(env, secret),
                Outcome::Resolver(resolver) => Resolver::to_napi_value(env, resolver),
                Outcome::Watch(watch) => Watch::to_napi_value(env, watch),
                Outcome::Generation(generation) => Generation::to_napi_value(env, generation),
                Outcome::Generations(generations) => Vec::to_napi_value(env, generations),
                Outcome::Refusal(refusal) => Refusal::to_napi_value(env, refusal),
                Outcome::Failed(failure) => Failure::to_napi_value(env, failure),
            }
        }
    }
}

type Task = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A call that may take its time. Nothing happens before one of its two methods is called.
#[napi]
pub struct Work {
    desk: Arc<Desk>,
    future: Option<Task>,
    slot: Slot<Outcome>,
}

impl Work {
    pub(crate) fn new(desk: &Arc<Desk>, future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Work { desk: Arc::clone(desk), future: Some(Box::pin(future)), slot: Slot::default() }
    }

    /// Work with an argument: `task` has it, if it is one.
    pub(crate) fn with<T, F>(
        desk: &Arc<Desk>,
        argument: modelmesh_secrets::Result<T>,
        task: impl FnOnce(T) -> F,
    ) -> Self
    where
        F: Future<Output = modelmesh_secrets::Result<Outcome>> + Send + 'static,
    {
        match argument.map(task) {
            Ok(task) => Work::new(desk, async move { task.await.into() }),
            Err(error) => Work::new(desk, std::future::ready(Outcome::Failed(error.into()))),
        }
    }
}

#[napi]
impl Work {
    /// Starts it, and promises its outcome.
    #[napi(ts_return_type = "Promise<T>")]
    pub fn promise<'env>(&mut self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        if let Some(future) = self.future.take() {
            environment::look();
            RUNTIME.spawn(async move {
                let outcome = run(future).await;
                deferred.resolve(move |_| Ok(outcome));
            });
        }
        Ok(promise)
    }

    /// Starts it, and blocks this thread until it has an outcome, or this thread has a hook to call: then it is `null`,
    /// and to be called again afterwards.
    #[napi(ts_return_type = "T | null")]
    pub fn block(&mut self) -> Option<Outcome> {
        if let Some(future) = self.future.take() {
            environment::look();
            let (desk, slot) = (Arc::clone(&self.desk), self.slot.clone());
            RUNTIME.spawn(async move {
                let outcome = run(future).await;
                desk.put(&slot, outcome);
            });
        }
        self.desk.wait(&self.slot)
    }
}

/// Runs what needs no waiting, on this thread.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// Runs a task that ends in an outcome even where the code of a store panics.
async fn run(future: Task) -> Outcome {
    // A panic's message may quote a value, so it is dropped.
    RUNTIME.spawn(future).await.unwrap_or_else(|_| {
        Outcome::Failed(Error::new(ErrorKind::Unavailable, "the store's own code panicked").into())
    })
}
