//! Somebody who answers in a server's place: a proxy, or a network that wants a login first.

use std::{
    fmt,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
};

/// A server that answers whatever it is asked with success and a text. It ends with the process.
pub struct Stranger {
    address: SocketAddr,
}

impl Stranger {
    /// Starts one, on a free port of loopback. `text` is told how many requests there were before.
    pub fn saying(text: impl Fn(usize) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                // A client that has gone needs no answer.
                let _ = answer(&stream, &text(number));
            }
        });
        Stranger { address }
    }

    /// Where it listens, as a URL.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Reads one request, to its end, lest the connection is reset; and answers it.
fn answer(mut stream: &TcpStream, text: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(announced) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = announced.trim().parse().unwrap_or_default();
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}

impl fmt::Debug for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stranger").field("address", &self.address).finish()
    }
}
