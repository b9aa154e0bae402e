//! Where a store's secrets are: a service, a project, and a location if they are regional.

use modelmesh_secrets::{Error, ErrorKind, Result, SecretName, Version};
use reqwest::Url;

use crate::network::Endpoint;

/// The service of secrets that are replicated as their policy says.
const GLOBAL: &str = "https://secretmanager.googleapis.com";

/// The longest name of a secret, in characters.
pub(super) const MAX_NAME: usize = 255;

/// What a name may hold besides ASCII letters and digits.
pub(super) const NAME_CHARACTERS: &str = "_-";

/// A secret's newest version, by Google's name for it.
pub(super) const LATEST: &str = "latest";

/// The address of the service: of one region, if secrets are kept there alone.
pub(super) fn service(location: Option<&str>) -> String {
    location.map_or_else(|| GLOBAL.to_owned(), |at| format!("https://secretmanager.{at}.rep.googleapis.com"))
}

/// A location is part of a host's name, so it is judged before it becomes one.
pub(super) fn check_location(location: &str) -> Result<()> {
    let is_label = !location.is_empty()
        && location.len() <= 63
        && location.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if is_label {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidConfig, "a location holds small letters, digits and '-' alone")
        .with_help("write it as 'gcloud secrets locations list' does, such as europe-west1"))
}

/// A project's ID or number; older IDs have a domain before a colon.
pub(super) fn check_project(project: &str) -> Result<()> {
    let is_id =
        !project.is_empty() && project.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b));
    if is_id && !matches!(project, "." | "..") {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidConfig, "the ID of the project holds what no project's can")
        .with_help("set 'project' to the ID or the number that the console shows"))
}

/// `InvalidName`, before any I/O, for what Google takes as no name of a secret.
pub(super) fn check_name(name: &SecretName) -> Result<()> {
    let text = name.as_str();
    let is_one = text.len() <= MAX_NAME
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || NAME_CHARACTERS.as_bytes().contains(&b));
    if is_one {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidName, "no secret of Secret Manager can have this name").with_help(
        "a name has up to 255 letters, digits, '_' and '-'; 'naming: kebab' turns others into such",
    ))
}

/// `NotFound`, before any I/O, for what can be neither the number nor an alias of a version.
pub(super) fn check_version(version: &Version) -> Result<()> {
    let text = version.as_str();
    let is_one = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    // An alias begins with a letter; versions are counted from 1.
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    if is_one && (!is_number || text.parse::<i64>().is_ok_and(|number| number > 0)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, "there can be no such version")
        .with_help("a version is a number, 'latest', or an alias of the secret"))
}

/// Where secrets are, once the project is known.
#[derive(Clone, Debug)]
pub(super) struct Place<'p> {
    pub(super) endpoint: &'p Endpoint,
    pub(super) project: &'p str,
    pub(super) location: Option<&'p str>,
}

impl Place<'_> {
    /// All secrets.
    pub(super) fn secrets(&self) -> Result<Url> {
        self.url(&[], "")
    }

    /// One secret; `action` is what is done with it: `:addVersion`, or nothing.
    pub(super) fn secret(&self, name: &SecretName, action: &str) -> Result<Url> {
        self.url(&[name.as_str()], action)
    }

    /// A version of a secret, to be read.
    pub(super) fn access(&self, name: &SecretName, version: &str) -> Result<Url> {
        self.url(&[name.as_str(), "versions", version], ":access")
    }

    fn url(&self, under: &[&str], action: &str) -> Result<Url> {
        let location = self.location.map(|location| ["locations", location]);
        let segments = ["v1", "projects", self.project].into_iter().chain(location.into_iter().flatten());
        let mut url = self.endpoint.url(segments.chain(["secrets"]).chain(under.iter().copied()))?;
        if !action.is_empty() {
            // The colon of an action is part of the path's grammar, and so must not be encoded.
            let path = format!("{}{action}", url.path());
            url.set_path(&path);
        }
        Ok(url)
    }
}

