//! Everything that is traced while a suite runs, searched as it passes.
//!
//! A store may log from threads of its own, so the capture is the process's global subscriber if nobody has
//! set one, and the subscriber of each case's future in any case. Several suites may run at once: each looks
//! for canaries of its own in whatever any of them logs.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, OnceLock, Weak},
};

use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, registry::LookupSpan};

use super::witness::{Channel, Witness};

static LISTENERS: Mutex<Vec<Weak<Witness>>> = Mutex::new(Vec::new());

/// Lets `witness` search all that is traced for as long as it lives. Gives the subscriber for its futures.
pub(super) fn listen(witness: &Arc<Witness>) -> Dispatch {
    static CAPTURE: OnceLock<Dispatch> = OnceLock::new();
    let mut listeners = LISTENERS.lock().expect("listening does not panic");
    listeners.retain(|listener| listener.strong_count() > 0);
    listeners.push(Arc::downgrade(witness));
    CAPTURE
        .get_or_init(|| {
            let capture = Dispatch::new(tracing_subscriber::registry().with(Capture));
            // Refused where the test has a subscriber of its own; then threads of the store's own go unseen.
            let _ = tracing::dispatcher::set_global_default(capture.clone());
            capture
        })
        .clone()
}

struct Capture;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        search(event.metadata(), |text| event.record(text));
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        search(attributes.metadata(), |text| attributes.record(text));
    }

    fn on_record(&self, span: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(span) {
            search(span.metadata(), |text| values.record(text));
        }
    }
}

fn search(metadata: &Metadata<'_>, record: impl Fn(&mut Text)) {
    let listeners: Vec<Arc<Witness>> = {
        let listeners = LISTENERS.lock().expect("listening does not panic");
        listeners.iter().filter_map(Weak::upgrade).collect()
    };
    if listeners.is_empty() {
        return;
    }
    let mut text = Text(String::new());
    record(&mut text);
    let place = format!("the {} trace of '{}'", metadata.level(), metadata.target());
    for listener in listeners {
        listener.search(Channel::Tracing, text.0.as_bytes(), &place);
    }
}

/// The fields as text: strings both as they are and as `Debug` shows them.
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push_str(value);
        self.record_debug(field, &value);
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.0.push_str(&String::from_utf8_lossy(value));
        self.record_debug(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, " {}={value:?}", field.name());
    }
}
