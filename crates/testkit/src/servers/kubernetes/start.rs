//! How the two processes are started.

use std::{
    fmt::Write as _,
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    KubernetesServer, User,
    api::Administrator,
    audit,
    certificates::{self, Authority},
};
use crate::{
    canary::Canary,
    servers::{ServerProcess, free_port},
};

impl KubernetesServer {
    /// Starts a server that knows `users`, and waits until it serves. Panics if it cannot be started.
    pub async fn start(users: &[User<'_>]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (etcd, etcd_address) = start_etcd(folder.path());
        let authority = Authority::new();
        let port = free_port();
        let address = format!("https://127.0.0.1:{port}");
        let token = Canary::new("the administrator's token");

        let files = Files { folder: folder.path() };
        let (certificate, key) = authority.issue_to_server();
        let mut tokens = format!("{},administrator,0,system:masters\n", token.text());
        for (at, User { name, token }) in users.iter().enumerate() {
            let _ = writeln!(tokens, "{token},{name},{}", at + 1);
        }
        let audit_log = folder.path().join("audit.log");
        let (signing_key, public_key) = certificates::key_pair();
        let mut command = Command::new(program());
        command
            .arg(format!("--etcd-servers={etcd_address}"))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .arg(format!("--secure-port={port}"))
            .arg(path_option("--tls-cert-file", &files.write("server.crt", &certificate)))
            .arg(path_option("--tls-private-key-file", &files.write("server.key", &key)))
            .arg(path_option("--client-ca-file", &files.write("ca.crt", authority.certificate())))
            .arg(path_option("--token-auth-file", &files.write("tokens.csv", &tokens)))
            .arg("--authorization-mode=RBAC")
            .args([
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-cluster-ip-range=10.0.0.0/24",
            ])
            .arg(path_option("--service-account-key-file", &files.write("accounts.pub", &public_key)))
            .arg(path_option(
                "--service-account-signing-key-file",
                &files.write("accounts.key", &signing_key),
            ))
            // What waits for controllers and nodes, of which there are none.
            .args(["--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"])
            .arg(path_option("--audit-policy-file", &files.write("audit.json", &audit::policy().to_string())))
            .arg(path_option("--audit-log-path", &audit_log));
        let mut api_server = ServerProcess::spawn(command, folder.path());
        api_server.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());

        let administrator = Administrator::new(&address, authority.certificate(), token);
        administrator.wait_until_ready(&mut api_server).await;
        KubernetesServer {
            address,
            authority,
            administrator,
            audit_log,
            _api_server: api_server,
            _etcd: etcd,
            _folder: folder,
        }
    }
}

fn start_etcd(folder: &Path) -> (ServerProcess, String) {
    let (port, peer_port) = (free_port(), free_port());
    let (address, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
    let mut command = Command::new("etcd");
    command
        .arg(path_option("--data-dir", &folder.join("etcd")))
        .args(["--listen-client-urls", &address, "--advertise-client-urls", &address])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}")]);
    let mut etcd = ServerProcess::spawn(command, folder);
    etcd.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
    (etcd, address)
}

/// The server that `MODELMESH_TEST_KUBE_APISERVER` names, or else the one that `cargo xtask test` built last.
fn program() -> PathBuf {
    let built =
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-kube-apiserver/kube-apiserver");
    let program = std::env::var_os("MODELMESH_TEST_KUBE_APISERVER").map_or_else(built, PathBuf::from);
    assert!(program.exists(), "there is no {}: 'cargo xtask test' builds it", program.display());
    program
}

/// The files that the server is started with.
struct Files<'f> {
    folder: &'f Path,
}

impl Files<'_> {
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        #[allow(clippy::disallowed_methods, reason = "a file of a test, in a folder of its own")]
        fs::write(&path, text).expect("a temporary file");
        path
    }
}

fn path_option(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}
