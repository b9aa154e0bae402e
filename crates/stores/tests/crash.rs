//! What becomes of an age file when its writers are killed, and when many processes write it.
//!
//! The writers are this test binary itself, started again to run [`writer`] alone.
//! `MODELMESH_TEST_KILLS` and `MODELMESH_TEST_SETS` make the tests longer.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test; clippy knows only its `#[test]` functions as such")]

use std::{
    collections::BTreeMap,
    env,
    hash::{BuildHasher as _, RandomState},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use modelmesh_secrets::{
    SecretManagement as _, SecretName, SecretResolution as _,
    setting::{SettingValue, Settings},
};
use modelmesh_stores::{
    age_file::{AgeFileStore, identity},
    registry::OpenContext,
};

const FOLDER: &str = "MODELMESH_TEST_FOLDER";
const WHO: &str = "MODELMESH_TEST_WHO";
const FROM: &str = "MODELMESH_TEST_FROM";
const SETS: &str = "MODELMESH_TEST_SETS";
const KILLS: &str = "MODELMESH_TEST_KILLS";

/// Each writer goes round this many names.
const NAMES: u64 = 8;

fn store(folder: &Path) -> AgeFileStore {
    let identity = folder.join("identity.txt");
    identity::create(&identity).unwrap();
    let settings = Settings::default()
        .with("path", SettingValue::Path(folder.join("secrets.age")))
        .with("identity", SettingValue::Path(identity));
    AgeFileStore::open(&settings, &OpenContext::default()).unwrap()
}

fn name(who: &str, number: u64) -> SecretName {
    SecretName::new(format!("{who}-{}", number % NAMES)).unwrap()
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Sets numbers as values, and says of each when it is acknowledged. Started by the tests below.
#[test]
#[ignore = "started by the other tests of this file"]
fn writer() {
    let folder = env::var_os(FOLDER).unwrap();
    let (who, from) = (env::var(WHO).unwrap(), number(FROM, 0));
    let store = store(Path::new(&folder));
    runtime().block_on(async {
        for n in from..from + number(SETS, 0) {
            store.set(&name(&who, n), &n.to_string().into()).await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nack {n}").unwrap();
            out.flush().unwrap();
        }
    });
}

fn start(folder: &Path, who: &str, from: u64, sets: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["writer", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(WHO, who)
        .env(FROM, from.to_string())
        .env(SETS, sets.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn acknowledged(line: &str) -> Option<u64> {
    line.strip_prefix("ack ").map(|number| number.parse().unwrap())
}

#[test]
fn a_writer_killed_at_any_moment_loses_no_acknowledged_value() {
    let folder = tempfile::tempdir().unwrap();
    let reader = store(folder.path());
    let runtime = runtime();
    let random = RandomState::new();
    let mut last: BTreeMap<SecretName, u64> = BTreeMap::new();
    let (mut next, mut left_behind) = (0, 0);
    for kill in 0..number(KILLS, 200) {
        let mut child = start(folder.path(), "k", next, u64::MAX / 2);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.by_ref().find_map(|line| acknowledged(&line)).expect("a first set");
        // A set takes one to a few milliseconds: this lands anywhere in one.
        let moment = Instant::now() + Duration::from_micros(random.hash_one(kill) % 6000);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for n in std::iter::once(first).chain(lines.filter_map(|line| acknowledged(&line))) {
            last.insert(name("k", n), n);
            next = n + 1;
        }
        left_behind += usize::from(temporaries(folder.path()) > 0);
        for (name, acknowledged) in &last {
            let found = runtime.block_on(reader.get(name)).unwrap();
            let found: u64 = found.expose().parse().unwrap();
            // The one set after the last acknowledged one may have happened too.
            assert!(
                found == *acknowledged || found == next,
                "kill {kill}: {name} is {found}, was {acknowledged}"
            );
        }
    }
    runtime.block_on(reader.set(&name("k", next), &"swept".into())).unwrap();
    assert_eq!(temporaries(folder.path()), 0, "{left_behind} kills left a temporary file, and one stayed");
}

fn temporaries(folder: &Path) -> usize {
    folder.read_dir().unwrap().filter(|entry| is_temporary(entry.as_ref().unwrap())).count()
}

fn is_temporary(entry: &std::fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().contains(".tmp-")
}

#[test]
fn eight_processes_that_write_at_once_lose_nothing() {
    const WRITERS: u64 = 8;
    let sets = number(SETS, 250);
    let folder = tempfile::tempdir().unwrap();
    let reader = store(folder.path());
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            // All of them write the same names, each its own numbers.
            let mut child = start(folder.path(), "shared", writer * 1_000_000 * NAMES, sets);
            let out = child.stdout.take().unwrap();
            let acks = std::thread::spawn(move || {
                BufReader::new(out).lines().filter_map(|line| acknowledged(&line.unwrap())).count() as u64
            });
            (child, acks)
        })
        .collect();
    for (mut child, acks) in writers {
        assert_eq!(acks.join().unwrap(), sets);
        assert!(child.wait().unwrap().success());
    }
    // Each set raises its secret's version by one, so a lost write shows in the sum.
    let versions = (0..NAMES.min(sets)).map(|n| {
        let value = runtime().block_on(reader.get(&name("shared", n))).unwrap();
        value.version().unwrap().as_str().parse::<u64>().unwrap()
    });
    assert_eq!(versions.sum::<u64>(), WRITERS * sets);
}
