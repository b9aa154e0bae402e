//! One call of a backend: a permit, the breaker's leave, and the record of how it ended.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span, field};

use super::breaker::{Breaker, End, Refusal, Ticket, Turn};
use crate::{
    Error, ErrorKind, ResolutionPolicy, Result, SecretName, SecretValue, Version,
    clock::{Clock, Moment},
    observe::{CallRecord, CallSecret, Operation, metrics},
};

/// What every call of one store passes through.
pub(super) struct Gate {
    pub(super) store: Arc<str>,
    pub(super) clock: Arc<dyn Clock>,
    /// A number from 0 to 1, another each time.
    pub(super) draw: fn() -> f64,
    connector: Arc<str>,
    max_in_flight: usize,
    permits: Semaphore,
    breaker: Mutex<Breaker>,
    record: Box<dyn Fn(&CallRecord<'_>) + Send + Sync>,
}

/// What a backend is asked.
pub(super) struct Call<'c> {
    pub(super) operation: Operation,
    /// The secrets it is about; none for a listing.
    pub(super) names: Vec<&'c SecretName>,
    /// The version that is asked for.
    pub(super) version: Option<&'c Version>,
    /// Whether the breaker may refuse it, and learns how it ended.
    pub(super) minds_breaker: bool,
}

/// Why a call was not made, or not finished.
pub(super) enum Stop {
    /// The breaker is open.
    Refused(Refusal),
    /// Nobody waits for it any more.
    TooLate,
}

/// What a call brings for one secret.
pub(super) trait Answer {
    fn version(&self) -> Option<&Version> {
        None
    }
}

impl Answer for SecretValue {
    fn version(&self) -> Option<&Version> {
        SecretValue::version(self)
    }
}

impl Answer for () {}
impl Answer for Vec<SecretName> {}

impl<'c> Call<'c> {
    /// How many answers the call has: one for each secret, and a listing has one too.
    pub(super) fn answers(&self) -> usize {
        self.names.len().max(1)
    }

    /// The same call for some of its secrets alone.
    pub(super) fn part(&self, positions: &[usize]) -> Call<'c> {
        let names = positions.iter().filter_map(|&at| self.names.get(at).copied()).collect();
        Call { names, ..*self }
    }

    /// The same failure as the answer for each secret.
    pub(super) fn all_failed<T>(&self, error: &Error) -> Vec<Result<T>> {
        if self.names.is_empty() {
            return vec![Err(error.clone())];
        }
        self.names.iter().map(|&name| Err(error.clone().with_name(name))).collect()
    }
}

impl Gate {
    pub(super) fn new(
        store: Arc<str>,
        connector: &str,
        policy: &ResolutionPolicy,
        clock: Arc<dyn Clock>,
        record: impl Fn(&CallRecord<'_>) + Send + Sync + 'static,
    ) -> Self {
        let max_in_flight = policy.max_in_flight.clamp(1, Semaphore::MAX_PERMITS);
        Gate {
            store,
            clock,
            draw: fastrand::f64,
            connector: connector.into(),
            max_in_flight,
            permits: Semaphore::new(max_in_flight),
            breaker: Mutex::new(Breaker::new(policy.breaker.clone())),
            record: Box::new(record),
        }
    }

    /// Makes one call; its answers are as many as were asked for.
    ///
    /// The permit comes first: a call that waits for one is not under way, and sees a breaker that opened
    /// meanwhile. Who gets one at the deadline has it from somebody whose time was up too: a call that would be
    /// dropped at once is not made.
    pub(super) async fn attempt<T: Answer>(
        &self,
        call: &Call<'_>,
        deadline: Option<Moment>,
        backend: impl Future<Output = Vec<Result<T>>>,
    ) -> Result<Vec<Result<T>>, Stop> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        if deadline.is_some_and(|deadline| deadline <= self.clock.now()) {
            return Err(Stop::TooLate);
        }
        let under_way = UnderWay::start(self, call).map_err(Stop::Refused)?;
        let mut answers = backend.instrument(under_way.span.clone()).await;
        answers.truncate(call.answers());
        let lacking = call.names.iter().skip(answers.len());
        answers.extend(lacking.map(|&name| Err(Error::unanswered().with_name(name))));
        under_way.end(&answers);
        Ok(answers)
    }

