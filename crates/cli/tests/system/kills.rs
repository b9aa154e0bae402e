//! Writers that are killed, and writers that compete.

use std::{
    collections::BTreeMap,
    env,
    io::{self, Write as _},
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::project::{Project, Run as _};
use crate::tools::tool;

const SIGKILL: i32 = 9;

/// Setters side by side: two on each store, so that kills also land while one waits for the other.
const SETTERS: usize = 4;
const STORES: usize = 2;

/// Names that each setter writes again and again.
const NAMES: usize = 12;

#[test]
fn a_set_killed_at_any_moment_loses_no_acknowledged_value() {
    let kills: usize = env::var("MODELMESH_TEST_KILLS").map_or(2000, |text| text.parse().unwrap());
    let stores: Vec<Project> = (0..STORES).map(|_| Project::with_age_file()).collect();
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let setters: Vec<_> = (0..SETTERS)
            .map(|setter| {
                let project = &stores[setter % STORES];
                scope.spawn(move || set_and_kill(project, setter, kills / SETTERS))
            })
            .collect();
        setters.into_iter().map(|setter| setter.join().unwrap()).collect()
    });

    let hit: usize = tallies.iter().map(|tally| tally.killed).sum();
    let acknowledged: usize = tallies.iter().map(|tally| tally.acknowledged).sum();
    let left: usize = tallies.iter().map(|tally| tally.left).sum();
    report(&format!(
        "{kills} kills, {hit} of a running process; {acknowledged} values acknowledged; after {left} kills a \
         temporary file was beside the store"
    ));
    assert!(hit * 2 > kills, "only {hit} of {kills} kills hit a running process: the delays do not fit");
    assert!(acknowledged > 0, "no set ever ended, so nothing was proved");
    assert!(left > 0 || kills < 100, "no kill hit a write, so nothing was proved");
    for (setter, tally) in tallies.iter().enumerate() {
        let held = secrets_of(&stores[setter % STORES]);
        for (name, history) in &tally.histories {
            history.judge(name, held.get(name));
        }
    }
    for project in &stores {
        project.set("last", "x"); // sweeps what the last victim left
        assert_eq!(project.files(), [".secrets.age.lock", "modelmesh.yaml", "secrets.age"]);
    }
}

/// What one setter did.
#[derive(Default)]
struct Tally {
    killed: usize,
    acknowledged: usize,
    /// After how many kills a temporary file was there: of the victim, or of the other setter.
    left: usize,
    histories: BTreeMap<String, History>,
}

/// The values that a name may have: the last acknowledged, or one that was on its way afterwards.
#[derive(Default)]
struct History {
    acknowledged: Option<String>,
    since: Vec<String>,
}

impl History {
    fn judge(&self, name: &str, held: Option<&String>) {
        match held {
            Some(value) if self.acknowledged.as_ref() == Some(value) || self.since.contains(value) => {}
            None if self.acknowledged.is_none() => {}
            other => panic!("{name}: {:?} was acknowledged, {other:?} is there", self.acknowledged),
        }
    }
}

fn set_and_kill(project: &Project, setter: usize, kills: usize) -> Tally {
    let mut tally = Tally::default();
    let mut duration = Duration::from_millis(20);
    for turn in 0..kills {
        let name = format!("setter-{setter}-name-{}", turn % NAMES);
        let value = format!("value of turn {turn}");
        let history = tally.histories.entry(name.clone()).or_default();
        history.since.push(value.clone());

        let started = Instant::now();
        let mut child = project
            .modelmesh(&["secrets", "set", &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        let deadline = started + duration.mul_f64(random_fraction() * 1.2);
        // Watched for its end, which tells how long a set takes now, with this machine's load.
        let ended = loop {
            if child.try_wait().unwrap().is_some() {
                break true;
            }
            if Instant::now() >= deadline {
                break false;
            }
            thread::sleep(Duration::from_micros(200)); // the pace of looking
        };
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            tally.acknowledged += 1;
            history.acknowledged = Some(value);
            history.since.clear();
        } else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.signal(),
                Some(SIGKILL),
                "turn {turn}: the file does not open: {stderr}"
            );
            tally.killed += 1;
            tally.left += usize::from(project.files().iter().any(|name| name.contains(".tmp-")));
        }
        duration = if ended {
            duration.mul_f64(0.9) + started.elapsed().mul_f64(0.1)
        } else {
            // If nothing ever ends in time, wait longer; much longer until one has, on a machine that is slow.
            duration.mul_f64(if tally.acknowledged == 0 { 1.2 } else { 1.005 })
        };
    }
    tally
}

fn random_fraction() -> f64 {
    f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX)
}

/// What the store holds, in the eyes of the age tool.
fn secrets_of(project: &Project) -> BTreeMap<String, String> {
    let mut age = tool("age", "age");
    age.args(["--decrypt", "-i"]).arg(project.identity()).arg(project.path("secrets.age"));
    let plaintext = age.run(b"").expect(0).json();
    let secrets = plaintext["secrets"].as_object().unwrap();
    secrets.iter().map(|(name, secret)| (name.clone(), secret["value"].as_str().unwrap().into())).collect()
}

#[test]
fn eight_writers_of_one_age_file_lose_nothing() {
    let project = Project::with_age_file();
    compete(&project, 250);
    let held = secrets_of(&project);
    assert_eq!(held.len(), 8 * 250);
    assert!(held.iter().all(|(name, value)| *value == format!("value of {name}")));
}

#[test]
fn eight_writers_of_one_dotenv_file_lose_nothing() {
    let project = Project::with_config("secrets:\n  store: modelmesh.dotenv.v1\n");
    project.write(".env", "# a comment that stays\nFIRST='1'\n");
    compete(&project, 25);
    let names = project.run(&["secrets", "list"]).expect(0).text();
    assert_eq!(names.lines().count(), 8 * 25 + 1);
    for name in names.lines().filter(|name| *name != "FIRST") {
        assert_eq!(project.get(name), format!("value of {name}"));
    }
    assert!(project.read(".env").starts_with(b"# a comment that stays\nFIRST='1'\n"));
}

/// Eight processes at a time, each storing names of its own.
fn compete(project: &Project, sets: usize) {
    let started = Instant::now();
    thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                for turn in 0..sets {
                    let name = format!("W{writer}_{turn}");
                    project.set(&name, &format!("value of {name}"));
                }
            });
        }
    });
    report(&format!("8 writers, {sets} sets each, in {:.1} s", started.elapsed().as_secs_f64()));
}

/// Shows a figure although the test passes.
fn report(text: &str) {
    // `eprintln!` would be captured.
    io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}
