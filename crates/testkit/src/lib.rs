//! Proof for secret stores.
//!
//! - [`conformance`]: one suite that any store can be put to.
//! - [`canary`]: unique values that must be found nowhere, and the search for them.
//! - [`faults`]: a store that fails, waits and panics as told, and counts what it is asked.
//! - [`broken`]: stores that are wrong in one way each: the proof that the suite can fail.
//! - [`supply`]: a store that has a value under every name and keeps none, for tests of memory and speed.
//! - [`life`]: everything that happens to a store in production, at random, for as long as one likes.
//! - [`secret_service`]: a private Secret Service for tests of keyrings.
//! - `servers` (feature `servers`): servers of secret stores, and a proxy that injects faults.
//! - [`ReferenceStore`]: a small correct store, for tests that need some store.
//!
//! # Proving a store of your own
//!
//! Say how a fresh store is made and how its data is opened again, and look at the report:
//!
//! ```
//! use std::sync::Arc;
//! use modelmesh_secrets::{SecretStoreConnector, async_trait};
//! use modelmesh_testkit::{ReferenceBacking, ReferenceStore as MyStore, conformance::{self, StoreFactory}};
//! # use std::sync::Mutex;
//!
//! #[derive(Default)]
//! struct MyStores(Mutex<ReferenceBacking>); // for a file store, the folder of the file made last
//!
//! #[async_trait]
//! impl StoreFactory for MyStores {
//!     fn label(&self) -> &str { "my store" }
//!     async fn empty(&self) -> Arc<dyn SecretStoreConnector> {
//!         *self.0.lock().unwrap() = ReferenceBacking::new();
//!         Arc::new(MyStore::new(self.0.lock().unwrap().clone()))
//!     }
//!     async fn reopen(&self) -> Option<Arc<dyn SecretStoreConnector>> {
//!         Some(Arc::new(MyStore::new(self.0.lock().unwrap().clone())))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let report = conformance::run(&MyStores::default()).await;
//! report.assert_green();
//! # });
//! ```

pub mod broken;
pub mod canary;
pub mod conformance;
pub mod faults;
pub mod life;
mod reference_store;
pub mod secret_service;
#[cfg(feature = "servers")]
pub mod servers;
pub mod supply;

pub use reference_store::{ReferenceBacking, ReferenceFactory, ReferenceStore};
