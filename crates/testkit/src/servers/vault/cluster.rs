//! Three nodes of Raft with TLS.

use std::{
    fmt, fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{VaultClient, command};
use crate::{
    canary::Canary,
    servers::{ServerProcess, free_port},
};

const NODES: usize = 3;

/// How long an election or a node's start may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cluster of three nodes, initialized and unsealed. It ends when dropped.
pub struct VaultCluster {
    nodes: Vec<Node>,
    authority: String,
    root: Canary,
    unseal_key: String,
    folder: TempDir,
}

struct Node {
    name: String,
    port: u16,
    client: VaultClient,
    process: Option<ServerProcess>,
}

impl VaultCluster {
    /// Starts a cluster, and waits until all of its nodes serve.
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let authority = certificates(folder.path());
        let mut nodes: Vec<Node> = (0..NODES)
            .map(|at| {
                let (name, port) = (format!("node{at}"), free_port());
                let client = VaultClient::new(&address(port), "", Some(&authority));
                Node { name, port, client, process: None }
            })
            .collect();
        let first = address(nodes[0].port);
        for node in &mut nodes {
            configure(folder.path(), node, &first);
            node.start(folder.path());
        }
        let wanted = json!({ "secret_shares": 1, "secret_threshold": 1 });
        nodes[0].client.until("sys/init", |status, _| status == 200).await;
        let made = nodes[0].client.expect("PUT", "sys/init", Some(wanted)).await;
        let root = Canary::of("the root token", made["root_token"].as_str().expect("a token"));
        let unseal_key = made["keys"][0].as_str().expect("a key").to_owned();
        for node in &mut nodes {
            node.client = node.client.with_token(root.text());
        }
        let cluster = VaultCluster { nodes, authority, root, unseal_key, folder };
        cluster.unseal(0).await;
        // A node that joins has a vote as soon as it keeps up, and not ten seconds later.
        let rules = json!({ "server_stabilization_time": "1s" });
        let leader = &cluster.nodes[0].client;
        leader.until("sys/health", |status, _| status == 200).await;
        leader.expect("POST", "sys/storage/raft/autopilot/configuration", Some(rules)).await;
        for at in 1..NODES {
            cluster.unseal(at).await;
        }
        let voters = |_: u16, body: &Value| {
            let peers = body["data"]["config"]["servers"].as_array();
            peers.is_some_and(|peers| peers.iter().filter(|peer| peer["voter"] == true).count() == NODES)
        };
        cluster.nodes[0].client.until("sys/storage/raft/configuration", voters).await;
        cluster
    }

    /// The address of each node.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| address(node.port)).collect()
    }

    /// The certificate of the authority that issued the nodes' own, in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The root token: it may show nowhere.
    pub fn root(&self) -> &Canary {
        &self.root
    }

    /// A node, as its administrator.
    pub fn client(&self, at: usize) -> &VaultClient {
        &self.nodes[at].client
    }

    /// Which node leads, as soon as one of those that run does and serves.
    ///
    /// # Panics
    ///
    /// Panics if that takes more than a minute.
    pub async fn leader(&self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for (at, node) in self.nodes.iter().enumerate() {
                // 200 is the active node's alone.
                if let (Some(_), Some((200, _))) =
                    (&node.process, node.client.call("GET", "sys/health", None).await)
                {
                    return at;
                }
            }
            assert!(Instant::now() < deadline, "no node leads: {}", self.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills a node, as a power cut does.
    pub fn kill(&mut self, at: usize) {
        self.nodes[at].process.take().expect("it runs").kill();
    }

    /// Starts a node that was killed. It is sealed.
    pub fn restart(&mut self, at: usize) {
        let folder = self.folder.path().to_owned();
        self.nodes[at].start(&folder);
    }

    /// Unseals a node, and waits until it serves or follows one that does.
    pub async fn unseal(&self, at: usize) {
        let key = json!({ "key": self.unseal_key });
        let client = &self.nodes[at].client;
        // A node that has not joined yet takes no key.
        let deadline = Instant::now() + PATIENCE;
        loop {
            client.call("PUT", "sys/unseal", Some(key.clone())).await;
            if let Some((200, status)) = client.call("GET", "sys/seal-status", None).await
                && status["sealed"] == false
            {
                break;
            }
            assert!(Instant::now() < deadline, "node {at} stays sealed: {}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        client.until("sys/health", |status, _| matches!(status, 200 | 429 | 473)).await;
    }

    fn logs(&self) -> String {
        let logs = self.nodes.iter().filter_map(|node| Some(node.process.as_ref()?.log()));
        logs.collect::<Vec<_>>().join("\n")
    }
}

impl Node {
    fn start(&mut self, folder: &Path) {
        let mut command = command(folder);
        command.arg("server").arg(format!("-config={}", folder.join(format!("{}.hcl", self.name)).display()));
        let mut process = ServerProcess::spawn(command, folder);
        let port = self.port;
        process.wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        self.process = Some(process);
    }
}

impl fmt::Debug for VaultCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultCluster").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

fn address(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// Writes the configuration of a node, which joins the first. Elections are as quick as Raft allows.
fn configure(folder: &Path, node: &Node, first: &str) {
    let (name, at) = (&node.name, |file: &str| folder.join(file).display().to_string());
    let data = at(name);
    fs::create_dir(&data).expect("a folder of its own");
    let text = format!(
        r#"
storage "raft" {{
  path = "{data}"
  node_id = "{name}"
  performance_multiplier = 1
  retry_join {{
    leader_api_addr = "{first}"
    leader_ca_cert_file = "{authority}"
  }}
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_cert_file = "{certificate}"
  tls_key_file = "{key}"
}}
api_addr = "{api}"
cluster_addr = "https://127.0.0.1:{cluster_port}"
"#,
        authority = at("authority.pem"),
        port = node.port,
        cluster_port = free_port(),
        certificate = at("node.pem"),
        key = at("node-key.pem"),
        api = address(node.port),
    );
    write(&folder.join(format!("{name}.hcl")), &text);
}

fn write(path: &Path, text: &str) {
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a file of its own");
}

/// Makes an authority and a certificate for loopback, and returns the authority's own.
fn certificates(folder: &Path) -> String {
    let key = || KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
    let mut node = CertificateParams::default();
    node.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
    let node_key = key();
    let certificate = node.signed_by(&node_key, &authority).expect("a certificate");
    for (file, text) in [
        ("authority.pem", authority.pem()),
        ("node.pem", certificate.pem()),
        ("node-key.pem", node_key.serialize_pem()),
    ] {
        write(&folder.join(file), &text);
    }
    authority.pem()
}
