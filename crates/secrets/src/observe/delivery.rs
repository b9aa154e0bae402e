//! Delivery of events: one at a time, in order, outside every lock.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{EVENTS, Event, lock};

/// Ends a subscription when it is dropped.
///
/// No call begins after that. One that another thread has begun may still be under way.
#[must_use = "a subscription that is dropped has ended"]
pub struct Subscription {
    list: Weak<Mutex<Vec<Subscriber>>>,
    id: u64,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(list) = self.list.upgrade() else { return };
        let ended = {
            let mut list = lock(&list);
            list.iter().position(|subscriber| subscriber.id == self.id).map(|at| list.remove(at))
        };
        // Not under the lock: the callback may own anything, another subscription to this list included.
        drop(ended);
    }
}

#[derive(Clone)]
struct Subscriber {
    id: u64,
    call: Arc<dyn Fn(&Event) + Send + Sync>,
}

/// Who wants to know, and what they are yet to be told.
#[derive(Default)]
pub(super) struct Subscribers {
    list: Arc<Mutex<Vec<Subscriber>>>,
    next: AtomicU64,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    is_delivering: bool,
}

impl Subscribers {
    pub(super) fn subscribe(&self, call: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.list).push(Subscriber { id, call: Arc::new(call) });
        Subscription { list: Arc::downgrade(&self.list), id }
    }

    pub(super) fn queue(&self, event: Event) {
        lock(&self.queue).events.push_back(event);
    }

    /// Tells everyone what is queued, in order, and `first` before them. Who comes while another delivers
    /// leaves it to them, so that events are told one at a time, and a subscriber that causes an event does
    /// not wait for itself.
    pub(super) fn deliver(&self, first: impl Fn(&Event)) {
        {
            let mut queue = lock(&self.queue);
            if queue.is_delivering || queue.events.is_empty() {
                return;
            }
            queue.is_delivering = true;
        }
        while let Some(event) = &self.take_next() {
            unhindered(event, "what records events panicked", || first(event));
            let subscribers = lock(&self.list).clone();
            for subscriber in subscribers {
                // Dropped within: if its subscription has ended meanwhile, this is the last of it.
                unhindered(event, "a subscriber of events panicked", move || {
                    if self.has(subscriber.id) {
                        (subscriber.call)(event);
                    }
                });
            }
        }
    }

    /// The next event; if there is none, the delivery is over, and whoever queues another one begins anew. One
    /// lock sees to both, so that no event is left behind.
    fn take_next(&self) -> Option<Event> {
        let mut queue = lock(&self.queue);
        let event = queue.events.pop_front();
        queue.is_delivering = event.is_some();
        event
    }

    fn has(&self, id: u64) -> bool {
        lock(&self.list).iter().any(|subscriber| subscriber.id == id)
    }
}

