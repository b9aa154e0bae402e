//! AWS: the real `moto_server`, an independent model of Amazon's services, and a front before it.
//!
//! - The front tells what was asked, how much of it at once, and answers in moto's place where a test says so:
//!   moto knows no throttle and, unless told to judge every caller by IAM, no refusal.
//! - moto lets a value be put into a secret that is marked for deletion. Amazon does not, so the front asks moto
//!   whether it is, and refuses as [documented][put].
//! - moto's dictionaries may not be walked while they change, so the front asks it one thing at a time.
//!
//! A test has a region of its own, and so secrets of its own.
//!
//! [put]: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html

mod canned;
mod front;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::Command,
    sync::{
        Arc, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use tempfile::TempDir;

use self::front::{Front, State};
pub use self::{
    canned::Canned,
    front::{CONTAINER_TOKEN, Call},
};
use super::{
    ServerProcess, free_port, python_program,
    serving::{Port, Serving},
};

/// moto behind its front: it listens on loopback, and ends when dropped.
pub struct AwsServer {
    front: Arc<Front>,
    address: SocketAddr,
    regions: AtomicUsize,
    /// Dropped before moto, which it asks.
    _serving: Serving,
    moto: ServerProcess,
    _folder: TempDir,
}

impl AwsServer {
    /// Starts moto, and waits until it answers.
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = Command::new(python_program("moto_server"));
        command.args(["--host", "127.0.0.1", "--port", &upstream.port().to_string()]);
        command.env("MOTO_ALLOW_NONEXISTENT_REGION", "true").current_dir(folder.path());
        let mut moto = ServerProcess::spawn(command, folder.path());
        moto.wait_until(|| TcpStream::connect(upstream).is_ok());

        let port = Port::bind();
        let address = port.address;
        let front = Arc::new(Front::new(upstream));
        let served = Arc::clone(&front);
        let serving = port.serve(None, move |request| {
            let front = Arc::clone(&served);
            async move { front.answer(request).await }
        });
        let regions = AtomicUsize::new(1);
        AwsServer { front, address, regions, _serving: serving, moto, _folder: folder }
    }

    /// `http://127.0.0.1:PORT`, for `endpoint` and for the variables that name other services: STS and the metadata of
    /// the machine are there too.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A region without secrets.
    pub fn region(&self) -> String {
        format!("test-region-{}", self.regions.fetch_add(1, Ordering::Relaxed))
    }

    /// What was asked in `region`, in order.
    pub fn calls(&self, region: &str) -> Vec<Call> {
        self.state().region(region).calls.clone()
    }

    /// The actions of [`calls`](AwsServer::calls), such as `GetSecretValue`.
    pub fn actions(&self, region: &str) -> Vec<String> {
        self.calls(region).into_iter().map(|call| call.action).collect()
    }

    /// How many calls were under way in `region` at once, at the most.
    pub fn most_at_once(&self, region: &str) -> usize {
        self.state().region(region).most_at_once
    }

    /// Answers `action` in `region` in moto's place from now on; every action, if none is named.
    pub fn answer(&self, region: &str, action: Option<&str>, canned: Canned) {
        let mut state = self.state();
        let answers = &mut state.region(region).answers;
        answers.retain(|(of, _)| of.as_deref() != action);
        answers.push((action.map(str::to_owned), canned));
    }

    /// Lets moto answer everything in `region` again.
    pub fn answer_nothing(&self, region: &str) {
        self.state().region(region).answers.clear();
    }

    /// Does in `region` what another program would: `action` with this input.
    pub async fn call(&self, region: &str, action: &str, input: &Value) -> Value {
        self.front.call(region, action, input).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.front.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AwsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsServer")
            .field("address", &self.address)
            .field("moto", &self.moto)
            .finish_non_exhaustive()
    }
}
