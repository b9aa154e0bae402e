//! The one list of connectors.

use modelmesh_secrets::setting::ConnectorSpec;

pub use crate::connector::{Connector, HostConnectors, OpenContext, PassphrasePrompt};

/// Every connector of this build.
pub const CONNECTORS: &[Connector] = &[
    crate::env::CONNECTOR,
    crate::dotenv::CONNECTOR,
    crate::file::CONNECTOR,
    crate::memory::CONNECTOR,
    crate::encrypted_file::CONNECTOR,
    crate::age_file::CONNECTOR,
    #[cfg(feature = "keyring")]
    crate::keyring::CONNECTOR,
    #[cfg(feature = "kubernetes")]
    crate::kubernetes::CONNECTOR,
    #[cfg(feature = "aws")]
    crate::aws::CONNECTOR,
    #[cfg(feature = "google")]
    crate::google::CONNECTOR,
    #[cfg(feature = "azure")]
    crate::azure::CONNECTOR,
    #[cfg(feature = "onepassword")]
    crate::onepassword::CONNECTOR,
    #[cfg(feature = "vault")]
    crate::vault::CONNECTOR,
];

/// The connector with this ID. The prefix `secret-store.` of older configurations is read too.
pub fn connector(id: &str) -> Option<&'static Connector> {
    let id = id.strip_prefix("secret-store.").unwrap_or(id);
    CONNECTORS.iter().find(|connector| connector.spec.id == id)
}

/// The specification of every connector, for [`modelmesh_secrets::config`].
pub fn catalogue() -> Vec<ConnectorSpec> {
    CONNECTORS.iter().map(|connector| connector.spec).collect()
}
