//! One connection of a client: one request, and its answer or what goes wrong with it.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::server::TlsStream;

use super::{Fault, Reply, Request, Shared, exchange::Duplex};

/// What a handshake of TLS begins with: RFC 8446, section 5.1.
const HANDSHAKE: u8 = 22;

/// What is written at a time of a body that is too long.
static CHUNK: [u8; 1 << 16] = [b'x'; 1 << 16];

/// A connection, with what it runs over.
trait Wire: Duplex {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Serves a client. How that ends is the client's affair.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = serve_one(stream, &shared).await;
}

async fn serve_one(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    let mut wire: Box<dyn Wire> = if first[0] == HANDSHAKE {
        let authority = if shared.strikes_connections() { &shared.unknown } else { &shared.known };
        Box::new(authority.acceptor.accept(stream).await?)
    } else {
        Box::new(stream)
    };
    let Some(request) = Request::read(&mut wire).await? else { return Ok(()) };
    match shared.judge(&request) {
        Some(fault) => inject(&fault, &request, &mut wire, shared).await?,
        None => match shared.server.forward(&request, &mut wire).await {
            Ok(()) => {}
            // A server that cannot be asked is no fault of the client.
            Err(_) => wire.write_all(&Reply::bare(502).bytes()).await?,
        },
    }
    wire.shutdown().await
}

async fn inject(
    fault: &Fault,
    request: &Request,
    wire: &mut Box<dyn Wire>,
    shared: &Shared,
) -> io::Result<()> {
    match fault {
        // Of connections, and not of requests: this one came before it was injected.
        Fault::Refused | Fault::UnknownAuthority => reset(wire),
        Fault::Silence => until_client_goes(wire).await,
        Fault::Reset => {
            wire.write_all(shared.server.answer(request).await?.first_half()).await?;
            wire.flush().await?;
            reset(wire)
        }
        Fault::Drip(pause) => drip(&shared.server.answer(request).await?.bytes, *pause, wire).await,
        Fault::Truncated => wire.write_all(&shared.server.answer(request).await?.truncated()).await,
        Fault::Answer(reply) => wire.write_all(&reply.bytes()).await,
        Fault::Oversized { bytes, is_announced } => oversized(*bytes, *is_announced, wire, shared).await,
    }
}

/// Lets the connection end with a reset when it is dropped.
fn reset(wire: &mut Box<dyn Wire>) -> io::Result<()> {
    wire.tcp().set_zero_linger()?;
    Err(io::ErrorKind::ConnectionReset.into())
}

async fn until_client_goes(wire: &mut Box<dyn Wire>) -> io::Result<()> {
    while wire.read_u8().await.is_ok() {}
    Ok(())
}

async fn drip(bytes: &[u8], pause: Duration, wire: &mut Box<dyn Wire>) -> io::Result<()> {
    for byte in bytes {
        wire.write_all(&[*byte]).await?;
        wire.flush().await?;
        sleep(pause).await;
    }
    Ok(())
}

async fn oversized(
    bytes: u64,
    is_announced: bool,
    wire: &mut Box<dyn Wire>,
    shared: &Shared,
) -> io::Result<()> {
    let length =
        if is_announced { format!("Content-Length: {bytes}") } else { "Transfer-Encoding: chunked".into() };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{length}\r\n\r\n");
    wire.write_all(head.as_bytes()).await?;
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left).map_or(CHUNK.len(), |left| left.min(CHUNK.len()));
        if !is_announced {
            wire.write_all(format!("{part:x}\r\n").as_bytes()).await?;
        }
        wire.write_all(&CHUNK[..part]).await?;
        if !is_announced {
            wire.write_all(b"\r\n").await?;
        }
        left -= part as u64;
        shared.oversized_bytes.fetch_add(part as u64, Ordering::SeqCst);
    }
    if is_announced { Ok(()) } else { wire.write_all(b"0\r\n\r\n").await }
}
