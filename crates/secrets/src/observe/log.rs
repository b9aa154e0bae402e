//! Events as `tracing` shows them: each at the level of the attention it deserves.

use std::time::Duration;

use tracing::{Level, field};

use super::{EVENTS, Event, EventKind, Subject};
use crate::{ErrorKind, Version, printable};

/// Writes the event to the log.
pub(super) fn write(event: &Event) {
    // A macro, for a level is a part of the place in the code.
    macro_rules! at {
        ($level:ident, $event:ident) => {{
            let Shown { store, name, provider } = Shown::of(&$event.subject);
            let Details { version, from, reason, generation, lag, at_most, error, said } = Details::of(&$event.kind);
            tracing::$level!(
                target: EVENTS,
                event = $event.kind.as_str(),
                store = store.map(field::display),
                name = name.map(field::display),
                provider = provider.map(field::display),
                version = version.map(field::display),
                from = from.map(field::display),
                reason,
                generation,
                lag_seconds = lag.map(|lag| lag.as_secs_f64()),
                at_most_seconds = at_most.map(|most| most.as_secs_f64()),
                error = error.map(field::display),
                "{said}"
            );
        }};
    }
    match level(&event.kind) {
        Level::WARN => at!(warn, event),
        Level::INFO => at!(info, event),
        _ => at!(debug, event),
    }
}

fn level(kind: &EventKind) -> Level {
    match kind {
        EventKind::ServedStale { .. }
        | EventKind::Revoked { .. }
        | EventKind::Expired
        | EventKind::FellBack { .. }
        | EventKind::ActivationFailed { .. }
        | EventKind::Deactivated { .. } => Level::WARN,
        EventKind::Rotated { .. } | EventKind::Recovered | EventKind::Activated { .. } => Level::INFO,
        EventKind::Resolved { .. } | EventKind::RefreshFailed { .. } => Level::DEBUG,
    }
}

/// To what an event happened. Names are escaped: they come from files and backends.
struct Shown<'e> {
    store: Option<crate::Printable<'e>>,
    name: Option<crate::Printable<'e>>,
    provider: Option<crate::Printable<'e>>,
}

impl<'e> Shown<'e> {
    fn of(subject: &'e Subject) -> Self {
        match subject {
            Subject::Secret { store, name, .. } => {
                Shown { store: Some(printable(store)), name: Some(printable(name)), provider: None }
            }
            Subject::Provider { id } => Shown { store: None, name: None, provider: Some(printable(id)) },
        }
    }
}

/// What an event has beyond its subject.
#[derive(Default)]
struct Details<'e> {
    version: Option<&'e Version>,
    from: Option<&'e Version>,
    reason: Option<&'static str>,
    generation: Option<u64>,
    lag: Option<Duration>,
    at_most: Option<Duration>,
    error: Option<&'e crate::Error>,
    said: &'static str,
}

impl<'e> Details<'e> {
    fn of(kind: &'e EventKind) -> Self {
        let said = |said| Details { said, ..Details::default() };
        let kind_of = |reason: &ErrorKind| Some(reason.as_str());
        match kind {
            EventKind::Resolved { version } => {
                Details { version: Some(version), ..said("a secret has a value") }
            }
            EventKind::Rotated { from, to, lag } => Details {
                version: Some(to),
                from: Some(from),
                lag: Some(*lag),
                ..said("a secret has another value")
            },
            EventKind::RefreshFailed { error } => {
                Details { error: Some(error), ..said("a secret could not be refreshed") }
            }
            EventKind::ServedStale { reason, at_most } => Details {
                reason: kind_of(reason),
                at_most: Some(*at_most),
                ..said("a secret is served stale, for its store cannot answer")
            },
            EventKind::Recovered => said("a secret's store answers again"),
            EventKind::Revoked { reason } => {
                Details { reason: kind_of(reason), ..said("a secret is gone: its store says so") }
            }
            EventKind::Expired => said("a secret's value has expired, and is served no more"),
            EventKind::FellBack { from, to } => Details {
                version: Some(to),
                from: Some(from),
                ..said("the version before is served again, for the new one was refused")
            },
            EventKind::Activated { generation, reason } => Details {
                generation: Some(*generation),
                reason: Some(reason),
                ..said("a provider has a new generation")
            },
            EventKind::ActivationFailed { reason, error } => Details {
                reason: Some(reason),
                error: Some(error),
                ..said("a provider could not be activated")
            },
            EventKind::Deactivated { error } => {
                Details { error: Some(error), ..said("a provider has no values any more") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fmt::{self, Write as _},
        sync::{Arc, Mutex},
    };

    use jiff::Timestamp;
    use tracing::field::{Field, Visit};
    use tracing_subscriber::{
        Layer,
        layer::{Context, SubscriberExt as _},
    };

    use super::*;
    use crate::{Error, observe::lock};

    /// Every event as `LEVEL TARGET field=value …`.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> Layer<S> for Lines {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
            event.record(&mut line);
            lock(&self.0).push(line.0);
        }
    }

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }

    fn written(subject: Subject, kind: EventKind) -> String {
        let lines = Lines::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines.clone()), || {
            write(&Event { at: Timestamp::UNIX_EPOCH, subject, kind });
        });
        let line = lock(&lines.0).pop();
        line.unwrap()
    }

    fn secret(name: &str) -> Subject {
        Subject::Secret { store: "prod".into(), name: name.into(), selector: None }
    }

    #[test]
    fn an_event_shows_its_subject_its_versions_and_nothing_it_does_not_have() {
        let kind = EventKind::Rotated { from: 1.into(), to: 2.into(), lag: Duration::from_millis(1500) };
        assert_eq!(
            written(secret("openai-key"), kind),
            "INFO modelmesh_secrets::event message=a secret has another value event=\"rotated\" store=prod \
             name=openai-key version=2 from=1 lag_seconds=1.5"
        );
        let kind = EventKind::Activated { generation: 4, reason: "rotation" };
        assert_eq!(
            written(Subject::Provider { id: "openai".into() }, kind),
            "INFO modelmesh_secrets::event message=a provider has a new generation event=\"activated\" \
             provider=openai reason=\"rotation\" generation=4"
        );
    }

    #[test]
    fn what_needs_a_person_is_a_warning() {
        let error = || Error::new(ErrorKind::Unavailable, "down");
        let (from, to) = (Version::from(2), Version::from(1));
        for kind in [
            EventKind::ServedStale { reason: ErrorKind::Io, at_most: Duration::from_secs(1) },
            EventKind::Revoked { reason: ErrorKind::Disabled },
            EventKind::Expired,
            EventKind::FellBack { from, to },
            EventKind::ActivationFailed { reason: "manual", error: error() },
            EventKind::Deactivated { error: error() },
        ] {
            let line = written(secret("k"), kind);
            assert!(line.starts_with("WARN "), "{line}");
        }
        let line = written(secret("k"), EventKind::RefreshFailed { error: error() });
        assert!(line.starts_with("DEBUG ") && line.ends_with("error=down"), "{line}");
    }

    #[test]
    fn names_are_escaped_and_of_an_error_its_causes_are_not_shown() {
        let cause = std::io::Error::other("what the backend said, whole");
        let error = Error::new(ErrorKind::Unavailable, "down\u{1b}[2J").with_source(cause);
        let line = written(secret("a\u{202e}b"), EventKind::Deactivated { error });
        assert!(line.contains("name=a\\u{202e}b") && line.contains("error=down\\u{1b}[2J"), "{line}");
        assert!(!line.contains("whole"), "{line}");
    }
}