    /// Whether a call would be refused at that moment, as far as can be told now.
    pub(super) fn would_refuse(&self, call: &Call<'_>, at: Moment) -> bool {
        call.minds_breaker && self.breaker().refusal(at).is_some()
    }

    pub(super) fn breaker_is_open(&self) -> bool {
        self.breaker().is_open()
    }

    pub(super) fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    pub(super) fn in_flight(&self) -> usize {
        self.max_in_flight - self.permits.available_permits()
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // A panic under the lock can only come from a broken invariant of the breaker; what it holds stays true.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store is seen to have changed: what it failed at may be mended.
    pub(super) fn store_changed(&self) {
        let turn = self.breaker().reset();
        self.tell(turn.as_ref());
    }

    fn settle(&self, ticket: Ticket, end: End) {
        let turn = self.breaker().settle(ticket, end, self.clock.now(), (self.draw)());
        self.tell(turn.as_ref());
    }

    fn tell(&self, turn: Option<&Turn>) {
        match turn {
            Some(Turn::Opened) => tracing::warn!(store = &*self.store, "the store fails and is left alone"),
            Some(Turn::Closed) => tracing::info!(store = &*self.store, "the store answers again"),
            None => return,
        }
        metrics::breaker(&self.store, matches!(turn, Some(Turn::Opened)));
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("store", &self.store)
            .field("connector", &self.connector)
            .field("in_flight", &self.in_flight())
            .field("breaker_is_open", &self.breaker_is_open())
            .finish_non_exhaustive()
    }
}

/// A call that the backend has not answered yet. One that is dropped so, by a time-out or a panic, is a failure.
struct UnderWay<'g> {
    gate: &'g Gate,
    call: &'g Call<'g>,
    ticket: Option<Ticket>,
    since: Moment,
    span: Span,
    has_ended: bool,
}

impl<'g> UnderWay<'g> {
    fn start(gate: &'g Gate, call: &'g Call<'g>) -> Result<Self, Refusal> {
        let ticket = if call.minds_breaker { Some(gate.breaker().admit(gate.clock.now())?) } else { None };
        let span = tracing::debug_span!(
            "secret_store_call",
            store = &*gate.store,
            connector = &*gate.connector,
            operation = call.operation.as_str(),
            names = call.names.len(),
            outcome = field::Empty,
        );
        metrics::in_flight(&gate.store, gate.in_flight());
        Ok(UnderWay { gate, call, ticket, since: gate.clock.now(), span, has_ended: false })
    }

    fn end<T: Answer>(mut self, answers: &[Result<T>]) {
        let failed = |answer: &Result<T>| answer.as_ref().is_err_and(|error| error.kind().is_retryable());
        // One name that is answered is a store that answers.
        let end = if answers.iter().all(failed) { End::Failed } else { End::Answered };
        let outcome = answers.iter().map(outcome).find(Result::is_err).unwrap_or(Ok(()));
        let secrets = self.call.names.iter().zip(answers).map(|(&name, answer)| CallSecret {
            name,
            version: answer.as_ref().ok().and_then(Answer::version).or(self.call.version),
            outcome: self::outcome(answer),
        });
        let secrets: Vec<CallSecret<'_>> = secrets.collect();
        self.tell(end, outcome, &secrets);
    }

    fn tell(&mut self, end: End, outcome: Result<(), ErrorKind>, secrets: &[CallSecret<'_>]) {
        self.has_ended = true;
        if let Some(ticket) = self.ticket.take() {
            self.gate.settle(ticket, end);
        }
        self.span.record("outcome", outcome.map_or_else(ErrorKind::as_str, |()| "ok"));
        // The permit of this call is given back right after.
        metrics::in_flight(&self.gate.store, self.gate.in_flight().saturating_sub(1));
        let took = self.gate.clock.now().since(self.since);
        (self.gate.record)(&CallRecord {
            store: &self.gate.store,
            operation: self.call.operation,
            secrets,
            outcome,
            took,
        });
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let (version, outcome) = (self.call.version, Err(ErrorKind::Unavailable));
        let secrets: Vec<CallSecret<'_>> =
            self.call.names.iter().map(|&name| CallSecret { name, version, outcome }).collect();
        self.tell(End::Failed, outcome, &secrets);
    }
}

fn outcome<T>(answer: &Result<T>) -> Result<(), ErrorKind> {
    answer.as_ref().map(|_| ()).map_err(Error::kind)
}
