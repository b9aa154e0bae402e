//! Whom we trust.

use std::{path::Path, sync::Arc};

use modelmesh_secrets::{Error, ErrorKind, Result};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;

/// A certificate of our own, by which a server knows us, and its key.
pub(crate) struct ClientCertificate {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// Trusts what the system trusts, and `authorities`.
///
/// A system without certificates (a bare container) is no error: stores on this machine need none, and others
/// are refused with what to do.
pub(super) fn configuration(
    authorities: Vec<CertificateDer<'static>>,
    own: Option<ClientCertificate>,
) -> Result<ClientConfig> {
    let unusable = |error: rustls::Error| {
        Error::new(ErrorKind::InvalidConfig, format!("TLS cannot be set up with these certificates: {error}"))
    };
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let builder = match Verifier::new_with_extra_roots(authorities, provider) {
        Ok(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        Err(_) => builder.with_root_certificates(RootCertStore::empty()),
    };
    match own {
        Some(ClientCertificate { chain, key }) => builder.with_client_auth_cert(chain, key).map_err(unusable),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// The certificates of the PEM file in `ca_cert`.
pub(super) fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let invalid = |what: String| {
        Error::new(ErrorKind::InvalidConfig, format!("'ca_cert' {what}: {}", path.display()))
            .with_help("it is a file with one or more blocks of '-----BEGIN CERTIFICATE-----'")
    };
    let pem = std::fs::read(path).map_err(|error| invalid(format!("cannot be read ({})", error.kind())))?;
    parse_certificates(&pem)
        .filter(|found| !found.is_empty())
        .ok_or_else(|| invalid("holds no certificate".into()))
}

/// The certificates of a PEM text; none if one is damaged.
pub(crate) fn parse_certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    // The verifier leaves out what it cannot read, and a store would be refused with no word of the reason.
    let mut trusted = RootCertStore::empty();
    found.iter().all(|certificate| trusted.add(certificate.clone()).is_ok()).then_some(found)
}
