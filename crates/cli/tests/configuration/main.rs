//! `init`, `check`, `explain`, `render`, `run`, `stores` and `schema` as people and scripts meet them: real
//! processes, real files, a real terminal.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

mod check;
mod discovery;
mod environments;
mod explain;
mod hostile;
mod init;
mod project;
#[path = "../process/pty.rs"]
#[allow(dead_code, reason = "shared with the tests of processes, which use more of it")]
mod pty;
mod render;
mod run;
mod stores;
