//! The rules of the client, against servers that say what a test tells them to, byte by byte.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
};

use modelmesh_secrets::setting::SettingValue;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivateKeyDer};

use super::*;
use crate::environment::FixedEnvironment;

const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A server that hands each connection to `answer`, once the head of a request is read, and tells the head.
struct Server {
    address: String,
    heads: mpsc::Receiver<String>,
}

impl Server {
    fn start(answer: impl Fn(&mut TcpStream) + Send + 'static) -> Self {
        let (tell, heads) = mpsc::channel();
        let address = listen(move |mut stream| {
            let head = read_head(&mut stream);
            let _ = tell.send(head);
            answer(&mut stream);
        });
        Server { address, heads }
    }

    fn saying(answer: &'static [u8]) -> Self {
        Server::start(move |stream| {
            let _ = stream.write_all(answer);
        })
    }

    fn url(&self) -> Url {
        Url::parse(&format!("http://{}/path", self.address)).unwrap()
    }

    /// The first lines of the requests so far.
    fn requests(&self) -> Vec<String> {
        self.heads.try_iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

/// Serves one connection after another in a thread, which ends with the process.
fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    address
}

fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn context(variables: &[(&str, &str)]) -> OpenContext {
    let environment = Arc::new(FixedEnvironment::new(variables.iter().copied()));
    OpenContext { environment, ..OpenContext::default() }
}

/// A client whose proxies are these, and which may speak plain HTTP to other machines.
fn client(variables: &[(&str, &str)]) -> Http {
    let settings = Settings::default().with("allow_http", SettingValue::Boolean(true));
    Http::open(&settings, &context(variables)).unwrap()
}

fn get(http: &Http, url: Url) -> Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(http.send(http.request(Method::GET, url)))
}

#[test]
fn a_redirect_is_an_answer() {
    let server = Server::saying(b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    let answer = get(&client(&[]), server.url()).unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("location")), (307, Some("/elsewhere")));
    assert_eq!(server.requests(), ["GET /path HTTP/1.1"]);
}

#[test]
fn an_error_is_an_answer() {
    let server = Server::saying(b"HTTP/1.1 503 Sealed\r\nContent-Length: 4\r\n\r\nbody");
    let answer = get(&client(&[]), server.url()).unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (503, &b"body"[..]));
}

#[test]
fn a_long_answer_that_is_announced_is_not_read() {
    // The body never comes: whoever waited for it would run into the time limit.
    let server = Server::start(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
        let _ = stream.read(&mut [0]);
    });
    let error = get(&client(&[]), server.url()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert_eq!(error.message(), "the answer is longer than 8 MiB");
}

#[test]
fn a_long_answer_that_is_not_announced_is_not_held() {
    const WHOLE: usize = 64 << 20;
    let (tell, written) = mpsc::channel();
    let server = Server::start(move |stream| {
        let chunk = [b"10000\r\n", vec![b'x'; 1 << 16].as_slice(), b"\r\n"].concat();
        let mut total = 0;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while total < WHOLE && stream.write_all(&chunk).is_ok() {
            total += chunk.len();
        }
        let _ = tell.send(total);
    });
    assert_eq!(get(&client(&[]), server.url()).unwrap_err().kind(), ErrorKind::Malformed);
    // What the client did not want, and what lay in the buffers of sockets.
    assert!(written.recv().unwrap() < WHOLE / 2);
}

#[test]
fn the_longest_answer_is_read_whole() {
    let server = Server::start(|stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{MAX_ANSWER:x}\r\n");
        let _ = stream.write_all(&vec![b'x'; MAX_ANSWER]);
        let _ = stream.write_all(b"\r\n0\r\n\r\n");
    });
    assert_eq!(get(&client(&[]), server.url()).unwrap().body.len(), MAX_ANSWER);
}

#[test]
fn an_answer_cut_short_is_an_outage() {
    for cut in [
        &b""[..],
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"value\":",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    ] {
        let server = Server::saying(cut);
        let error = get(&client(&[]), server.url()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", String::from_utf8_lossy(cut));
        assert_eq!(error.message(), "the connection ended before the answer was complete");
    }
}

#[test]
fn no_answer_is_an_outage_when_the_time_is_up() {
    // One that says nothing, and one that stops in the middle.
    for started in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"] {
        let server = Server::start(move |stream| {
            let _ = stream.write_all(started);
            let _ = stream.read(&mut [0]);
        });
        let context = OpenContext { request_timeout: Duration::from_millis(50), ..context(&[]) };
        let http = Http::open(&Settings::default(), &context).unwrap();
        let error = get(&http, server.url()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.message(), "the store did not answer within 50ms");
    }
}

#[test]
fn a_refused_connection_is_an_outage() {
    // Not a port that was free a moment ago: another test may listen on it by now.
    let error = get(&client(&[]), Url::parse("http://127.0.0.1:1").unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "the store cannot be reached: connection refused");
}

#[test]
fn a_host_that_is_not_there_and_one_that_does_not_speak_tls_are_told_apart() {
    // No part of a name is longer than 63 letters, so nobody is asked.
    let nowhere = Url::parse(&format!("http://{}.invalid", "a".repeat(64))).unwrap();
    let http =
        Http::open(&Settings::default().with("allow_http", SettingValue::Boolean(true)), &context(&[]));
    let error = get(&http.unwrap(), nowhere).unwrap_err();
    assert_eq!(error.message(), "the store cannot be reached: there is no host of this name");

    let address = listen(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(EMPTY);
    });
    let error = get(&client(&[]), Url::parse(&format!("https://{address}")).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "the store cannot be reached: what answers there does not speak TLS");
}

