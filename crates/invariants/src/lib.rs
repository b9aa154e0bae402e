//! What must hold of each parser that reads hostile input, whatever it is given.
//!
//! A target is a function of bytes that panics where something does not hold. Two callers share these
//! functions, so that what one finds the other guards:
//!
//! - `fuzz/` hands them to libFuzzer, which needs a nightly compiler: `cargo xtask fuzz`.
//! - `tests/replay.rs` runs every input that fuzzing has kept through them, on stable, with every `cargo test`.
//!
//! Everything here goes through the public interface of the crates. No parser needs a door of its own for
//! fuzzers: a reference, a dotenv text and a configuration are parsed from text, and the encrypted file's
//! codec takes bytes.

mod configuration;
mod dotenv;
mod encrypted_file;
mod reference;
mod repeated;
mod silence;

pub use configuration::configuration;
pub use dotenv::dotenv;
pub use encrypted_file::encrypted_file;
pub use reference::reference;

/// A function that panics if what must hold of its parser does not hold for these bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its folders under `fuzz/` too.
pub const TARGETS: [(&str, Target); 4] = [
    ("reference", reference),
    ("dotenv", dotenv),
    ("encrypted_file", encrypted_file),
    ("configuration", configuration),
];
