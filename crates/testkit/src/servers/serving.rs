//! The socket and the thread of a server that answers out of this process.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// A free port of loopback, which nobody serves yet.
pub(super) struct Port {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl Port {
    pub(super) fn bind() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
        let address = listener.local_addr().expect("it is bound");
        Port { listener, address }
    }

    /// Serves it until what is returned is dropped, over TLS if `tls` says how.
    ///
    /// In a thread and a runtime of its own: the tests that share a server have runtimes that end before it.
    pub(super) fn serve<A, F>(self, tls: Option<rustls::ServerConfig>, answer: A) -> Serving
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                tokio::select! {
                    () = accept(self.listener, tls, answer) => {}
                    _ = stopped => {}
                }
            });
        });
        Serving { stop: Some(stop), thread: Some(thread) }
    }
}

async fn accept<A, F>(listener: TcpListener, tls: Option<rustls::ServerConfig>, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    listener.set_nonblocking(true).expect("a socket of ours");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket of ours");
    let tls = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, answer) = (tls.clone(), answer.clone());
        tokio::spawn(async move {
            match tls {
                None => converse(TokioIo::new(stream), answer).await,
                // A client that does not trust this server hangs up here.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(TokioIo::new(stream), answer).await;
                    }
                }
            }
        });
    }
}

async fn converse<A, F>(stream: impl Read + Write + Unpin, answer: A)
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    // A client that hangs up in the middle needs no answer.
    let _ = http1::Builder::new().serve_connection(stream, service).await;
}

/// A port that is served. It ends when dropped.
pub(super) struct Serving {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The parameters of a query, or of a form.
pub(super) fn parameters(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
