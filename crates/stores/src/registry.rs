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

#[cfg(test)]
mod tests {
    use modelmesh_secrets::setting::{Setting, SettingKind};

    use super::*;

    /// The variables that the default of a secret setting names.
    fn named(settings: &'static [Setting]) -> Vec<&'static str> {
        let is_variable =
            |word: &&str| word.contains('_') && !word.contains(|c: char| c.is_ascii_lowercase());
        let of = |setting: &'static Setting| match setting.kind {
            SettingKind::Group(settings) => named(settings),
            SettingKind::Secret => {
                let words =
                    setting.default.unwrap_or_default().split(|c: char| !c.is_alphanumeric() && c != '_');
                words.filter(is_variable).collect()
            }
            _ => Vec::new(),
        };
        settings.iter().flat_map(of).collect()
    }

    #[test]
    fn a_variable_that_a_credential_is_taken_from_is_known_as_one() {
        for Connector { spec, .. } in CONNECTORS {
            for variable in named(spec.settings) {
                assert!(spec.credential_variables.contains(&variable), "{}: {variable}", spec.id);
            }
        }
        #[cfg(feature = "vault")]
        assert_eq!(named(crate::vault::CONNECTOR.spec.settings), ["BAO_TOKEN", "VAULT_TOKEN"]);
    }
}
