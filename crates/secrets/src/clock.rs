//! Time, injected: the engine never asks the machine directly.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use event_listener::EventListener;
use jiff::Timestamp;

use crate::engine::background;

/// A point in time of a [`Clock`], since that clock's own origin. It counts the time a machine sleeps.
///
/// In nanoseconds, of which there are enough for 584 years; half the size of a [`Duration`], for the engine keeps
/// several for every secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// The moment this long after the clock's origin.
    pub fn after_origin(duration: Duration) -> Self {
        Moment(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The moment `duration` later; the end of time if there is none.
    pub fn later(self, duration: Duration) -> Self {
        Moment(self.0.saturating_add(Moment::after_origin(duration).0))
    }

    /// The time from `earlier` to this moment; zero if it is not earlier.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Something that wants to know when time has passed.
pub trait Alarm: Send + Sync {
    /// Does what is due, and says how long until something is due again; none if nothing ever is.
    fn ring(&self) -> Option<Duration>;

    /// Notified when something becomes due earlier than [`ring`](Alarm::ring) last said.
    fn hurry(&self) -> EventListener;
}

/// Where the engine gets its time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now, on a clock that never goes back and counts the time a machine sleeps.
    fn now(&self) -> Moment;

    /// Now, by the calendar: for a value's `expires_at`.
    fn wall(&self) -> Timestamp;

    /// Waits for this long.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Rings `alarm` whenever it is due, until it is dropped.
    fn attach(&self, alarm: Weak<dyn Alarm>);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// How late an alarm may ring after the machine woke from sleep: timers of the system stand still meanwhile,
/// so the clock is looked at this often.
const LATEST_AFTER_SLEEP: Duration = Duration::from_secs(1);

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        // What `Instant` asks on these stands still while the machine sleeps: CLOCK_MONOTONIC of Linux, and
        // CLOCK_UPTIME_RAW of Apple, whose CLOCK_MONOTONIC does not.
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        {
            #[cfg(target_vendor = "apple")]
            let clock = rustix::time::ClockId::Monotonic;
            #[cfg(not(target_vendor = "apple"))]
            let clock = rustix::time::ClockId::Boottime;
            let now = rustix::time::clock_gettime(clock);
            Moment::after_origin(Duration::new(
                u64::try_from(now.tv_sec).unwrap_or_default(),
                u32::try_from(now.tv_nsec).unwrap_or_default(),
            ))
        }
        #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
        {
            static ORIGIN: std::sync::LazyLock<std::time::Instant> =
                std::sync::LazyLock::new(std::time::Instant::now);
            Moment::after_origin(ORIGIN.elapsed())
        }
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(background::sleep(duration))
    }

    fn attach(&self, alarm: Weak<dyn Alarm>) {
        background::spawn(async move {
            loop {
                // The listener is made before the alarm is rung, so that no call to hurry falls in between.
                let Some(strong) = alarm.upgrade() else { return };
                let hurry = strong.hurry();
                // What it tells of runs code that is not ours, and values end by this timer alone: it must not die.
                let rung = catch_unwind(AssertUnwindSafe(|| strong.ring()));
                let due = rung.unwrap_or(Some(LATEST_AFTER_SLEEP));
                drop(strong);
                match due {
                    None => hurry.await,
                    Some(due) => {
                        tokio::select! {
                            () = hurry => {}
                            () = tokio::time::sleep(due.min(LATEST_AFTER_SLEEP)) => {}
                        }
                    }
                }
            }
        });
    }
}

/// A clock that stands still until it is told to advance: for tests.
///
/// [`advance`](ManualClock::advance) rings every alarm that falls due before it returns.
///
/// ```
/// use std::time::Duration;
/// use modelmesh_secrets::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clock.now().since(before), Duration::from_secs(5));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<Mutex<Manual>>);

#[derive(Default)]
struct Manual {
    now: Moment,
    alarms: Vec<Weak<dyn Alarm>>,
    sleepers: Vec<(Moment, Waker)>,
}

impl fmt::Debug for Manual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manual").field("now", &self.now).finish_non_exhaustive()
    }
}

impl ManualClock {
    /// A clock at its origin, which is also the calendar's: 1970-01-01T00:00:00Z.
    pub fn new() -> Self {
        ManualClock::default()
    }

    /// Lets `duration` pass.
    pub fn advance(&self, duration: Duration) {
        let (alarms, woken) = {
            let mut manual = self.lock();
            manual.now = manual.now.later(duration);
            let now = manual.now;
            manual.alarms.retain(|alarm| alarm.strong_count() > 0);
            let (due, later) = manual.sleepers.drain(..).partition(|(until, _)| *until <= now);
            manual.sleepers = later;
            (manual.alarms.clone(), due as Vec<(Moment, Waker)>)
        };
        for alarm in alarms.iter().filter_map(Weak::upgrade) {
            alarm.ring();
        }
        for (_, waker) in woken {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Manual> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        self.lock().now
    }

    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.now().since(Moment::default())
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(ManualSleep { until: self.now().later(duration), clock: self.clone() })
    }

    fn attach(&self, alarm: Weak<dyn Alarm>) {
        self.lock().alarms.push(alarm);
    }
}

struct ManualSleep {
    until: Moment,
    clock: ManualClock,
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut manual = self.clock.lock();
        if manual.now >= self.until {
            return Poll::Ready(());
        }
        manual.sleepers.push((self.until, context.waker().clone()));
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Panics when it is first rung.
    #[derive(Default)]
    struct Startled {
        rung: AtomicUsize,
        hurry: event_listener::Event,
    }

    impl Alarm for Startled {
        fn ring(&self) -> Option<Duration> {
            assert_ne!(self.rung.fetch_add(1, Ordering::SeqCst), 0, "the first time");
            None
        }

        fn hurry(&self) -> EventListener {
            self.hurry.listen()
        }
    }

    #[test]
    fn an_alarm_that_panics_rings_again() {
        let alarm = Arc::new(Startled::default());
        let weak: Weak<dyn Alarm> = Arc::downgrade(&alarm) as Weak<dyn Alarm>;
        SystemClock.attach(weak);
        let started = std::time::Instant::now();
        while alarm.rung.load(Ordering::SeqCst) < 2 {
            assert!(started.elapsed() < Duration::from_mins(1), "it rings no more");
            alarm.hurry.notify(usize::MAX);
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_sleep_outlives_the_runtime_that_began_it() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let first = runtime();
        let sleep = {
            let _entered = first.enter();
            SystemClock.sleep(Duration::from_millis(1))
        };
        drop(first);
        runtime().block_on(sleep);
    }
}
