//! The challenge by which a vault tells where tokens for it are had, and for what.
//! <https://learn.microsoft.com/en-us/azure/key-vault/general/authentication-requests-and-responses>

use modelmesh_secrets::{Error, ErrorKind, Result};
use reqwest::Url;

/// Where Microsoft gives tokens: of its clouds, with the older names.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/authentication-national-cloud>
const KNOWN_AUTHORITIES: &[&str] = &[
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
];

/// A challenge: `Bearer authorization="https://AUTHORITY/TENANT", resource="https://vault.azure.net"`.
pub(super) struct Challenge<'h> {
    authority: &'h str,
    resource: &'h str,
}

impl<'h> Challenge<'h> {
    /// Reads a `WWW-Authenticate` header; none if it is not Key Vault's, but some proxy's.
    pub(super) fn parse(header: &'h str) -> Option<Self> {
        let (scheme, parameters) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let find = |names: [&str; 2]| names.iter().find_map(|name| parameter(parameters, name));
        Some(Challenge {
            authority: find(["authorization", "authorization_uri"])?,
            resource: find(["resource", "scope"])?,
        })
    }

    /// `StoreAuth` unless the authority is the configured one or one of Microsoft's, and the vault is one of the
    /// resource's: a server that only poses as the vault would be sent a token for another service.
    ///
    /// The authority is not asked because a vault names it: tokens come from the configured one. But a vault that
    /// names another is not what it should be.
    pub(super) fn check(&self, vault: &Url, configured: &Url, verifies_resource: bool) -> Result<()> {
        let refused = |what: &'static str| Error::new(ErrorKind::StoreAuth, what);
        let authority = https(self.authority);
        let host = authority.as_ref().and_then(Url::host_str);
        let is_configured = authority.as_ref().is_some_and(|url| url.origin() == configured.origin());
        if !is_configured && !host.is_some_and(|host| KNOWN_AUTHORITIES.contains(&host)) {
            return Err(refused(
                "the vault asks for a login at a place that is neither the configured one nor Microsoft's",
            )
            .with_help("check 'vault_url'; set 'authority_host' if your cloud has one of its own"));
        }
        if verifies_resource && !is_under(vault, https(self.resource).as_ref()) {
            return Err(refused("the vault asks for a token of a service that its address is not under").with_help(
                "check 'vault_url'; if the vault has an address of your own, set 'verify_challenge_resource: false'",
            ));
        }
        Ok(())
    }
}

/// The value of a parameter. A value in quotes may hold commas and equal signs.
fn parameter<'h>(parameters: &'h str, name: &str) -> Option<&'h str> {
    let mut rest = parameters;
    loop {
        let (key, after) = rest.trim_start_matches([' ', ',']).split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        rest = after;
    }
}

fn https(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| url.scheme() == "https")
}

/// Whether `vault` is a host under that of `resource`: `acme.vault.azure.net` under `vault.azure.net`.
fn is_under(vault: &Url, resource: Option<&Url>) -> bool {
    let (Some(vault), Some(resource)) = (vault.host_str(), resource.and_then(Url::host_str)) else {
        return false;
    };
    vault.strip_suffix(resource).is_some_and(|label| label.len() > 1 && label.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(header: &str, vault: &str, verifies: bool) -> Option<Result<()>> {
        let configured = Url::parse("https://login.example.com/").unwrap();
        Some(Challenge::parse(header)?.check(&Url::parse(vault).unwrap(), &configured, verifies))
    }

    fn header(authority: &str, resource: &str) -> String {
        format!("Bearer authorization=\"{authority}\", resource=\"{resource}\"")
    }

    const VAULT: &str = "https://acme.vault.azure.net";
    const RESOURCE: &str = "https://vault.azure.net";

    #[test]
    fn the_authority_is_the_configured_one_or_microsofts() {
        for good in [
            "https://login.example.com/t",
            "https://login.microsoftonline.com/t",
            "https://login.windows.net/t",
        ] {
            assert!(judge(&header(good, RESOURCE), VAULT, true).unwrap().is_ok(), "{good}");
        }
        for bad in [
            "https://login.example.com:8443/t",
            "https://login.microsoftonline.com.example.org/t",
            "https://evil.example.org/login.microsoftonline.com",
            "https://login.microsoftonline.com@evil.example.org/t",
            "http://login.microsoftonline.com/t",
            "login.microsoftonline.com",
        ] {
            let error = judge(&header(bad, RESOURCE), VAULT, true).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StoreAuth, "{bad}");
            let error = judge(&header(bad, RESOURCE), VAULT, false).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StoreAuth, "{bad}");
        }
    }

    #[test]
    fn the_vault_is_under_the_resource() {
        let authority = "https://login.example.com/t";
        for (vault, resource, is_under) in [
            (VAULT, RESOURCE, true),
            ("https://acme.vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net", true),
            ("https://acme.managedhsm.azure.net", RESOURCE, false),
            ("https://vault.azure.net.example.org", RESOURCE, false),
            ("https://evilvault.azure.net", RESOURCE, false),
            ("https://vault.azure.net", RESOURCE, false),
            (VAULT, "https://management.azure.com", false),
            (VAULT, "vault.azure.net", false),
            ("https://127.0.0.1", RESOURCE, false),
        ] {
            let judged = judge(&header(authority, resource), vault, true).unwrap();
            assert_eq!(judged.is_ok(), is_under, "{vault} under {resource}");
            assert!(judge(&header(authority, resource), vault, false).unwrap().is_ok());
        }
    }

    #[test]
    fn a_challenge_may_hold_more() {
        let header = "Bearer authorization_uri=\"https://login.windows.net/t\", error=\"invalid_token\", \
                      error_description=\"a, resource=b\", scope=\"https://vault.azure.net/.default\"";
        assert!(judge(header, VAULT, true).unwrap().is_ok());
    }

    #[test]
    fn what_a_proxy_asks_is_no_challenge() {
        for header in ["", "Bearer", "Basic realm=\"proxy\"", "Bearer realm=\"x\"", "Negotiate"] {
            assert!(Challenge::parse(header).is_none(), "{header}");
        }
    }
}
