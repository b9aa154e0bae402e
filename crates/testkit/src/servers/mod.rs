//! Servers for tests of network stores: real ones in processes of their own, and protocol servers where no real
//! one can be had.
//!
//! They listen on loopback, on ports that were free, keep what they hold in a temporary folder or in memory, and end
//! when dropped. `cargo xtask test` installs what they need; without it they panic and say so.

pub mod aws;
pub mod azure;
pub mod google;
pub mod kubernetes;
pub mod onepassword;
mod process;
pub mod proxy;
mod serving;
pub mod stranger;
pub mod vault;

pub use process::{ServerProcess, free_port, python_program};
