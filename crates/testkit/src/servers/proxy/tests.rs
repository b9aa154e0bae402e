//! The proxy itself: what a client sees of each fault, byte by byte.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
};

use tokio::time::timeout;

use super::{exchange::Answer, *};

const BODY: &str = "an answer with a body";

/// A server that answers every request alike.
fn upstream() -> String {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
        }
    });
    format!("http://{address}")
}

fn proxy() -> FaultProxy {
    FaultProxy::start(&upstream(), None, |request| request.path() == "/login")
}

fn request(method: &str, target: &str, body: &str) -> Request {
    let headers = vec![("host".into(), "store".into())];
    Request { method: method.into(), target: target.into(), headers, body: body.into(), is_login: false }
}

/// What a client of HTTPS gets.
async fn ask(proxy: &FaultProxy, target: &str) -> std::io::Result<Answer> {
    Server::new(&proxy.address(), Some(proxy.ca_cert())).answer(&request("GET", target, "")).await
}

fn status(answer: &Answer) -> String {
    String::from_utf8_lossy(answer.head()).split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn it_forwards_and_records_over_http_and_https() {
    let proxy = proxy();
    // Another proxy is a server of HTTPS.
    let before_https = FaultProxy::start(&proxy.address(), Some(proxy.ca_cert()), |_| false);
    let asked = request("POST", "/path?query=%2e", "what is sent");
    for (address, ca_cert) in [
        (proxy.plain_address(), None),
        (proxy.address(), Some(proxy.ca_cert())),
        (before_https.address(), Some(before_https.ca_cert())),
    ] {
        let answer = Server::new(&address, ca_cert).answer(&asked).await.unwrap();
        assert_eq!((status(&answer).as_str(), answer.body()), ("200", BODY.as_bytes()), "{address}");
        let seen = proxy.take_requests().remove(0);
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/path?query=%2e"));
        assert_eq!((seen.path(), seen.body.as_slice()), ("/path", &b"what is sent"[..]));
    }
    assert_eq!((proxy.take_connections(), proxy.take_connections()), (3, 0));
}

#[tokio::test]
async fn a_chunked_body_is_read_to_its_end() {
    let proxy = proxy();
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    let chunks = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    stream.write_all(chunks.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with(BODY), "{answer}");
    assert_eq!(proxy.take_requests().remove(0).body, b"abcde");
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_is_a_bad_gateway() {
    let nowhere = format!("http://127.0.0.1:{}", crate::servers::free_port());
    let proxy = FaultProxy::start(&nowhere, None, |_| false);
    assert_eq!(status(&ask(&proxy, "/").await.unwrap()), "502");
}

#[tokio::test]
async fn a_refused_connection_is_served_again_when_told_to() {
    let proxy = proxy();
    for _ in 0..3 {
        proxy.inject(Fault::Refused);
        let refused = ask(&proxy, "/").await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        proxy.forward();
        assert_eq!(ask(&proxy, "/").await.unwrap().body(), BODY.as_bytes());
    }
    assert_eq!(proxy.take_connections(), 3);
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let proxy = proxy();
    proxy.inject(Fault::UnknownAuthority);
    assert!(ask(&proxy, "/").await.is_err());
    assert!(proxy.take_requests().is_empty());
    assert_eq!(proxy.take_connections(), 1);
}

#[tokio::test]
async fn silence_has_no_end() {
    let proxy = proxy();
    proxy.inject(Fault::Silence);
    let mut answer = std::pin::pin!(ask(&proxy, "/"));
    let mut requests = Vec::new();
    // The request arrives when its threads have had their turns, and the answer never.
    for _ in 0..600 {
        assert!(timeout(Duration::from_millis(100), answer.as_mut()).await.is_err());
        requests.extend(proxy.take_requests());
        if !requests.is_empty() {
            break;
        }
    }
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_reset_comes_in_the_middle_of_the_body() {
    let proxy = proxy();
    proxy.inject(Fault::Reset);
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    stream.write_all(&request("GET", "/", "").bytes()).unwrap();
    let mut seen = Vec::new();
    assert_eq!(stream.read_to_end(&mut seen).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(ask(&proxy, "/").await.err().unwrap().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn what_drips_is_whole_in_the_end() {
    let proxy = proxy();
    proxy.inject(Fault::Drip(Duration::ZERO));
    assert_eq!(ask(&proxy, "/").await.unwrap().body(), BODY.as_bytes());
    proxy.inject(Fault::Drip(Duration::from_mins(1)));
    assert!(timeout(Duration::from_millis(100), ask(&proxy, "/")).await.is_err());
}

#[tokio::test]
async fn a_truncated_body_is_announced_to_be_longer() {
    let proxy = proxy();
    proxy.inject(Fault::Truncated);
    let answer = ask(&proxy, "/").await.unwrap();
    let announced = format!("Content-Length: {}\r\n", BODY.len() + 100);
    let head = String::from_utf8_lossy(answer.head()).into_owned();
    assert_eq!((head.matches("ontent-").count(), head.contains(&announced)), (1, true), "{head}");
    assert_eq!(answer.body(), BODY.as_bytes());
}

#[tokio::test]
async fn an_oversized_body_is_as_long_as_it_says() {
    const BYTES: u64 = (1 << 20) + 1;
    let proxy = proxy();
    for is_announced in [true, false] {
        proxy.inject(Fault::Oversized { bytes: BYTES, is_announced });
        let answer = ask(&proxy, "/").await.unwrap();
        assert!(answer.body().len() as u64 >= BYTES);
        assert_eq!(proxy.take_oversized_bytes(), BYTES);
    }
}

#[tokio::test]
async fn a_redirect_leads_to_a_bystander_who_keeps_what_is_said() {
    let (proxy, bystander) = (proxy(), Bystander::start());
    proxy.inject(Fault::Answer(Reply::redirect(&format!("{}/path", bystander.address()))));
    let answer = ask(&proxy, "/").await.unwrap();
    assert_eq!(status(&answer), "307");
    let head = String::from_utf8_lossy(answer.head()).into_owned();
    let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
    assert!(bystander.visits().is_empty());

    let follow = Server::new(location.strip_suffix("/path").unwrap(), None);
    let _ = follow.answer(&request("GET", "/path", "and a credential")).await;
    let visits = bystander.visits();
    assert_eq!(visits.len(), 1);
    assert!(visits[0].ends_with(b"and a credential"));
}

#[tokio::test]
async fn logins_are_spared_or_struck_alone() {
    let proxy = proxy();
    let statuses = async |fault: &str| {
        let mut seen = Vec::new();
        for target in ["/login", "/data"] {
            seen.push(status(&ask(&proxy, target).await.unwrap()));
        }
        let logins: Vec<bool> = proxy.take_requests().iter().map(|request| request.is_login).collect();
        assert_eq!(logins, [true, false], "{fault}");
        seen
    };
    let fault = || Fault::Answer(Reply::bare(503));
    proxy.inject(fault());
    assert_eq!(statuses("data").await, ["200", "503"]);
    proxy.inject_into_logins(fault());
    assert_eq!(statuses("logins").await, ["503", "200"]);
    proxy.inject_where(fault(), |_| true);
    assert_eq!(statuses("both").await, ["503", "503"]);
}

#[test]
fn debug_shows_neither_headers_nor_bodies() {
    let mut request = request("GET", "/path", "canary");
    request.headers.push(("authorization".into(), "canary".into()));
    let shown = format!("{request:?} {:?} {:?}", proxy(), Bystander::start());
    assert!(shown.contains("/path") && !shown.contains("canary"), "{shown}");
}
