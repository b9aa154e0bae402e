//! The contract and the engine of ModelMesh secrets.
//!
//! Configuration refers to a secret by name, `${secrets:openai-key}`; this crate says what a name, a value, a
//! store and a reference are, and resolves references through stores with a cache in between. It touches no
//! files and no network: connectors live in `modelmesh-stores`.

mod error;
mod name;
mod printable;
pub mod reference;
pub mod setting;
mod store;
mod value;

pub use async_trait::async_trait;
pub use error::{Error, ErrorKind, Result};
pub use name::SecretName;
pub use printable::{Printable, misleads, printable};
pub use secrecy::{ExposeSecret, SecretString};
pub use store::{Capabilities, NameRule, SecretManagement, SecretResolution, SecretStoreConnector};
pub use value::{SecretValue, Version};
