//! Requests, as they come over the wire.

use std::{fmt, io};

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest request that is read, in bytes.
const LONGEST: usize = 4 << 20;

/// A request that came to the proxy. `Debug` shows neither headers nor body, which may hold secrets.
#[derive(Clone)]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// The path and the query, as they came.
    pub target: String,
    /// The headers, with the names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without the marks of chunks.
    pub body: Vec<u8>,
    /// Whether it is one of those by which a client logs in.
    pub is_login: bool,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("is_login", &self.is_login)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// The path, as it came.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// Reads a request; none if the client goes without one.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut incoming = Incoming { stream, bytes: Vec::new() };
        let Some(head) = incoming.until(b"\r\n\r\n").await? else { return Ok(None) };
        let head = String::from_utf8(head).map_err(io::Error::other)?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (first.next(), first.next()) else {
            return Err(io::Error::other("not a request"));
        };
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let header =
            |asked: &str| headers.iter().find(|(name, _)| name == asked).map(|(_, value)| value.as_str());
        let body = if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            incoming.chunks().await?
        } else {
            let length = header("content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
            incoming.exactly(length).await?
        };
        let (method, target) = (method.to_owned(), target.to_owned());
        Ok(Some(Request { method, target, headers, body, is_login: false }))
    }

    /// As it goes to the server, which is to close the connection when it has answered.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let of_connection = ["connection", "content-length", "expect", "transfer-encoding"];
        for (name, value) in self.headers.iter().filter(|(name, _)| !of_connection.contains(&name.as_str())) {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let length = self.body.len();
        bytes.extend_from_slice(format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// What has come and is not taken yet.
struct Incoming<'s, S> {
    stream: &'s mut S,
    bytes: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Incoming<'_, S> {
    /// What comes before `end`, which is taken too; none if the client has gone before it sent anything.
    async fn until(&mut self, end: &[u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = memmem::find(&self.bytes, end) {
                let rest = self.bytes.split_off(at + end.len());
                let mut taken = std::mem::replace(&mut self.bytes, rest);
                taken.truncate(at);
                return Ok(Some(taken));
            }
            if !self.more().await? {
                let is_nothing = self.bytes.is_empty();
                return if is_nothing { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.bytes.len() < length {
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.bytes.split_off(length);
        Ok(std::mem::replace(&mut self.bytes, rest))
    }

    /// A chunked body: RFC 9112, section 7.1.
    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.until(b"\r\n").await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let line = String::from_utf8(line).map_err(io::Error::other)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            // Trailers would come after the last chunk; clients of stores send none.
            let chunk = self.exactly(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    async fn more(&mut self) -> io::Result<bool> {
        if self.bytes.len() > LONGEST {
            return Err(io::Error::other("the request is too long"));
        }
        Ok(self.stream.read_buf(&mut self.bytes).await? > 0)
    }
}
