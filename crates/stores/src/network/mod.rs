//! What every store behind a network shares: one HTTP client, with its rules.
//!
//! - **Where to.** An [`Endpoint`] is `https://`, or `http://` on this machine, unless `allow_http` says otherwise.
//!   No credential is part of it.
//! - **Nothing is followed.** A redirect is an answer like another: a connector that knows what it means decides.
//! - **Nothing is endless.** A request and its answer take at most `fetch_timeout`; an answer has at most
//!   [`MAX_ANSWER`] bytes.
//! - **Nothing is tried again.** Retries, limits and the breaker are [`GuardedStore`]'s.
//! - **Certificates** are judged as the system does, and `ca_cert` adds to what it trusts.
//! - **Proxies** are those of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not, and never
//!   for this machine itself.
//! - **Values** are wiped: an answer's body is, and what is read from it has to be.
//!
//! The software development kits of vendors are given this client too, so that these rules are in one place, and are
//! called [`unheard`], for some log what they send.
//!
//! [`GuardedStore`]: modelmesh_secrets::GuardedStore

// A build with some of the stores needs some of this.
#![cfg_attr(
    not(all(
        feature = "aws",
        feature = "azure",
        feature = "google",
        feature = "kubernetes",
        feature = "onepassword",
        feature = "vault"
    )),
    allow(dead_code, unused_imports)
)]

mod endpoint;
mod failure;
mod host;
mod http;
mod tls;
mod unheard;

pub(crate) use self::{
    endpoint::Endpoint,
    failure::{interposed, is_too_long, is_unsent, malformed},
    http::{Answer, Http, MAX_ANSWER, bearer, header},
    tls::{ClientCertificate, parse_certificates},
    unheard::unheard,
};
