//! `modelmesh secrets` as people and scripts meet it: real processes, real files, a real terminal.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

mod delete;
mod edit;
mod export;
mod import;
mod leaks;
mod misuse;
mod project;
#[path = "../process/pty.rs"]
#[allow(dead_code, reason = "shared with the tests of processes, which use more of it")]
mod pty;
mod rekey;
mod set;
