//! The server behind the proxy.

use std::{io, sync::Arc};

use memchr::memmem;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::Url;

use super::Request;

/// Where the server is, and by what it is trusted.
pub(super) struct Server {
    host: String,
    port: u16,
    /// None for plain HTTP.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Both directions of a connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

impl Server {
    pub(super) fn new(address: &str, ca_cert: Option<&str>) -> Self {
        let url = Url::parse(address).expect("the URL of a server");
        let host = url.host_str().expect("a URL with a host").to_owned();
        let port = url.port_or_known_default().expect("http or https");
        let tls = (url.scheme() == "https").then(|| {
            let name = host.trim_matches(['[', ']']).to_owned();
            (connector(ca_cert.unwrap_or_default()), ServerName::try_from(name).expect("a host"))
        });
        Server { host, port, tls }
    }

    /// Sends a request, and hands on the answer as it comes.
    pub(super) async fn forward(
        &self,
        request: &Request,
        client: &mut (impl Duplex + ?Sized),
    ) -> io::Result<()> {
        let mut server = self.send(request).await?;
        tokio::io::copy(&mut server, client).await.map(drop)
    }

    /// Sends a request, and reads the whole answer.
    pub(super) async fn answer(&self, request: &Request) -> io::Result<Answer> {
        let mut bytes = Vec::new();
        self.send(request).await?.read_to_end(&mut bytes).await?;
        let end = memmem::find(&bytes, b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Answer { bytes, body: end + 4 })
    }

    async fn send(&self, request: &Request) -> io::Result<Box<dyn Duplex>> {
        let stream = TcpStream::connect((self.host.trim_matches(['[', ']']), self.port)).await?;
        let mut stream: Box<dyn Duplex> = match &self.tls {
            None => Box::new(stream),
            Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
        };
        stream.write_all(&request.bytes()).await?;
        stream.flush().await?;
        Ok(stream)
    }
}

fn connector(ca_cert: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_cert.as_bytes()) {
        roots.add(certificate.expect("a certificate in PEM")).expect("a certificate");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the versions that it knows")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// What the server answered.
pub(super) struct Answer {
    /// As it came, with the marks of chunks if it was sent in such.
    pub(super) bytes: Vec<u8>,
    /// Where the body begins.
    body: usize,
}

impl Answer {
    pub(super) fn head(&self) -> &[u8] {
        &self.bytes[..self.body]
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }

    /// Up to the middle of the body; of the head, if there is no body.
    pub(super) fn first_half(&self) -> &[u8] {
        let end = if self.body().is_empty() { self.body / 2 } else { self.body + self.body().len() / 2 };
        &self.bytes[..end]
    }

    /// The whole, announced to be longer; half of the head, if there is no body.
    pub(super) fn truncated(&self) -> Vec<u8> {
        if self.body().is_empty() {
            return self.first_half().to_owned();
        }
        let head = String::from_utf8_lossy(self.head());
        let tells_length = |line: &str| {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            matches!(name.as_str(), "content-length" | "transfer-encoding")
        };
        let kept: Vec<&str> = head.trim_end().split("\r\n").filter(|line| !tells_length(line)).collect();
        let longer = self.body().len() + 100;
        let head = format!("{}\r\nContent-Length: {longer}\r\n\r\n", kept.join("\r\n"));
        [head.as_bytes(), self.body()].concat()
    }
}
