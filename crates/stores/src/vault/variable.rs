//! What Vault's and OpenBao's own tools read from the environment.

use std::{path::PathBuf, sync::Arc};

use crate::environment::Environment;

/// A variable by its two names: OpenBao's tools read theirs first, and Vault's if that is not set.
pub(super) type Names = [&'static str; 2];

pub(super) const ADDRESS: Names = ["BAO_ADDR", "VAULT_ADDR"];
pub(super) const TOKEN: Names = ["BAO_TOKEN", "VAULT_TOKEN"];
pub(super) const NAMESPACE: Names = ["BAO_NAMESPACE", "VAULT_NAMESPACE"];
pub(super) const CA_CERT: Names = ["BAO_CACERT", "VAULT_CACERT"];

/// The file in the home folder that `vault login` and `bao login` write.
const TOKEN_FILE: &str = ".vault-token";

/// The environment, as these tools read it.
#[derive(Clone, Debug)]
pub(super) struct Variables(pub(super) Arc<dyn Environment>);

impl Variables {
    /// The value of a variable, unless it is empty.
    pub(super) fn text(&self, names: &Names) -> Option<String> {
        self.found(names).map(|(_, value)| value)
    }

    /// As [`text`](Variables::text), with the name that it was found under.
    pub(super) fn found(&self, names: &Names) -> Option<(&'static str, String)> {
        names.iter().find_map(|&name| Some((name, self.read(name)?)))
    }

    /// Where a person's login is kept; none where there is no home folder.
    pub(super) fn token_file(&self) -> Option<PathBuf> {
        let home = self.read("HOME").or_else(|| self.read("USERPROFILE"))?;
        Some(PathBuf::from(home).join(TOKEN_FILE))
    }

    fn read(&self, name: &str) -> Option<String> {
        self.0.var(name)?.into_string().ok().filter(|value| !value.trim().is_empty())
    }
}
