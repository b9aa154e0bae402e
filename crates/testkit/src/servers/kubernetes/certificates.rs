//! The certificates of the server, and of those whom it knows by one.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::ClientCertificate;

/// A certificate authority that lasts as long as the server does.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = parameters("a cluster's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        let key = new_key();
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    /// In PEM.
    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for a server on loopback, and its key.
    pub(super) fn issue_to_server(&self) -> (String, String) {
        let mut params = parameters("kube-apiserver");
        params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&params)
    }

    /// A certificate for a client: the server takes the common name for the user's.
    pub(super) fn issue_to_client(&self, name: &str) -> ClientCertificate {
        let mut params = parameters(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, key) = self.issue(&params);
        ClientCertificate { certificate, key }
    }

    fn issue(&self, params: &CertificateParams) -> (String, String) {
        let key = new_key();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

/// A new private key (PKCS #8) and its public key, in PEM.
pub(super) fn key_pair() -> (String, String) {
    let key = new_key();
    (key.serialize_pem(), key.public_key_pem())
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn parameters(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no name is no wrong name");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
