//! A token, and the calls that are made with it.
//!
//! A token is had when it is first needed, is kept alive ([`keeper`](super::keeper)), and is had anew once when it is
//! refused. Vault refuses a bad token and a good one without rights in the same way.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use modelmesh_secrets::{Error, Result};
use reqwest::header::HeaderValue;
use tokio::{sync::OnceCell, task::AbortHandle, time::Instant};

use super::{
    failure, keeper,
    servers::{Request, Servers},
    source::{Lease, Source},
};
use crate::network::Answer;

/// A login this young is not made anew before it was asked whether it is good: a secret that is denied must not be a
/// login each time.
const YOUNG: Duration = Duration::from_secs(10);

/// The cluster, and who we are there.
pub(super) struct Session {
    pub(super) servers: Servers,
    pub(super) source: Source,
    current: Mutex<Shared>,
    /// The task that keeps the token alive.
    keeper: Mutex<Option<AbortHandle>>,
}

/// A login, shared by the calls that use it. That it failed is told to all who waited for it.
pub(super) type Shared = Arc<OnceCell<Result<Login>>>;

/// A token that was had.
pub(super) struct Login {
    pub(super) token: HeaderValue,
    pub(super) lease: Option<Lease>,
    since: Instant,
    /// Whether a task keeps it alive, or has found that it need not.
    pub(super) is_kept: AtomicBool,
}

/// What there is in place of a login that was refused.
enum Anew {
    Login(Shared),
    /// The login is good: the refusal was not of it.
    NotNeeded,
    Impossible,
}

impl Session {
    /// Asks for nothing yet.
    pub(super) fn new(servers: Servers, source: Source) -> Self {
        Session { servers, source, current: Mutex::default(), keeper: Mutex::default() }
    }

    /// Asks with the token at hand, and if that is refused once more with a fresh one, if one can be had.
    ///
    /// The answer has any status but a refusal. That is an error: `Denied` if the token is good, `StoreAuth` if it
    /// may not be.
    pub(super) async fn ask(self: &Arc<Self>, request: &Request<'_>) -> Result<Answer> {
        let shared = self.current();
        let mut is_fresh = false;
        let login = self.ready(&shared, &mut is_fresh).await?;
        let answer = self.servers.send(request, Some(&login.token)).await?;
        if !failure::is_refusal(&answer) {
            self.keep(&shared, &answer);
            return Ok(answer);
        }
        if is_fresh && self.source.is_login() {
            return Err(failure::denied());
        }
        let fresh = match self.anew(&shared).await? {
            Anew::Login(fresh) => fresh,
            Anew::NotNeeded => return Err(failure::denied()),
            Anew::Impossible => return Err(self.verdict(&login.token).await?),
        };
        let login = self.ready(&fresh, &mut is_fresh).await?;
        let answer = self.servers.send(request, Some(&login.token)).await?;
        if !failure::is_refusal(&answer) {
            self.keep(&fresh, &answer);
            return Ok(answer);
        }
        Err(if self.source.is_login() { failure::denied() } else { self.verdict(&login.token).await? })
    }

    fn current(&self) -> Shared {
        Arc::clone(&self.held())
    }

    pub(super) fn is_current(&self, shared: &Shared) -> bool {
        Arc::ptr_eq(&self.held(), shared)
    }

    /// Puts another login in the place of `old`, unless somebody else has.
    pub(super) fn replace(&self, old: &Shared, new: Shared) {
        let mut current = self.held();
        if Arc::ptr_eq(&current, old) {
            *current = new;
        }
    }

    fn held(&self) -> MutexGuard<'_, Shared> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The login behind `shared`. Whoever needs it first makes it; the others wait, and a failure is theirs too.
    async fn ready<'s>(&self, shared: &'s Shared, is_fresh: &mut bool) -> Result<&'s Login> {
        let made = shared.get_or_init(|| async {
            *is_fresh = true;
            Login::new(&self.source, &self.servers).await
        });
        made.await.as_ref().map_err(|error| {
            self.replace(shared, Shared::default());
            error.clone()
        })
    }

    /// Another login than the one that was refused.
    async fn anew(&self, refused: &Shared) -> Result<Anew> {
        let Some(Ok(login)) = refused.get() else { return Ok(Anew::Impossible) };
        if !self.source.can_change() {
            return Ok(Anew::Impossible);
        }
        if !self.is_current(refused) {
            return Ok(Anew::Login(self.current()));
        }
        if !self.source.is_login() {
            // A file: nothing is gained by the same token.
            let fresh = Login::new(&self.source, &self.servers).await?;
            if fresh.token == login.token {
                return Ok(Anew::Impossible);
            }
            self.replace(refused, Arc::new(OnceCell::new_with(Some(Ok(fresh)))));
        } else if login.since.elapsed() < YOUNG && self.accepts(&login.token).await? {
            return Ok(Anew::NotNeeded);
        } else {
            self.replace(refused, Shared::default());
        }
        Ok(Anew::Login(self.current()))
    }

    /// What the refusal of a call means, of a token that there is no other for.
    async fn verdict(&self, token: &HeaderValue) -> Result<Error> {
        Ok(if self.accepts(token).await? { failure::denied() } else { failure::doubtful() })
    }

    /// Whether the token may look itself up, which the policy `default` allows.
    async fn accepts(&self, token: &HeaderValue) -> Result<bool> {
        let answer = self.servers.send(&Request::get(["auth", "token", "lookup-self"]), Some(token)).await?;
        if answer.status.is_success() {
            Ok(true)
        } else if failure::is_refusal(&answer) {
            Ok(false)
        } else {
            Err(failure::of(&answer))
        }
    }

    /// Sees to it that a login that works is kept alive, as long as the runtime of this call runs.
    fn keep(self: &Arc<Self>, shared: &Shared, answer: &Answer) {
        let Some(Ok(login)) = shared.get() else { return };
        if !answer.status.is_success() || login.is_kept.swap(true, Ordering::Relaxed) {
            return;
        }
        let task = tokio::spawn(keeper::keep(Arc::downgrade(self), Arc::clone(shared)));
        let before = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).replace(task.abort_handle());
        if let Some(before) = before {
            before.abort();
        }
    }
}

impl Login {
    pub(super) async fn new(source: &Source, servers: &Servers) -> Result<Self> {
        let token = source.token(servers).await?;
        let (since, is_kept) = (Instant::now(), AtomicBool::new(false));
        Ok(Login { token: token.header, lease: token.lease, since, is_kept })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(task) = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("servers", &self.servers)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
