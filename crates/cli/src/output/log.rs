//! What libraries log, told to people.
//!
//! A warning of the stores (a file that others may read, a variable that hides a secret) is a warning of the
//! command. With `RUST_LOG`, everything that it asks for goes to standard error instead, with times and places.

use std::{
    fmt::{self, Write as _},
    sync::{Mutex, PoisonError},
};

use anstream::ColorChoice;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    layer::{Context, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use super::Output;

/// The variable that asks for logs.
const RUST_LOG: &str = "RUST_LOG";

/// The first part of the targets of this project's crates.
const OURS: &str = "modelmesh";

/// Listens to logs from now on. In a process where somebody listens already, that stays so.
pub(crate) fn listen(json: bool, color: ColorChoice) {
    let mut output = Output::process(json, color);
    let asked = std::env::var(RUST_LOG).ok().filter(|filter| !filter.is_empty());
    let filter = asked.map(|filter| filter.parse::<EnvFilter>());
    let listening = match filter {
        Some(Ok(filter)) => {
            let text = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
            tracing_subscriber::registry().with(text.with_filter(filter)).try_init()
        }
        none_or_wrong => {
            if none_or_wrong.is_some() {
                output.warn("RUST_LOG is not a filter of logs, so it is passed over", Some("RUST_LOG=debug"));
            }
            tracing_subscriber::registry().with(Warnings(Mutex::new(output))).try_init()
        }
    };
    // Only a test that calls the command twice in one process finds a listener there.
    let _ = listening;
}

struct Warnings(Mutex<Output>);

impl<S: Subscriber> Layer<S> for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with(OURS)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let Said { mut message, fields } = said;
        if !fields.is_empty() {
            let _ = write!(message, " ({fields})");
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).warn(&message, None);
    }
}

/// The message of an event, and its other fields.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            let separator = if self.fields.is_empty() { "" } else { ", " };
            write!(self.fields, "{separator}{}: {value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
