//! A server that says one thing, for answers that the real one cannot be made to give.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// It ends with the process.
pub(super) struct Scripted {
    pub(super) address: String,
    requests: Arc<AtomicUsize>,
}

impl Scripted {
    /// Answers every request with this status line and these headers, and a body.
    pub(super) fn saying(head: &str, body: &str) -> Self {
        let head = if head.is_empty() { String::new() } else { format!("{head}\r\n") };
        let answer =
            format!("HTTP/1.1 {head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        Scripted::start(Some(answer))
    }

    /// Takes every request, and answers none.
    pub(super) fn silent() -> Self {
        Scripted::start(None)
    }

    fn start(answer: Option<String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        thread::spawn(move || {
            let mut held = Vec::new();
            for mut stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                match &answer {
                    None => held.push(stream),
                    Some(answer) => {
                        let _ = stream.read(&mut [0; 4096]);
                        let _ = stream.write_all(answer.as_bytes());
                        let _ = stream.shutdown(Shutdown::Write);
                        // Who closes before all was read resets the connection, and the answer is lost.
                        let _ = stream.read_to_end(&mut Vec::new());
                    }
                }
            }
        });
        Scripted { address, requests }
    }

    /// How many requests came.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}
