//! A proxy in front of any HTTP server, which forwards what it is asked, and injects faults when told to.
//!
//! - It listens on one port, for HTTP and for HTTPS alike, with a certificate of an authority of its own.
//! - It answers one request a connection, so that a fault that is switched on strikes the next request.
//! - It records every request: what was asked, and how often.
//! - `connection` serves a client, `exchange` asks the server behind, `fault` is what can go wrong, and
//!   [`Bystander`] is a host to which nobody should come.

mod authority;
mod bystander;
mod connection;
mod exchange;
mod fault;
mod request;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, sleep},
};

use self::{authority::Authority, exchange::Server};
pub use self::{
    bystander::Bystander,
    fault::{Fault, Reply},
    request::Request,
};

/// How long it may take to get the port back after it was given up.
const REBIND: Duration = Duration::from_secs(10);

/// A running proxy. It ends when dropped.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Dropped to end the proxy.
    listening: Option<UnboundedSender<Listening>>,
    thread: Option<JoinHandle<()>>,
}

/// Whether the port is to be open, and who waits until it is so.
struct Listening {
    is_wanted: bool,
    done: mpsc::Sender<()>,
}

/// What the connections share.
struct Shared {
    server: Server,
    /// The one whose certificate clients are given to trust.
    known: Authority,
    unknown: Authority,
    is_login: Box<dyn Fn(&Request) -> bool + Send + Sync>,
    fault: Mutex<Option<Injected>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    oversized_bytes: AtomicU64,
}

/// A fault, and what it strikes.
#[derive(Clone)]
struct Injected {
    fault: Fault,
    strikes: Arc<dyn Fn(&Request) -> bool + Send + Sync>,
}

impl FaultProxy {
    /// Starts a proxy on a free port of loopback, in a thread of its own.
    ///
    /// - `server` is what it stands before, `http://HOST:PORT` or `https://HOST:PORT`; `ca_cert` holds the
    ///   certificates, in PEM, that an `https://` server is trusted by.
    /// - `is_login` tells the requests by which a client logs in.
    ///
    /// # Panics
    ///
    /// Panics if `server` or `ca_cert` is none.
    pub fn start(
        server: &str,
        ca_cert: Option<&str>,
        is_login: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            server: Server::new(server, ca_cert),
            known: Authority::new(),
            unknown: Authority::new(),
            is_login: Box::new(is_login),
            fault: Mutex::default(),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            oversized_bytes: AtomicU64::new(0),
        });
        // A port that nobody is given while it is closed.
        let port = crate::servers::free_port();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port of loopback");
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("a socket of ours");
        let (listening, orders) = unbounded_channel();
        let with_connections = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                serve(TcpListener::from_std(listener).expect("a socket of ours"), with_connections, orders)
                    .await;
            });
        });
        FaultProxy { address, shared, listening: Some(listening), thread: Some(thread) }
    }

    /// `https://127.0.0.1:PORT`, for clients that trust [`ca_cert`](FaultProxy::ca_cert).
    pub fn address(&self) -> String {
        format!("https://{}", self.address)
    }

    /// `http://127.0.0.1:PORT`: the same port.
    pub fn plain_address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The certificate that a client of [`address`](FaultProxy::address) must trust, in PEM.
    pub fn ca_cert(&self) -> &str {
        &self.shared.known.pem
    }

    /// Injects a fault into all requests from now on, but those by which a client logs in.
    pub fn inject(&self, fault: Fault) {
        self.inject_where(fault, |request| !request.is_login);
    }

    /// Injects a fault into the requests by which a client logs in, and into no others.
    pub fn inject_into_logins(&self, fault: Fault) {
        self.inject_where(fault, |request| request.is_login);
    }

    /// Injects a fault into the requests that `strikes` tells.
    ///
    /// A [`Refused`](Fault::Refused) connection and one with a certificate of an
    /// [`UnknownAuthority`](Fault::UnknownAuthority) end before there is a request: they strike all.
    pub fn inject_where(&self, fault: Fault, strikes: impl Fn(&Request) -> bool + Send + Sync + 'static) {
        let is_wanted = !matches!(fault, Fault::Refused);
        *lock(&self.shared.fault) = Some(Injected { fault, strikes: Arc::new(strikes) });
        self.listen(is_wanted);
    }

    /// Forwards everything from now on.
    pub fn forward(&self) {
        lock(&self.shared.fault).take();
        self.listen(true);
    }

    /// The requests since the last call, in the order in which they came, logins included.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut lock(&self.shared.requests))
    }

    /// How many connections there were since the last call, with a request or without.
    pub fn take_connections(&self) -> usize {
        self.shared.connections.swap(0, Ordering::SeqCst)
    }

    /// How many bytes of [`Oversized`](Fault::Oversized) bodies clients let the proxy send since the last call.
    pub fn take_oversized_bytes(&self) -> u64 {
        self.shared.oversized_bytes.swap(0, Ordering::SeqCst)
    }

    /// Opens or closes the port, and waits until that is done.
    fn listen(&self, is_wanted: bool) {
        let (done, is_done) = mpsc::channel();
        let orders = self.listening.as_ref().expect("it is dropped with the proxy");
        orders.send(Listening { is_wanted, done }).expect("the proxy runs as long as it is held");
        is_done.recv().expect("the port can be had again");
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.listening.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// What goes wrong with a connection of which no request is known yet.
    fn strikes_connections(&self) -> bool {
        let fault = lock(&self.fault);
        fault.as_ref().is_some_and(|injected| matches!(injected.fault, Fault::UnknownAuthority))
    }

    /// Records a request, and says what goes wrong with it.
    fn judge(&self, request: &Request) -> Option<Fault> {
        let request = Request { is_login: (self.is_login)(request), ..request.clone() };
        let injected = lock(&self.fault).clone();
        let fault = injected.filter(|injected| (injected.strikes)(&request)).map(|injected| injected.fault);
        lock(&self.requests).push(request);
        fault
    }
}

/// Serves until nobody can give orders any more.
async fn serve(listener: TcpListener, shared: Arc<Shared>, mut orders: UnboundedReceiver<Listening>) {
    let address = listener.local_addr().expect("it is bound");
    let mut listener = Some(listener);
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(Listening { is_wanted, done }) = order else { return };
                listener = match listener.take().filter(|_| is_wanted) {
                    None if is_wanted => Some(bind(address).await),
                    kept => kept,
                };
                // Who asked may have ended meanwhile.
                let _ = done.send(());
            }
            stream = accept(listener.as_ref()) => {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection::serve(stream, Arc::clone(&shared)));
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> tokio::net::TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            return stream;
        }
    }
}

async fn bind(address: SocketAddr) -> TcpListener {
    let deadline = Instant::now() + REBIND;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < deadline, "the port of the proxy is taken: {error}"),
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
