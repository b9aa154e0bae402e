//! Keeps a token alive: it is renewed at two thirds of its life, and had anew when it cannot be renewed.
//!
//! This is a task, for a token of an idle store must not expire either: whoever was given one has no other.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use modelmesh_secrets::{Error, Result};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep, sleep_until},
};

use super::{
    failure,
    servers::Request,
    session::{Login, Session, Shared},
    source::Lease,
};

/// The shortest wait between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a given token is used before it is asked how long it lives: a program that ends sooner need not know.
const CURIOSITY: Duration = Duration::from_secs(1);

/// How long to wait when nobody could be asked how long a token lives.
const LATER: Duration = Duration::from_secs(10);

/// The life of a token, as far as it is known.
#[derive(Clone, Copy, Debug)]
struct Life {
    lasts: Duration,
    ends: Instant,
    is_renewable: bool,
}

impl Life {
    /// Of a token that begins now. None if it lives for ever.
    fn of(lease: Lease, now: Instant) -> Option<Self> {
        let lasts = lease.duration();
        // An end beyond what a clock can hold is none.
        let ends = now.checked_add(lasts).filter(|_| !lasts.is_zero())?;
        Some(Life { lasts, ends, is_renewable: lease.is_renewable })
    }

    /// Two thirds of the whole.
    fn due(&self) -> Instant {
        self.ends.checked_sub(self.lasts / 3).unwrap_or(self.ends)
    }

    /// What a renewal made of it. One that gives clearly less than before has come to the end that no renewal can
    /// move.
    fn renewed(self, lease: Lease, now: Instant) -> Option<Self> {
        let new = Life::of(lease, now)?;
        let is_renewable = new.is_renewable && new.lasts >= self.lasts / 10 * 9;
        Some(Life { is_renewable, ..new })
    }
}

/// Keeps the login behind `shared` alive until it is another one, the session ends, or nothing more can be done.
pub(super) async fn keep(session: Weak<Session>, shared: Shared) {
    let mut watch = Watch { shared, has_ended: false };
    let _: Option<()> = watch.run(&session).await;
    watch.has_ended = true;
}

/// A login that is being kept. If its runtime ends first, the next call starts another task.
struct Watch {
    shared: Shared,
    has_ended: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(login) = self.login()
            && !self.has_ended
        {
            login.is_kept.store(false, Ordering::Relaxed);
        }
    }
}

impl Watch {
    /// Returns none when there is nothing more to do.
    async fn run(&mut self, session: &Weak<Session>) -> Option<()> {
        if self.login()?.lease.is_none() {
            sleep(CURIOSITY).await;
        }
        let mut life = self.known_life(session).await?;
        loop {
            sleep_until(life.due()).await;
            life = self.prolonged(session, life).await?;
        }
    }

    fn login(&self) -> Option<&Login> {
        self.shared.get()?.as_ref().ok()
    }

    fn token(&self) -> Option<&HeaderValue> {
        self.login().map(|login| &login.token)
    }

    /// How long the token lives, as soon as that can be told; none if it is for ever, or not to be had.
    async fn known_life(&self, session: &Weak<Session>) -> Option<Life> {
        loop {
            match self.life(&*session.upgrade()?).await {
                Ok(life) => return life,
                Err(error) => tell("it is not known how long the token lives", &error),
            }
            sleep(LATER).await;
        }
    }

    /// How long the token lives: by its login, or by what it says when it is looked up.
    async fn life(&self, session: &Session) -> Result<Option<Life>> {
        #[derive(Deserialize)]
        struct Reply {
            data: Told,
        }
        #[derive(Deserialize)]
        struct Told {
            ttl: u64,
            #[serde(default)]
            creation_ttl: u64,
            #[serde(default)]
            renewable: bool,
        }
        if let Some(lease) = self.login().and_then(|login| login.lease) {
            return Ok(Life::of(lease, Instant::now()));
        }
        let asked = Request::get(["auth", "token", "lookup-self"]);
        let answer = session.servers.send(&asked, self.token()).await?;
        if failure::is_refusal(&answer) {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(failure::of(&answer));
        }
        let Told { ttl, creation_ttl, renewable } = answer.json::<Reply>()?.data;
        let left = Duration::from_secs(ttl);
        let lasts = left.max(Duration::from_secs(creation_ttl));
        let ends = Instant::now().checked_add(left).filter(|_| !left.is_zero());
        Ok(ends.map(|ends| Life { lasts, ends, is_renewable: renewable }))
    }

    /// Renews the token, or has another one in its place. Tries again until its end if nobody answers.
    async fn prolonged(&mut self, weak: &Weak<Session>, mut life: Life) -> Option<Life> {
        loop {
            let session = weak.upgrade()?;
            if !session.is_current(&self.shared) {
                return None;
            }
            if life.is_renewable {
                match self.renew(&session).await {
                    Ok(lease) => return life.renewed(lease, Instant::now()),
                    Err(error) if error.kind().is_retryable() => {}
                    Err(error) => {
                        tell("the token cannot be renewed", &error);
                        life.is_renewable = false;
                    }
                }
            }
            if !life.is_renewable {
                if !session.source.can_change() {
                    return None;
                }
                match Login::new(&session.source, &session.servers).await {
                    Ok(login) => {
                        self.take_over(&session, login)?;
                        drop(session);
                        return self.known_life(weak).await;
                    }
                    Err(error) => tell("no new token can be had", &error),
                }
            }
            drop(session);
            let left = life.ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            sleep((left / 4).max(PAUSE)).await;
        }
    }

    async fn renew(&self, session: &Session) -> Result<Lease> {
        #[derive(Deserialize)]
        struct Reply {
            auth: Lease,
        }
        let asked = Request::post(["auth", "token", "renew-self"], Bytes::from_static(b"{}"));
        let answer = session.servers.send(&asked, self.token()).await?;
        if answer.status.is_success() { Ok(answer.json::<Reply>()?.auth) } else { Err(failure::of(&answer)) }
    }

    /// Makes another login the current one, to be kept from now on. None if it is the same: the file still has the token
    /// that ends.
    fn take_over(&mut self, session: &Session, login: Login) -> Option<()> {
        if self.token() == Some(&login.token) {
            return None;
        }
        login.is_kept.store(true, Ordering::Relaxed);
        let new: Shared = Arc::new(OnceCell::new_with(Some(Ok(login))));
        session.replace(&self.shared, Arc::clone(&new));
        self.shared = new;
        Some(())
    }
}

/// The next call that needs it says what to do.
fn tell(what: &'static str, error: &Error) {
    tracing::warn!(kind = error.kind().as_str(), "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(seconds: u64) -> Lease {
        serde_json::from_str(&format!(r#"{{"lease_duration":{seconds},"renewable":true}}"#)).unwrap()
    }

    #[test]
    fn a_token_is_renewed_at_two_thirds_of_its_life() {
        let now = Instant::now();
        let life = Life::of(lease(45), now).unwrap();
        assert_eq!(life.due() - now, Duration::from_secs(30));
        assert!(Life::of(lease(0), now).is_none());
        assert!(Life::of(lease(u64::MAX), now).is_none(), "no clock holds its end");
    }

    #[test]
    fn a_renewal_that_gives_less_is_the_last() {
        let now = Instant::now();
        let life = Life::of(lease(45), now).unwrap();
        assert!(life.renewed(lease(45), now).unwrap().is_renewable);
        assert!(life.renewed(lease(44), now).unwrap().is_renewable);
        assert!(!life.renewed(lease(15), now).unwrap().is_renewable);
    }
}