/// Runs code that is not ours, whose panic must stop neither the delivery nor the call that caused the event.
fn unhindered(event: &Event, complaint: &'static str, run: impl FnOnce()) {
    // A panic's message is its author's own, and may hold anything: it is not repeated.
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        tracing::error!(target: EVENTS, event = event.kind.as_str(), "{complaint}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use jiff::Timestamp;

    use super::*;
    use crate::observe::{EventKind, Subject};

    fn event_of(store: &str, version: u64) -> Event {
        Event {
            at: Timestamp::UNIX_EPOCH,
            subject: Subject::Secret { store: store.into(), name: "key".into(), selector: None },
            kind: EventKind::Resolved { version: version.into() },
        }
    }

    fn version(event: &Event) -> u64 {
        match &event.kind {
            EventKind::Resolved { version } => version.as_str().parse().unwrap(),
            other => panic!("not queued here: {other:?}"),
        }
    }

    /// A list that a subscriber fills.
    fn collecting(subscribers: &Subscribers) -> (Arc<Mutex<Vec<u64>>>, Subscription) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        let subscription = subscribers.subscribe(move |event| lock(&list).push(version(event)));
        (told, subscription)
    }

    fn tell(subscribers: &Subscribers, version: u64) {
        subscribers.queue(event_of("s", version));
        subscribers.deliver(|_| {});
    }

    #[test]
    fn events_of_one_subject_come_in_order_and_all_of_them_whichever_thread_delivers() {
        const EACH: u64 = 500;
        let stores = ["a", "b", "c", "d"];
        let subscribers = Subscribers::default();
        let told: Arc<Mutex<Vec<(Subject, u64)>>> = Arc::default();
        let list = Arc::clone(&told);
        let _subscription =
            subscribers.subscribe(move |event| lock(&list).push((event.subject.clone(), version(event))));
        std::thread::scope(|scope| {
            for store in stores {
                let subscribers = &subscribers;
                scope.spawn(move || {
                    for number in 0..EACH {
                        subscribers.queue(event_of(store, number));
                        subscribers.deliver(|_| {});
                    }
                });
            }
        });
        // Every thread delivered after it queued its last, so nothing is left whoever was last to deliver.
        let told = lock(&told);
        for store in stores {
            let subject = event_of(store, 0).subject;
            let of_store: Vec<u64> =
                told.iter().filter(|(of, _)| *of == subject).map(|(_, number)| *number).collect();
            assert_eq!(of_store, (0..EACH).collect::<Vec<_>>(), "store {store}");
        }
    }

    #[test]
    fn a_panic_of_a_subscriber_hinders_neither_the_others_nor_the_next_event() {
        let subscribers = Subscribers::default();
        let _bad = subscribers.subscribe(|_| panic!("of the subscriber's own"));
        let (told, _good) = collecting(&subscribers);
        tell(&subscribers, 1);
        tell(&subscribers, 2);
        assert_eq!(*lock(&told), [1, 2]);
    }

    #[test]
    fn a_panic_of_what_records_events_hinders_no_subscriber() {
        let subscribers = Subscribers::default();
        let (told, _subscription) = collecting(&subscribers);
        for number in [1, 2] {
            subscribers.queue(event_of("s", number));
            subscribers.deliver(|_| panic!("a recorder's own"));
        }
        assert_eq!(*lock(&told), [1, 2]);
    }

    #[test]
    fn an_event_that_a_subscriber_causes_is_told_after_the_one_it_was_told() {
        let subscribers = Arc::new(Subscribers::default());
        let again = Arc::downgrade(&subscribers);
        let depth = AtomicU64::new(0);
        let _causes = subscribers.subscribe(move |event| {
            assert_eq!(depth.fetch_add(1, Ordering::Relaxed), 0, "called within its own call");
            if version(event) < 3 {
                tell(&again.upgrade().unwrap(), version(event) + 1);
            }
            depth.fetch_sub(1, Ordering::Relaxed);
        });
        let (told, _subscription) = collecting(&subscribers);
        tell(&subscribers, 1);
        assert_eq!(*lock(&told), [1, 2, 3]);
    }

    #[test]
    fn a_subscription_can_end_in_its_own_call() {
        let subscribers = Subscribers::default();
        let own: Arc<Mutex<Option<Subscription>>> = Arc::default();
        let (calls, count) = (Arc::new(AtomicU64::new(0)), Arc::clone(&own));
        let counted = Arc::clone(&calls);
        *lock(&own) = Some(subscribers.subscribe(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            let ended = lock(&count).take();
            drop(ended);
        }));
        tell(&subscribers, 1);
        tell(&subscribers, 2);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_subscription_that_another_subscriber_ended_is_not_told_even_this_event() {
        let subscribers = Subscribers::default();
        let other: Arc<Mutex<Option<Subscription>>> = Arc::default();
        let ends = Arc::clone(&other);
        let _first = subscribers.subscribe(move |_| drop(lock(&ends).take()));
        let (told, subscription) = collecting(&subscribers);
        *lock(&other) = Some(subscription);
        tell(&subscribers, 1);
        assert_eq!(*lock(&told), [0; 0]);
    }

    #[test]
    fn a_callback_that_owns_a_subscription_ends_it_when_it_goes() {
        let subscribers = Subscribers::default();
        let (told, inner) = collecting(&subscribers);
        let outer = subscribers.subscribe(move |_| _ = &inner);
        drop(outer);
        tell(&subscribers, 1);
        assert_eq!(*lock(&told), [0; 0]);
    }

    #[test]
    fn nothing_is_locked_while_a_subscriber_is_called() {
        let subscribers = Arc::new(Subscribers::default());
        let (told, _subscription) = collecting(&subscribers);
        let inside = Arc::downgrade(&subscribers);
        let late: Mutex<Vec<Subscription>> = Mutex::default();
        let _waits = subscribers.subscribe(move |event| {
            if version(event) > 1 {
                return;
            }
            // Another thread subscribes, queues and delivers, and this call waits for it.
            let (done, is_done) = mpsc::channel();
            let subscribers = inside.upgrade().unwrap();
            std::thread::spawn(move || {
                let subscription = subscribers.subscribe(|_| {});
                tell(&subscribers, 2);
                done.send(subscription).unwrap();
            });
            let subscription = is_done.recv_timeout(std::time::Duration::from_secs(30));
            lock(&late).push(subscription.expect("the other thread waits for a lock"));
        });
        tell(&subscribers, 1);
        assert_eq!(*lock(&told), [1, 2]);
    }
}