/// The number of the version that `resource` names, if it is one of the secret `name`:
/// `projects/NUMBER/secrets/NAME/versions/7`, with a location or not.
pub(super) fn version_of(resource: &str, name: &SecretName) -> Option<u64> {
    let (parent, version) = resource.rsplit_once("/versions/")?;
    let (_, secret) = parent.rsplit_once("/secrets/")?;
    (secret == name.as_str()).then(|| version.parse().ok()).flatten()
}

/// The name of the secret that `resource` names: `projects/NUMBER/secrets/NAME`, with a location or not.
pub(super) fn secret_of(resource: &str) -> Option<&str> {
    let (_, secret) = resource.rsplit_once("/secrets/")?;
    (!secret.is_empty() && !secret.contains('/')).then_some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    #[test]
    fn a_regional_secret_is_asked_of_its_region() {
        let endpoint = Endpoint::parse("endpoint", &service(Some("europe-west3")), false).unwrap();
        let place = Place { endpoint: &endpoint, project: "acme", location: Some("europe-west3") };
        assert_eq!(
            place.access(&name("key"), LATEST).unwrap().as_str(),
            "https://secretmanager.europe-west3.rep.googleapis.com/v1/projects/acme/locations/europe-west3\
             /secrets/key/versions/latest:access"
        );
    }

    #[test]
    fn a_global_secret_has_no_location() {
        let endpoint = Endpoint::parse("endpoint", &service(None), false).unwrap();
        let place = Place { endpoint: &endpoint, project: "example.com:acme", location: None };
        let all = "https://secretmanager.googleapis.com/v1/projects/example.com%3Aacme/secrets";
        assert_eq!(place.secrets().unwrap().as_str(), all);
        let added = place.secret(&name("key"), ":addVersion").unwrap();
        assert_eq!(added.as_str(), format!("{all}/key:addVersion"));
    }

    #[test]
    fn a_location_cannot_name_another_host() {
        for location in ["", "evil.example.com", "a/b", "a@b", "a:1", "a?b", "a#b", "EU", "\u{e9}"] {
            assert_eq!(
                check_location(location).unwrap_err().kind(),
                ErrorKind::InvalidConfig,
                "{location:?}"
            );
        }
        assert!(check_location("europe-west1").is_ok());
    }

    #[test]
    fn a_project_is_one_segment() {
        for project in ["", ".", "..", "a/b", "a b", "a?b", "a%2fb"] {
            assert_eq!(check_project(project).unwrap_err().kind(), ErrorKind::InvalidConfig, "{project:?}");
        }
        for project in ["acme-prod", "example.com:acme", "123456789012"] {
            assert!(check_project(project).is_ok(), "{project}");
        }
    }

    #[test]
    fn names_and_versions_follow_googles_rules() {
        let longest = "x".repeat(MAX_NAME);
        for good in ["OPENAI_API_KEY", "openai-key", "-", "1", &longest] {
            assert!(check_name(&name(good)).is_ok(), "{good}");
        }
        let longer = "x".repeat(MAX_NAME + 1);
        for bad in ["team/key", "a.b", "a b", "a:b", "a%2fb", "cl\u{e9}", &longer] {
            assert_eq!(check_name(&name(bad)).unwrap_err().kind(), ErrorKind::InvalidName, "{bad}");
        }
        for good in ["1", "9223372036854775807", "latest", "stable-2"] {
            assert!(check_version(&Version::from(good)).is_ok(), "{good}");
        }
        for bad in
            ["", "../1", "1:destroy", "1/x", "1?alt=media", "\u{661}", "0", "1st", "9223372036854775808"]
        {
            let version = Version::from(bad);
            assert_eq!(check_version(&version).unwrap_err().kind(), ErrorKind::NotFound, "{bad}");
        }
    }

    #[test]
    fn a_version_of_another_secret_is_none_of_this_one() {
        let asked = name("key");
        assert_eq!(version_of("projects/1/secrets/key/versions/7", &asked), Some(7));
        assert_eq!(version_of("projects/1/locations/eu/secrets/key/versions/7", &asked), Some(7));
        for other in
            ["projects/1/secrets/other/versions/7", "projects/1/secrets/key/versions/latest", "7", ""]
        {
            assert_eq!(version_of(other, &asked), None, "{other}");
        }
    }
}
