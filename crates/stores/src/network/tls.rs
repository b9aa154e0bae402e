//! Whom we trust.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use modelmesh_secrets::{Error, ErrorKind, Result};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
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
    let trust = Trust { authorities, provider, verifier: OnceLock::new() };
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(trust));
    match own {
        Some(ClientCertificate { chain, key }) => builder.with_client_auth_cert(chain, key).map_err(unusable),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// The verifier of the platform, made when the first server shows a certificate: it reads every root of the system,
/// which is most of what it takes to open a store, and a store behind plain HTTP on this machine never needs it.
#[derive(Debug)]
struct Trust {
    authorities: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    /// None on a system without any root.
    verifier: OnceLock<Option<Verifier>>,
}

impl Trust {
    fn verifier(&self) -> Result<&Verifier, rustls::Error> {
        let make =
            || Verifier::new_with_extra_roots(self.authorities.clone(), Arc::clone(&self.provider)).ok();
        self.verifier.get_or_init(make).as_ref().ok_or_else(|| CertificateError::UnknownIssuer.into())
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificates of the PEM file at `path`, which the setting or variable `named` says.
pub(super) fn authorities(named: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let invalid = |what: String| {
        Error::new(ErrorKind::InvalidConfig, format!("'{named}' {what}: {}", path.display()))
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
