//! Where a store's secrets are: a mount of a key/value engine, and paths under it.

use modelmesh_secrets::{Error, ErrorKind, NameRule, Result, SecretName, Version};

/// What a name may hold: Vault refuses paths with other characters.
pub(super) const NAMES: NameRule = NameRule::Printable;

/// The version of a key/value engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kv {
    V1,
    V2,
}

/// A mount, by its path without slashes at its ends.
#[derive(Debug)]
pub(super) struct Mount(String);

impl Mount {
    /// `InvalidConfig` for what cannot be the path of a mount, or would be another one than it looks like.
    pub(super) fn parse(key: &str, text: &str) -> Result<Self> {
        let path = text.trim_matches('/');
        match SecretName::new(path) {
            Ok(name) if NAMES.allows(&name) => Ok(Mount(path.to_owned())),
            _ => Err(Error::new(ErrorKind::InvalidConfig, format!("'{key}' is not the path of a mount"))
                .with_help(
                    "write it as 'secrets list' or 'auth list' of the vendor's command does, such as secret",
                )),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Where a secret is read and written.
    pub(super) fn data<'p>(&'p self, kv: Kv, name: &'p SecretName) -> impl Iterator<Item = &'p str> {
        self.under(kv, "data", name.as_str())
    }

    /// Where a secret is removed, and a folder listed. The root is the empty folder.
    pub(super) fn metadata<'p>(&'p self, kv: Kv, path: &'p str) -> impl Iterator<Item = &'p str> {
        self.under(kv, "metadata", path)
    }

    fn under<'p>(&'p self, kv: Kv, part: &'static str, path: &'p str) -> impl Iterator<Item = &'p str> {
        let part = (kv == Kv::V2).then_some(part);
        let path = (!path.is_empty()).then(|| path.split('/'));
        self.segments().chain(part).chain(path.into_iter().flatten())
    }
}

/// `InvalidName`, before any I/O, for what Vault takes for no path.
pub(super) fn check_name(name: &SecretName) -> Result<()> {
    if NAMES.allows(name) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidName, "no path of Vault can hold characters that are not printable")
        .with_help("look for spaces and marks that cannot be seen; 'naming: kebab' takes them out"))
}

/// The number of a version. `NotFound`, before any I/O, for what can be none: Vault reads 0 as the newest.
pub(super) fn check_version(version: &Version) -> Result<&str> {
    let text = version.as_str();
    let is_number =
        text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u32>().is_ok_and(|number| number > 0);
    if is_number {
        return Ok(text);
    }
    Err(Error::new(ErrorKind::NotFound, "there can be no such version")
        .with_help("a version is a number from 1 on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    fn joined<'s>(segments: impl Iterator<Item = &'s str>) -> String {
        segments.collect::<Vec<_>>().join("/")
    }

    #[test]
    fn each_version_of_the_engine_has_its_paths() {
        let mount = Mount::parse("mount", "/team/kv/").unwrap();
        let secret = name("prod/openai");
        assert_eq!(joined(mount.data(Kv::V1, &secret)), "team/kv/prod/openai");
        assert_eq!(joined(mount.data(Kv::V2, &secret)), "team/kv/data/prod/openai");
        assert_eq!(joined(mount.metadata(Kv::V1, "")), "team/kv");
        assert_eq!(joined(mount.metadata(Kv::V2, "")), "team/kv/metadata");
        assert_eq!(joined(mount.metadata(Kv::V2, "prod")), "team/kv/metadata/prod");
    }

    #[test]
    fn a_mount_cannot_lead_elsewhere() {
        for mount in ["", "/", "..", "a/../b", "a//b", "a\u{202e}b", "a\nb"] {
            assert_eq!(
                Mount::parse("mount", mount).unwrap_err().kind(),
                ErrorKind::InvalidConfig,
                "{mount:?}"
            );
        }
    }

    #[test]
    fn a_version_is_a_number_from_one_on() {
        assert_eq!(check_version(&Version::from(7)).unwrap(), "7");
        for bad in ["", "0", "-1", "+1", "1.0", "latest", "1&list=true", "\u{661}", "99999999999"] {
            assert_eq!(check_version(&Version::from(bad)).unwrap_err().kind(), ErrorKind::NotFound, "{bad}");
        }
    }
}
