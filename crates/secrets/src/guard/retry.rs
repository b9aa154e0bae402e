//! One call, made again for what was not answered, until its time is up.

use std::{future, pin::Pin, sync::Arc, time::Duration};

use super::{
    attempt::{Answer, Call, Gate, Stop},
    backoff,
    breaker::Refusal,
};
use crate::{Error, ErrorKind, Result, Retry, clock::Moment};

/// How often a call is made, and for how long.
pub(super) struct Patience<'p> {
    pub(super) retry: &'p Retry,
    /// Which failures are worth another try.
    pub(super) retries: fn(ErrorKind) -> bool,
    /// The time of all tries, the pauses between them, and the wait for a permit.
    pub(super) limit: Option<Duration>,
    /// The longest pause where there is no limit: nobody waits for an hour because a store says so.
    pub(super) longest_pause: Duration,
}

impl Gate {
    /// Makes `call` until each secret has an answer that another try would not better.
    ///
    /// `ask` asks the backend for the secrets at these positions of the call.
    pub(super) async fn persist<T, F>(
        &self,
        call: &Call<'_>,
        patience: &Patience<'_>,
        ask: impl Fn(Vec<usize>) -> F,
    ) -> Vec<Result<T>>
    where
        T: Answer,
        F: Future<Output = Vec<Result<T>>>,
    {
        let mut time_is_up: Pin<Box<dyn Future<Output = ()> + Send>> = match patience.limit {
            Some(limit) => self.clock.sleep(limit),
            None => Box::pin(future::pending()),
        };
        let deadline = patience.limit.map(|limit| self.clock.now().later(limit));
        let mut open: Vec<usize> = (0..call.answers()).collect();
        let mut answers: Vec<Result<T>> = Vec::new();
        for tried in 1.. {
            let part = call.part(&open);
            let attempt = self.attempt(&part, deadline, async { ask(open.clone()).await });
            let brought = tokio::select! {
                biased;
                brought = attempt => brought,
                () = &mut time_is_up => Err(Stop::TooLate),
            };
            // Our own time-out and our own breaker are no reason to try again.
            let is_stopped = brought.is_err();
            let brought =
                brought.unwrap_or_else(|stop| part.all_failed(&self.stopped(&stop, patience.limit)));
            if answers.is_empty() {
                answers = brought;
            } else {
                for (&at, answer) in open.iter().zip(brought) {
                    answers[at] = answer;
                }
            }
            let failed =
                |at: usize| answers[at].as_ref().err().filter(|error| (patience.retries)(error.kind()));
            open.retain(|&at| failed(at).is_some());
            if is_stopped || open.is_empty() || tried >= patience.retry.tries {
                break;
            }
            let retry_after = open.iter().filter_map(|&at| failed(at)?.retry_after()).max();
            let pause = backoff::pause(patience.retry, tried, retry_after, (self.draw)());
            if !self.is_worth_it(call, pause, deadline, patience) {
                break;
            }
            if let Some(reason) = open.iter().find_map(|&at| failed(at)) {
                crate::observe::metrics::retried(&self.store, reason.kind());
            }
            self.clock.sleep(pause).await;
        }
        answers
    }

    /// Whether a call could be made after that pause.
    fn is_worth_it(
        &self,
        call: &Call<'_>,
        pause: Duration,
        deadline: Option<Moment>,
        patience: &Patience<'_>,
    ) -> bool {
        let next = self.clock.now().later(pause);
        let is_in_time = deadline.map_or(pause <= patience.longest_pause, |deadline| next < deadline);
        is_in_time && !self.would_refuse(call, next)
    }

    fn stopped(&self, stop: &Stop, limit: Option<Duration>) -> Error {
        let error = match stop {
            Stop::TooLate => timed_out(limit.unwrap_or_default()),
            Stop::Refused(refusal) => refused(refusal),
        };
        error.with_store(Arc::clone(&self.store))
    }
}

pub(super) fn timed_out(limit: Duration) -> Error {
    let limit = crate::duration::format(limit);
    Error::new(ErrorKind::Unavailable, format!("the store did not answer within {limit}"))
        .with_help("'fetch_timeout' is the longest a fetch may take")
}

fn refused(refusal: &Refusal) -> Error {
    let failures = refusal.in_a_row;
    // A single failure opens a breaker that is configured so.
    let times = if failures == 1 { "once".to_owned() } else { format!("{failures} times in a row") };
    Error::new(ErrorKind::Unavailable, format!("the store failed {times} and is left alone for a while"))
        .with_help("'breaker' says after how many failures, and for how long")
        .with_retry_after(refusal.retry_after)
}
