//! Connectors of ModelMesh secrets: one file or folder each, and [`registry`], the one list of them.

pub mod age_file;
pub mod audit;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
pub mod blocking;
pub mod configuration;
pub mod connector;
pub mod disk;
pub mod dotenv;
pub mod encrypted_file;
pub mod env;
pub mod environment;
pub mod file;
#[cfg(feature = "google")]
pub mod google;
mod json;
#[cfg(feature = "keyring")]
pub mod keyring;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod memory;
#[cfg(feature = "network")]
mod network;
#[cfg(feature = "onepassword")]
pub mod onepassword;
pub mod open;
mod passphrase;
pub mod registry;
pub mod unsaved;
#[cfg(feature = "vault")]
pub mod vault;
