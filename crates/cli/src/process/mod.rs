//! Processes: this one, made hard to spy on, and the child that `run` starts.

mod exec;
mod harden;
mod loader;
mod pattern;
mod pump;
mod redact;
mod supervise;
mod variables;

pub use exec::replace;
pub use harden::Hardened;
pub use pattern::{MINIMUM, Patterns};
pub use redact::{MASK, Redactor};
pub use supervise::run_redacted;
pub use variables::Variables;