/// A server with a certificate of an authority of its own, and the authority's certificate in PEM.
fn tls_server() -> (Url, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let address = listen(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        read_head(&mut stream);
        let _ = stream.write_all(EMPTY);
        let _ = stream.flush();
    });
    (Url::parse(&format!("https://{address}")).unwrap(), authority.pem())
}

#[test]
fn a_certificate_of_nobody_we_know_is_refused_and_the_help_says_ca_cert() {
    let (url, _) = tls_server();
    let error = get(&client(&[]), url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.help().unwrap().contains("'ca_cert'"), "{error:?}");
}

#[test]
fn a_certificate_of_an_authority_in_ca_cert_is_accepted() {
    let (url, pem) = tls_server();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    let settings = Settings::default().with("ca_cert", SettingValue::Path(file.path().to_owned()));
    let http = Http::open(&settings, &context(&[])).unwrap();
    assert_eq!(get(&http, url).unwrap().status, StatusCode::OK);
}

#[test]
fn a_file_without_certificates_is_not_trusted() {
    for content in ["", "certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let settings = Settings::default().with("ca_cert", SettingValue::Path(file.path().to_owned()));
        let error = Http::open(&settings, &context(&[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{content}");
    }
}

#[test]
fn a_proxy_of_the_environment_is_asked_for_other_machines() {
    let asked = |variable: &str, url: &str| {
        let proxy = Server::saying(EMPTY);
        let address = format!("http://{}", proxy.address);
        let _ = get(&client(&[(variable, &address)]), Url::parse(url).unwrap());
        proxy.requests()
    };
    let (plain, encrypted) = ("http://store.example.com/path", "https://store.example.com/path");
    let [get, connect] =
        ["GET http://store.example.com/path HTTP/1.1", "CONNECT store.example.com:443 HTTP/1.1"];
    assert_eq!(asked("HTTP_PROXY", plain), [get]);
    assert_eq!(asked("http_proxy", plain), [get]);
    assert_eq!(asked("HTTPS_PROXY", encrypted), [connect]);
    assert_eq!(asked("ALL_PROXY", plain), [get]);
    assert_eq!(asked("all_proxy", encrypted), [connect]);
}

#[test]
fn no_proxy_is_asked_for_this_machine() {
    let (proxy, server) = (Server::saying(EMPTY), Server::saying(EMPTY));
    let address = format!("http://{}", proxy.address);
    let http = client(&[("HTTP_PROXY", &address), ("ALL_PROXY", &address)]);
    let mut by_name = server.url();
    by_name.set_host(Some("localhost")).unwrap();
    for url in [server.url(), by_name] {
        assert_eq!(get(&http, url).unwrap().status, StatusCode::OK);
        assert_eq!(server.requests(), ["GET /path HTTP/1.1"]);
    }
    assert!(proxy.requests().is_empty());
}

#[test]
fn no_proxy_is_asked_for_what_no_proxy_names() {
    let proxy = Server::saying(EMPTY);
    let address = format!("http://{}", proxy.address);
    // An address at which nothing answers, and which is not loopback's.
    let http = client(&[("HTTP_PROXY", &address), ("NO_PROXY", "0.0.0.0")]);
    let refused = get(&http, Url::parse("http://0.0.0.0:1/").unwrap());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(proxy.requests().is_empty());
}

#[test]
fn what_is_no_proxy_is_refused_unseen() {
    let variables = [("HTTPS_PROXY", "http://user:canary@[")];
    let error = Http::open(&Settings::default(), &context(&variables)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert_eq!(error.message(), "the variable HTTPS_PROXY is no address of a proxy");
    assert!(!format!("{error:?}").contains("canary"));
}

#[test]
fn plain_http_to_another_machine_is_not_even_tried() {
    let proxy = Server::saying(EMPTY);
    let address = format!("http://{}", proxy.address);
    let http = Http::open(&Settings::default(), &context(&[("HTTP_PROXY", &address)])).unwrap();
    let error = get(&http, Url::parse("http://store.example.com/").unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(proxy.requests().is_empty());
}

fn answer(name: &'static str, value: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    Answer { status: StatusCode::TOO_MANY_REQUESTS, headers, body: Zeroizing::default() }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let asked = |value: &str| answer("retry-after", value).retry_after();
    assert_eq!(asked("120"), Some(Duration::from_mins(2)));
    assert_eq!(asked("0"), Some(Duration::ZERO));
    // A date that has passed says: now.
    assert_eq!(asked("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
    let in_an_hour = jiff::Timestamp::now() + Duration::from_hours(1);
    let wait = asked(&in_an_hour.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).unwrap();
    assert!((Duration::from_mins(59)..=Duration::from_hours(1)).contains(&wait), "{wait:?}");
    for nonsense in ["", "soon", "-1", "1.5", "2026-01-01T00:00:00Z"] {
        assert_eq!(asked(nonsense), None, "{nonsense}");
    }
    assert_eq!(answer("other", "1").retry_after(), None);
}

#[test]
fn an_answer_and_a_client_show_no_secrets() {
    let mut answer = answer("x-token", "canary");
    answer.body = Zeroizing::new(b"canary".to_vec());
    let error = answer.json::<u8>().unwrap_err();
    let http = client(&[("HTTPS_PROXY", "http://user:canary@proxy:1")]);
    let shown = format!("{answer:?} {error:?} {http:?} {:?}", bearer(&"canary".into()).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_credential_that_no_header_can_hold_is_refused_unseen() {
    let error = bearer(&"canary\n".into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(!format!("{error:?}").contains("canary"));
}
