//! 100 documents from OpenBao, beside `wrk` with 8 connections, and the Python SDK of secretspec.
//!
//! - Ours opens the store each time, without a cache: connections and the version of the engine are part of it.
//! - `wrk` only sends and counts, over connections that are open: it is asked for a second how many reads the server
//!   can answer, of the same paths.
//! - secretspec is asked by an interpreter that runs and has loaded it: a new one each time, and the same again and
//!   again. `SECRETSPEC_PYTHON` is one that has the SDK.
//!
//! OpenBao is that of the test environment: `MODELMESH_TEST_PYTHON`.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use modelmesh_secrets::{config::Configuration, document::Format, reference::Reference};
use modelmesh_stores::{
    open::StoreSet,
    registry::{OpenContext, catalogue},
};
use modelmesh_testkit::servers::vault::VaultServer;

use crate::measure::{Times, print};

const DOCUMENTS: usize = 100;
const ROUNDS: usize = 21;

/// Where secretspec keeps the secrets of a project.
const FOLDER: &str = "secretspec/bench/default";

/// One round of a contender, which says how long it took.
type Timed<'a> = Box<dyn FnMut() -> Duration + 'a>;

pub(crate) fn bench() {
    // As the command has it: a second thread would only take the server's processor.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = VaultServer::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    runtime.block_on(async {
        for at in 0..DOCUMENTS {
            let body =
                format!(r#"{{"data":{{"value":"sk-proj-{at:03}-0123456789abcdefghijklmnopqrstuvwxyz"}}}}"#);
            let body = body.parse().expect("it is JSON");
            server.client().expect("POST", &format!("secret/data/{FOLDER}/{}", name(at)), Some(body)).await;
        }
    });
    let (configuration, references) = configuration(&server);
    let mut contenders: Vec<(&str, Timed<'_>)> = Vec::new();
    let wrk = Wrk::new(&server, folder.path());
    contenders.push(("wrk, 8 open connections", Box::new(move || wrk.time_of_all())));
    let ours = || {
        let begun = Instant::now();
        let stores = StoreSet::new(Arc::clone(&configuration), OpenContext::default()).expect("it is valid");
        let values = runtime.block_on(stores.without_cache().resolver().get_many(&references));
        assert!(values.iter().all(Result::is_ok), "{:?}", values.iter().find(|value| value.is_err()));
        begun.elapsed()
    };
    contenders.push(("modelmesh, from nothing", Box::new(ours)));
    match Secretspec::start(&server, folder.path()) {
        Some(mut secretspec) => {
            let first =
                || Secretspec::start(&server, folder.path()).expect("it started before").time_of_all();
            contenders.push(("secretspec, the first time in a process", Box::new(first)));
            contenders.push(("secretspec, again and again", Box::new(move || secretspec.time_of_all())));
        }
        None => println!("left out: secretspec: SECRETSPEC_PYTHON names no Python that has it"),
    }
    let mut times: Vec<Vec<Duration>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for ((_, contender), times) in contenders.iter_mut().zip(&mut times) {
            let time = contender();
            // The first is to warm up.
            if round > 0 {
                times.push(time);
            }
        }
    }
    let names = contenders.iter().map(|(name, _)| *name);
    let times: Vec<Times> = names.zip(times).map(|(name, rounds)| Times::new(name, rounds)).collect();
    print("100 documents from OpenBao (x of the first)", &times, 1);
}

fn name(at: usize) -> String {
    format!("KEY_{at:03}")
}

fn configuration(server: &VaultServer) -> (Arc<Configuration>, Vec<Reference>) {
    let text = format!(
        "secrets: {{ store: hashicorp.vault.v1, address: '{}', token: '{}', prefix: '{FOLDER}/' }}",
        server.address(),
        server.root().text()
    );
    let parsed = Configuration::parse("modelmesh.yaml", ".".into(), &text, Format::Yaml, &catalogue());
    let references = (0..DOCUMENTS).map(|at| Reference::parse(&format!("${{secrets:{}}}", name(at))));
    (
        Arc::new(parsed.expect("it is valid")),
        references.collect::<Result<_, _>>().expect("they are references"),
    )
}

/// `wrk`, and what it asks for.
struct Wrk {
    address: String,
    script: std::path::PathBuf,
}

impl Wrk {
    fn new(server: &VaultServer, folder: &Path) -> Self {
        let script = folder.join("read.lua");
        let text = format!(
            "local at = 0
             request = function()
               at = (at + 1) % {DOCUMENTS}
               local path = string.format('/v1/secret/data/{FOLDER}/KEY_%03d', at)
               return wrk.format('GET', path, {{ ['X-Vault-Token'] = '{}' }})
             end",
            server.root().text()
        );
        write(&script, &text);
        Wrk { address: server.address().to_owned(), script }
    }

    fn time_of_all(&self) -> Duration {
        let mut command = Command::new("wrk");
        command.args(["-t1", "-c8", "-d1s", "-s"]).arg(&self.script).arg(&self.address);
        let output = command.output().expect("wrk is installed: Debian's package 'wrk'");
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.contains("Non-2xx"), "{output}");
        let rate = output.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
        let rate: f64 = rate.and_then(|rate| rate.trim().parse().ok()).expect("wrk tells a rate");
        #[allow(clippy::cast_precision_loss, reason = "a hundred is exact")]
        Duration::from_secs_f64(DOCUMENTS as f64 / rate)
    }
}

/// An interpreter that resolves the same secrets, each time it is told to.
struct Secretspec {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Secretspec {
    fn start(server: &VaultServer, folder: &Path) -> Option<Self> {
        const SCRIPT: &str = "
import sys
from secretspec import SecretSpec
print('ready', flush=True)
for _ in sys.stdin:
    found = SecretSpec.builder().with_provider(sys.argv[1]).with_reason('a benchmark').load()
    print(len(found.secrets), flush=True)
";
        let python = std::env::var_os("SECRETSPEC_PYTHON")?;
        let mut manifest =
            String::from("[project]\nname = \"bench\"\nrevision = \"1.0\"\n[profiles.default]\n");
        for at in 0..DOCUMENTS {
            let _ = writeln!(manifest, "{} = {{ description = \"a key\", required = true }}", name(at));
        }
        write(&folder.join("secretspec.toml"), &manifest);
        let host = server.address().trim_start_matches("http://");
        let mut child = Command::new(python)
            .args(["-c", SCRIPT, &format!("openbao://{host}/secret?tls=false")])
            .current_dir(folder)
            .env("HOME", folder)
            .env("BAO_TOKEN", server.root().text())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut secretspec = Secretspec { child, input, output };
        (secretspec.line() == "ready").then_some(secretspec)
    }

    fn time_of_all(&mut self) -> Duration {
        let begun = Instant::now();
        self.input.write_all(b"\n").expect("it reads");
        assert_eq!(self.line(), DOCUMENTS.to_string());
        begun.elapsed()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it writes");
        line.trim().to_owned()
    }
}

impl Drop for Secretspec {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(path: &Path, text: &str) {
    #[allow(clippy::disallowed_methods, reason = "a benchmark's own input, in its own folder")]
    fs::write(path, text).expect("a folder of its own");
}
