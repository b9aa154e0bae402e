//! The command `modelmesh`.

pub mod editor;
pub mod exit;
pub mod failure;
mod interrupt;
pub mod output;
pub mod private_dir;
pub mod process;
pub mod prompt;
