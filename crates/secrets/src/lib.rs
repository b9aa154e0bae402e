//! The contract and the engine of ModelMesh secrets.
//!
//! Configuration refers to a secret by name, `${secrets:openai-key}`; this crate says what a name, a value, a
//! store and a reference are, and resolves references through stores with a cache in between. It touches no
//! files and no network: connectors live in `modelmesh-stores`.

mod base;
mod chain;
pub mod clock;
pub mod config;
pub mod document;
pub mod duration;
mod engine;
mod error;
mod guard;
pub mod live;
mod name;
mod naming;
pub mod observe;
pub mod plan;
mod policy;
mod printable;
pub mod reference;
mod resolver;
pub mod setting;
mod store;
mod value;

pub use async_trait::async_trait;
pub use base::{BaseSecretStore, Builder, Resolve};
pub use chain::ChainStore;
pub use engine::{AuthFailure, Claim, Landing, Waiting, Watch};
pub use error::{Error, ErrorKind, Result};
pub use guard::GuardedStore;
pub use name::SecretName;
pub use naming::{NamedStore, Naming, NamingRule};
pub use policy::{Breaker, OnInitOutage, RESOLUTION_SETTINGS, ResolutionPolicy, Retry};
pub use printable::{Printable, misleads, printable};
pub use resolver::{Resolution, Resolver, StoreFailures, StoreSource};
pub use secrecy::{ExposeSecret, SecretString};
pub use store::{Capabilities, Change, NameRule, SecretManagement, SecretResolution, SecretStoreConnector};
pub use value::{SecretValue, Version};

/// To be called in the child of a fork, before anything else of this crate: no thread of the parent is there.
///
/// - The background thread is started anew when it is first needed.
/// - Stores of the parent must not be used: a fetch that was under way never ends, and sockets are shared with the
///   parent. Open them anew, and let them [inherit](BaseSecretStore::inherit) what is cached.
pub fn forked() {
    engine::forked();
}

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmeExamples;
