//! A host to which nobody should come.

use std::{
    fmt,
    io::Read as _,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::lock;

/// How long a visitor may take to say something.
const PATIENCE: Duration = Duration::from_secs(5);

/// Another host, which answers nothing and keeps the first bytes that each visitor sends: what credentials would be
/// among, if a client took them along. It ends when dropped.
pub struct Bystander {
    address: SocketAddr,
    visits: Arc<Mutex<Vec<Vec<u8>>>>,
    has_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bystander {
    /// Starts one on a free port of loopback.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
        let address = listener.local_addr().expect("it is bound");
        let (visits, has_ended) = (Arc::<Mutex<Vec<Vec<u8>>>>::default(), Arc::new(AtomicBool::new(false)));
        let (kept, ended) = (Arc::clone(&visits), Arc::clone(&has_ended));
        let thread = thread::spawn(move || {
            for mut stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // The visitor is let go when the visit is on record.
                let said = stream.as_mut().map(first_words).unwrap_or_default();
                lock(&kept).push(said);
            }
        });
        Bystander { address, visits, has_ended, thread: Some(thread) }
    }

    /// Where it is, by another name than that of the proxy: `http://localhost:PORT`.
    pub fn address(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// What each visitor so far sent first.
    pub fn visits(&self) -> Vec<Vec<u8>> {
        lock(&self.visits).clone()
    }
}

fn first_words(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = vec![0; 1 << 16];
    // A visitor who says nothing is one too.
    let length = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.read(&mut said)).unwrap_or(0);
    said.truncate(length);
    said
}

impl fmt::Debug for Bystander {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bystander").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::SeqCst);
        // It waits for a visitor: this is the last.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
