//! Logins with tokens that others issue: a provider of identities, and a Kubernetes cluster.

use std::process::Command;

use libtest_mimic::Trial;
use modelmesh_secrets::ErrorKind;
use modelmesh_testkit::servers::python_program;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    get, kind,
    login::{auth, store, with_key, write},
    of_shared,
    scripted::Scripted,
};
use crate::backends::vault::{Shared, Vault};

pub(super) fn trials(shared: &Shared) -> Vec<Trial> {
    of_shared![shared:
        a_token_of_another_issuer_is_a_login,
        a_pod_logs_in_with_its_own_token,
    ]
}

/// A key of an issuer, in PEM, and a token that it signed with these claims.
fn issued(claims: &Value) -> (String, String) {
    const MAKE: &str = "
import base64, json, sys
from cryptography.hazmat.primitives import hashes, serialization as s
from cryptography.hazmat.primitives.asymmetric import padding, rsa
b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b'=')
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
signed = b64(json.dumps({'alg': 'RS256', 'typ': 'JWT'}).encode()) + b'.' + b64(sys.argv[1].encode())
token = signed + b'.' + b64(key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))
pem = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
print(json.dumps([pem.decode(), token.decode()]))
";
    let mut python = Command::new(python_program("python"));
    let made = python.args(["-c", MAKE, &claims.to_string()]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    serde_json::from_slice(&made.stdout).unwrap()
}

async fn a_token_of_another_issuer_is_a_login(vault: &Vault) {
    let (mount, client) = (with_key(vault).await, vault.server.client());
    let path = auth(vault, &mount, "jwt").await;
    let (key, jwt) = issued(&json!({
        "sub": "gateway", "aud": "vault", "iat": 1_700_000_000_u64, "nbf": 1_700_000_000_u64,
        "exp": 4_102_444_800_u64,
    }));
    let config = json!({ "jwt_validation_pubkeys": [key], "default_role": "app" });
    client.expect("POST", &format!("auth/{path}/config"), Some(config)).await;
    let role = json!({
        "role_type": "jwt", "bound_audiences": ["vault"], "bound_subject": "gateway", "user_claim": "sub",
        "token_policies": ["modelmesh"],
    });
    client.expect("POST", &format!("auth/{path}/role/app"), Some(role)).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("jwt");
    write(&file, &jwt);
    for settings in [format!("role: app, jwt: '{jwt}'"), format!("jwt_file: '{}'", file.display())] {
        let settings = format!("auth: {{ method: jwt, mount: '{path}', {settings} }}");
        let store = store(vault, &mount, &settings).await.unwrap();
        assert_eq!(get(&store, "key").await.unwrap(), "held");
    }
    let other = format!("auth: {{ method: jwt, mount: '{path}', role: app, jwt: '{jwt}x' }}");
    assert_eq!(kind(get(&store(vault, &mount, &other).await.unwrap(), "key")).await, ErrorKind::StoreAuth);
}

/// A certificate, in PEM. OpenBao wants one, and needs none of a reviewer without TLS.
fn authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
}

/// The API of a cluster that OpenBao asks whose a token is, and that knows one service account.
fn reviewer() -> String {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "status": {
            "authenticated": true, "audiences": ["vault"],
            "user": { "username": "system:serviceaccount:prod:gateway", "uid": "uid-1" },
        },
    });
    Scripted::saying("201 Created\r\nContent-Type: application/json", &review.to_string()).address
}

async fn a_pod_logs_in_with_its_own_token(vault: &Vault) {
    let (mount, client) = (with_key(vault).await, vault.server.client());
    let path = auth(vault, &mount, "kubernetes").await;
    let claims = json!({
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:prod:gateway",
        "exp": 4_102_444_800_u64, "iat": 1_700_000_000_u64, "nbf": 1_700_000_000_u64, "aud": ["vault"],
        "kubernetes.io": { "namespace": "prod", "serviceaccount": { "name": "gateway", "uid": "uid-1" } },
    });
    let (_, jwt) = issued(&claims);
    let config = json!({
        "kubernetes_host": reviewer(), "kubernetes_ca_cert": authority(), "token_reviewer_jwt": jwt,
        "disable_local_ca_jwt": true,
    });
    client.expect("POST", &format!("auth/{path}/config"), Some(config)).await;
    let role = json!({
        "bound_service_account_names": ["gateway"], "bound_service_account_namespaces": ["prod"],
        "token_policies": ["modelmesh"],
    });
    client.expect("POST", &format!("auth/{path}/role/app"), Some(role)).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    write(&file, &jwt);
    let settings = |role: &str| {
        format!(
            "auth: {{ method: kubernetes, mount: '{path}', role: {role}, jwt_file: '{}' }}",
            file.display()
        )
    };
    let pod = store(vault, &mount, &settings("app")).await.unwrap();
    assert_eq!(get(&pod, "key").await.unwrap(), "held");
    let other = store(vault, &mount, &settings("other")).await.unwrap();
    assert_eq!(kind(get(&other, "key")).await, ErrorKind::StoreAuth);
}
