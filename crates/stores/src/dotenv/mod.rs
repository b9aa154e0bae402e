//! `modelmesh.dotenv.v1`: a `.env` file, read as its dialects agree and written so that they all can.

mod edit;
mod parse;
mod store;

pub use edit::{Change, KEYS, edit};
pub use parse::{Entry, parse};
pub(crate) use store::{CONNECTOR, Text};
pub use store::{DotenvFile, DotenvStore};
