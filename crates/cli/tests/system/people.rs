//! Two people, two identities, one file.

use std::path::{Path, PathBuf};

use crate::{
    first_run::{at_terminal, end},
    project::{Project, Ran, Run as _},
    tools::{age_keygen, tool},
};

/// Alice made the store; Bob has an identity of his own.
struct Team {
    project: Project,
    alice: (PathBuf, String),
    bob: (PathBuf, String),
}

impl Team {
    fn new() -> Self {
        let project = Project::with_age_file();
        let person = |name: &str| {
            let identity = project.outside(name).join("identity.txt");
            let recipient = age_keygen(&identity);
            (identity, recipient)
        };
        let (alice, bob) = (person("alice"), person("bob"));
        let team = Team { project, alice, bob };
        team.of(&team.alice.0, &["secrets", "set", "shared"], b"first").expect(0);
        team
    }

    fn of(&self, identity: &Path, args: &[&str], input: &[u8]) -> Ran {
        self.project.modelmesh(args).env("MODELMESH_IDENTITY_FILE", identity).run(input)
    }

    fn alice(&self, args: &[&str]) -> Ran {
        self.of(&self.alice.0, args, b"")
    }

    fn bob(&self, args: &[&str]) -> Ran {
        self.of(&self.bob.0, args, b"")
    }

    fn add_bob(&self) {
        self.alice(&["secrets", "rekey", "--add", &self.bob.1]).expect(0);
    }
}

#[test]
fn someone_who_is_no_recipient_reads_and_writes_nothing() {
    let team = Team::new();
    team.bob(&["secrets", "get", "shared"]).expect(6);
    let before = team.project.read("secrets.age");
    team.of(&team.bob.0, &["secrets", "set", "shared"], b"mine").expect(6);
    team.bob(&["secrets", "rekey", "--add", &team.bob.1]).expect(6);
    assert_eq!(team.project.read("secrets.age"), before);
}

#[test]
fn what_either_sets_after_rekey_both_read() {
    let team = Team::new();
    team.add_bob();
    assert_eq!(team.bob(&["secrets", "get", "shared"]).expect(0).text(), "first");
    team.of(&team.bob.0, &["secrets", "set", "from-bob"], b"b").expect(0);
    team.of(&team.alice.0, &["secrets", "set", "from-alice"], b"a").expect(0);
    for (name, value) in [("shared", "first"), ("from-bob", "b"), ("from-alice", "a")] {
        assert_eq!(team.alice(&["secrets", "get", name]).expect(0).text(), value);
        assert_eq!(team.bob(&["secrets", "get", name]).expect(0).text(), value);
    }
    let mut age = tool("age", "age");
    age.args(["--decrypt", "-i"]).arg(&team.bob.0).arg(team.project.path("secrets.age"));
    assert_eq!(age.run(b"").expect(0).json()["secrets"]["from-alice"]["value"], "a");
}

#[test]
fn someone_who_was_removed_is_locked_out_of_what_follows() {
    let team = Team::new();
    team.add_bob();
    team.alice(&["secrets", "rekey", "--remove", &team.bob.1, "--yes"]).expect(0);
    team.bob(&["secrets", "get", "shared"]).expect(6);
    assert_eq!(team.alice(&["secrets", "get", "shared"]).expect(0).text(), "first");
    team.of(&team.alice.0, &["secrets", "set", "later"], b"x").expect(0);
    team.bob(&["secrets", "get", "later"]).expect(6);
}

#[test]
fn a_file_moves_from_keys_to_a_passphrase_and_back() {
    let project = Project::with_age_file();
    project.set("key", "value");
    let mut rekey = at_terminal(&project, &["secrets", "rekey", "--passphrase"]);
    rekey.expect("new passphrase for");
    rekey.press("hush-hush\n");
    rekey.expect("the same again");
    rekey.press("hush-hush\n");
    assert!(!end(rekey, 0).contains("hush"));
    let with_passphrase = |args: &[&str]| {
        let mut command = project.modelmesh(args);
        command.env("MODELMESH_PASSPHRASE", "hush-hush").run(b"")
    };
    assert_eq!(with_passphrase(&["secrets", "get", "key"]).expect(0).text(), "value");

    let public = tool("age-keygen", "age").arg("-y").arg(project.identity()).run(b"").expect(0).text();
    with_passphrase(&["secrets", "rekey", "--add", public.trim()]).expect(0);
    assert_eq!(project.get("key"), "value");
}

#[test]
fn nobody_can_lock_themselves_out() {
    let team = Team::new();
    let before = team.project.read("secrets.age");
    team.alice(&["secrets", "rekey", "--remove", &team.alice.1, "--yes"]).expect(1);
    team.alice(&["secrets", "rekey", "--add", &team.bob.1, "--remove", &team.alice.1, "--yes"]).expect(1);
    assert_eq!(team.project.read("secrets.age"), before);
}

#[test]
fn what_is_no_recipient_is_refused_and_changes_nothing() {
    let team = Team::new();
    let before = team.project.read("secrets.age");
    for wrong in ["age1nonsense", "", "passphrase", "ssh-rsa AAAA", &team.bob.1.to_uppercase()[..20]] {
        team.alice(&["secrets", "rekey", "--add", wrong]).expect(1);
    }
    team.alice(&["secrets", "rekey", "--remove", &team.bob.1, "--yes"]).expect(1);
    assert_eq!(team.project.read("secrets.age"), before);
}

#[test]
fn an_identity_given_as_a_recipient_is_refused_and_not_repeated() {
    let team = Team::new();
    let identity = std::fs::read_to_string(&team.bob.0).unwrap();
    let secret = identity.lines().find(|line| line.starts_with("AGE-SECRET-KEY")).unwrap();
    let refused = team.alice(&["secrets", "rekey", "--add", secret]);
    assert_ne!(refused.status.code(), Some(0));
    let (stdout, stderr) = (refused.text(), refused.stderr);
    assert!(!(stdout + &stderr).contains(&secret[20..]), "the private key is repeated");
}
