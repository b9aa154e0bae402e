//! The whole command, as it is installed, beside the tools that people have: age, jq, Python, mounts, kills.
//!
//! Left out of a plain `cargo test`, for it needs what a toolchain does not bring, and takes minutes:
//!
//! - `age`, `jq`, `python3`, and util-linux (`unshare`, `mount`, `setsid`), from packages of those names;
//! - a Python environment with `modelmesh-lite==0.1.1`, `cryptography` and `PyYAML`, whose interpreter
//!   `MODELMESH_TEST_PYTHON` names;
//! - the right to mount, as root or in a user namespace.
//!
//! ```sh
//! cargo test -p modelmesh-cli --test system
//! ```
//!
//! A tool that is not there fails the tests that need it. `MODELMESH_TEST_KILLS` sets how many processes are
//! killed (2000).

#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in what its functions share too")]

mod check;
mod disasters;
mod exactness;
mod first_run;
mod hostile;
mod interop;
mod kills;
mod leaks;
mod memory;
mod mounts;
mod namespace;
mod network;
mod people;
mod project;
#[allow(dead_code, reason = "shared with the tests of processes, which use all of it")]
#[path = "../process/pty.rs"]
mod pty;
mod run;
mod together;
mod tools;
