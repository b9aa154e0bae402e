//! The thread of JavaScript, and what the engine asks of it.
//!
//! A hook written in JavaScript runs on the thread that made its store, and nowhere else. When the engine wants one
//! called (to refresh a value, or to activate a provider), or a store made that a configuration names, it lays the call
//! on that thread's [`Desk`]:
//!
//! - If the thread is in its event loop, it is woken, and takes the call from there.
//! - If it waits for the engine itself, in a synchronous call, it is woken there, and that call returns for as long as
//!   there are hooks to call. So neither waits for the other.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use modelmesh_secrets::{Error, ErrorKind, Result, SecretValue, config::Given};
use napi::{
    Status,
    bindgen_prelude::{Either, Function},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::{
    failure::{Forgotten, kind, thrown},
    given::GivenMap,
    value::Secret,
};

/// What wakes an event loop, and does not keep it alive.
type Bell = ThreadsafeFunction<(), (), (), Status, false, true>;

/// What a hook gave: a value, what it threw, or nothing, if there is no such secret.
#[napi(object)]
pub struct HookAnswer {
    /// The value.
    pub secret: Option<Secret>,
    /// The kind of what it threw.
    #[napi(ts_type = "ErrorKind")]
    pub kind: Option<String>,
    /// The number under which the package keeps what it threw.
    pub thrown: Option<u32>,
}

impl HookAnswer {
    pub(crate) fn into_result(self, desk: &Desk) -> Result<Option<SecretValue>> {
        match self {
            HookAnswer { thrown: Some(number), kind: given, .. } => {
                let kind = given.as_deref().and_then(kind).unwrap_or(ErrorKind::Unsupported);
                Err(thrown(kind, number, &desk.forgotten))
            }
            HookAnswer { secret: Some(secret), .. } => secret.into_value().map(Some),
            _ => Ok(None),
        }
    }
}

/// A call of a hook, laid on the desk of its thread.
#[napi(object, object_from_js = false)]
pub struct HookCall {
    /// The number of the call, for its answer.
    pub call: u32,
    /// The number of the hook.
    pub hook: u32,
    /// The name to be looked up.
    pub name: String,
}

/// A store of a connector of JavaScript is to be made, for a configuration.
#[napi(object, object_from_js = false)]
pub struct OpenCall {
    /// The number of the call, for its answer.
    pub call: u32,
    /// The connector's ID.
    pub connector: String,
    /// What its entry in the file holds.
    #[napi(ts_type = "GivenMap")]
    pub settings: GivenMap,
}

/// What is asked of the thread.
pub(crate) enum Request {
    Resolve { hook: u32, name: String },
    Open { connector: String, settings: Vec<(String, Given)> },
}

/// What the thread answers.
pub(crate) enum Reply {
    Value(Option<SecretValue>),
    Hook(u32),
}

/// Calls that wait for a thread, and those that wait for its answers.
pub(crate) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    bell: Bell,
    forgotten: Forgotten,
}

#[derive(Default)]
struct State {
    calls: VecDeque<(u32, Request)>,
    replies: HashMap<u32, oneshot::Sender<Result<Reply>>>,
    numbers: u32,
    released: Vec<u32>,
}

/// Where an outcome is put that a thread waits for.
pub(crate) struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot(Arc::default())
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Slot(Arc::clone(&self.0))
    }
}

