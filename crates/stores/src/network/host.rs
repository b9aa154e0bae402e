//! How the name of a host becomes addresses: as the system does it, with an error that is known again.

use std::{error::Error as StdError, fmt};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Asks the system's resolver, which reads `/etc/hosts` and the like.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is set by who asks.
            match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(found) => Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs),
                Err(_) => Err(Unknown.into()),
            }
        })
    }
}

/// By which an error is known of a host that has no address.
#[derive(Debug)]
pub(super) struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host has no address")
    }
}

impl StdError for Unknown {}