impl<T> Slot<T> {
    fn held(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a hook called.
    pub(crate) async fn resolve(&self, hook: u32, name: &str) -> Result<Option<SecretValue>> {
        match self.ask(Request::Resolve { hook, name: name.to_owned() }).await? {
            Reply::Value(value) => Ok(value),
            Reply::Hook(_) => Err(Error::not_found(name)),
        }
    }

    /// Has a store made; the number of its hook.
    pub(crate) async fn open(&self, connector: &str, settings: &[(String, Given)]) -> Result<u32> {
        let request = Request::Open { connector: connector.to_owned(), settings: settings.to_vec() };
        match self.ask(request).await? {
            Reply::Hook(hook) => Ok(hook),
            Reply::Value(_) => Err(Error::new(ErrorKind::InvalidConfig, "the connector made no store")),
        }
    }

    async fn ask(&self, request: Request) -> Result<Reply> {
        let (reply, answer) = oneshot::channel();
        let call = {
            let mut state = self.state();
            let call = state.numbers;
            state.numbers = call.wrapping_add(1);
            state.replies.insert(call, reply);
            state.calls.push_back((call, request));
            call
        };
        self.changed.notify_all();
        if self.bell.call((), ThreadsafeFunctionCallMode::NonBlocking) != Status::Ok {
            let mut state = self.state();
            state.replies.remove(&call);
            state.calls.retain(|(laid, _)| *laid != call);
        }
        answer.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unavailable, "the thread that the store was made on has ended"))
        })
    }

    /// Nothing will call this hook any more.
    pub(crate) fn release(&self, hook: u32) {
        self.state().released.push(hook);
    }

    fn reply(&self, call: u32, reply: Result<Reply>) {
        let waiting = self.state().replies.remove(&call);
        if let Some(waiting) = waiting {
            // Nobody waits any more where the time was over.
            let _ = waiting.send(reply);
        }
    }

    /// Puts an outcome into a slot, and wakes who waits for it.
    pub(crate) fn put<T>(&self, slot: &Slot<T>, outcome: T) {
        // Under the lock, so that nobody falls asleep between looking and being woken.
        let state = self.state();
        *slot.held() = Some(outcome);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for an outcome; `None` as soon as there is a hook to call.
    pub(crate) fn wait<T>(&self, slot: &Slot<T>) -> Option<T> {
        let mut state = self.state();
        loop {
            if let Some(outcome) = slot.held().take() {
                return Some(outcome);
            }
            if !state.calls.is_empty() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// One thread of JavaScript: each has one, and every store and resolver that is made on it belongs to it.
#[napi]
pub struct Host(Arc<Desk>);

impl Host {
    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.0
    }
}

#[napi]
impl Host {
    /// The host of this thread. `ring` is called, in its event loop, when there are calls to [take](Host::take).
    #[napi(constructor)]
    pub fn new(ring: Function<'_, (), ()>) -> napi::Result<Self> {
        let bell = ring.build_threadsafe_function().weak::<true>().build()?;
        Ok(Host(Arc::new(Desk {
            state: Mutex::default(),
            changed: Condvar::new(),
            bell,
            forgotten: Forgotten::default(),
        })))
    }

    /// The next hook to be called, or store to be made.
    #[napi]
    pub fn take(&self) -> Option<Either<HookCall, OpenCall>> {
        let (call, request) = self.0.state().calls.pop_front()?;
        Some(match request {
            Request::Resolve { hook, name } => Either::A(HookCall { call, hook, name }),
            Request::Open { connector, settings } => {
                Either::B(OpenCall { call, connector, settings: GivenMap(settings) })
            }
        })
    }

    /// What a hook gave, or what was thrown where a store was to be made.
    #[napi]
    pub fn answer(&self, call: u32, answer: HookAnswer) {
        self.0.reply(call, answer.into_result(&self.0).map(Reply::Value));
    }

    /// The hook of the store that was made.
    #[napi]
    pub fn opened(&self, call: u32, hook: u32) {
        self.0.reply(call, Ok(Reply::Hook(hook)));
    }

    /// The hooks of stores that were made for a configuration, and that nothing will call any more.
    #[napi]
    pub fn released(&self) -> Vec<u32> {
        std::mem::take(&mut self.0.state().released)
    }

    /// The numbers of thrown values that nothing refers to any more.
    #[napi]
    pub fn forgotten(&self) -> Vec<u32> {
        std::mem::take(&mut *self.0.forgotten.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
