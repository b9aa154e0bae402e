//! No value leaves the command but where it was asked for.
//!
//! Every subcommand, as it succeeds and as it fails, at its loudest, with a canary in every place where a
//! secret goes. Output, children, temporary files and the project's folder are searched.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use modelmesh_testkit::canary::{Canary, CanarySet, Observation, Source, observe};

use crate::project::{MODELMESH, Project};

/// A project with secrets in each kind of store, and files of plaintext beside it.
struct House {
    project: Project,
    canaries: CanarySet,
    key: String,
    passphrase: Canary,
    identity: Canary,
    value: Canary,
    piped: Canary,
}

const CONFIG: &str = "secrets:
  store: modelmesh.age-file.v1
  stores:
    enc: { store: modelmesh.encrypted-file.v1, path: secrets.enc, passphrase: '${secrets:enc-passphrase}' }
    raw: { store: modelmesh.encrypted-file.v1, path: raw.enc, encryption_key: '${RAW_KEY}' }
    pass: { store: modelmesh.age-file.v1, path: pass.age, recipients: [passphrase] }
    any: { chain: [pass, default] }
env:
  KEY: ${secrets:key}
  SPECIAL: ${secrets:special}
providers:
  openai: { api_key: '${secrets:key}', url: 'https://u:${secrets:special}@host' }
";

impl House {
    fn new() -> Self {
        let project = Project::with_config(CONFIG);
        let new = |label: &str| Canary::new(label);
        let (value, piped, passphrase) = (new("a value"), new("a piped value"), new("the passphrase"));
        let special = Canary::with_special_characters("a value with special characters");
        let enc_passphrase = new("the encrypted file's passphrase");
        let key = value
            .text()
            .bytes()
            .map(|byte| format!("{:02x}", byte.wrapping_mul(7) ^ 0x5a))
            .collect::<Vec<_>>()
            .concat();
        let text = fs::read_to_string(project.identity()).unwrap();
        let secret = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
        let identity = Canary::of("the identity", secret);
        let house = House {
            canaries: [&value, &piped, &passphrase, &special, &enc_passphrase, &identity]
                .into_iter()
                .cloned()
                .chain([Canary::of("the raw key", &key)])
                .collect(),
            project,
            key,
            passphrase,
            identity,
            value,
            piped,
        };
        for (store, name, text) in [
            ("default", "key", house.value.text()),
            ("default", "special", special.text()),
            ("default", "json", &format!("{{\"field\": \"{}\"}}", house.value.text())),
            ("default", "enc-passphrase", enc_passphrase.text()),
            ("enc", "key", house.value.text()),
            ("raw", "key", house.value.text()),
            ("pass", "key", house.value.text()),
        ] {
            let observation = house.observe(&["secrets", "set", name, "--store", store], text);
            assert_eq!(observation.status.code(), Some(0), "{}", stderr(&observation));
        }
        house
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.modelmesh(args);
        command.env("MODELMESH_PASSPHRASE", self.passphrase.text()).env("RAW_KEY", &self.key);
        command
    }

    fn observe(&self, args: &[&str], input: &str) -> Observation {
        observe(self.command(args), input.as_bytes()).unwrap()
    }

    /// Asserts that the command ends with `code` and shows no canary, neither now nor in what it leaves.
    #[track_caller]
    fn silent(&self, args: &[&str], input: &str, code: i32) -> Observation {
        self.silent_as(self.command(args), input, code)
    }

    #[track_caller]
    fn silent_as(&self, command: Command, input: &str, code: i32) -> Observation {
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let observation = observe(command, input.as_bytes()).unwrap();
        observation.assert_absent(&self.canaries);
        assert_eq!(observation.status.code(), Some(code), "{args:?}: {}", stderr(&observation));
        self.canaries.assert_absent_in_dir(&self.project.folder());
        observation
    }

    /// A file outside the project, which may hold plaintext.
    fn outside(&self, name: &str, text: &str) -> String {
        let path = self.project.outside(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn editor(&self, name: &str, script: &str) -> String {
        let path = self.outside(name, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

fn stderr(observation: &Observation) -> String {
    String::from_utf8_lossy(&observation.stderr).into_owned()
}

#[test]
fn set_shows_no_value() {
    let house = House::new();
    let value = house.piped.text();
    for store in ["default", "enc", "raw", "pass"] {
        house.silent(&["secrets", "set", "new", "--store", store], value, 0);
        house.silent(&["--json", "secrets", "set", "new", "--raw", "--store", store], value, 0);
    }
    house.silent(&["secrets", "set", "new", value], "", 0);
    house.silent(&["secrets", "set", "new", "--store", "any"], value, 1);
    house.silent(&["secrets", "set", "new", "--store", "env"], value, 1);
    house.silent(&["secrets", "set", "../new"], value, 2);
    house.silent(&["secrets", "set", "new", value, value], "", 2);
    house.silent(&["secrets", "set", "new", &format!("--{value}")], "", 2);
    house.silent(&["--json", "secrets", "set", "new", &format!("-z{value}")], "", 2);
    house.silent(&["secrets", "set", "new", "--store", "nowhere"], value, 1);
    house.silent(&["secrets", "set", "new", "--store", "modelmesh.dotenv.v1"], &format!("{value}\0"), 1);
    let not_text = observe(house.command(&["secrets", "set", "new"]), &[value.as_bytes(), b"\xff"].concat());
    not_text.unwrap().assert_absent(&house.canaries);
}

#[test]
fn reading_shows_the_value_asked_for_and_no_other() {
    let house = House::new();
    let get = house.observe(&["secrets", "get", "key"], "");
    assert_eq!(get.stdout, house.value.text().as_bytes());
    house.canaries.assert_absent(&get.stderr, "standard error");
    for args in [
        &["secrets", "list"][..],
        &["secrets", "list", "--json"],
        &["secrets", "list", "--store", "enc"],
        &["check"],
        &["check", "--json"],
        &["check", "--offline"],
        &["stores"],
        &["stores", "--json"],
        &["stores", "modelmesh.encrypted-file.v1"],
        &["schema"],
        &["completions", "bash"],
    ] {
        house.silent(args, "", 0);
    }
    house.silent(&["secrets", "get", "gone"], "", 3);
    house.silent(&["--json", "secrets", "get", "gone", "--store", "any"], "", 3);
    house.silent(&["secrets", "delete", "gone", "--yes"], "", 3);
    house.silent(&["secrets", "delete", "special", "--yes"], "", 0);
}

#[test]
fn a_wrong_key_shows_neither_it_nor_what_it_does_not_open() {
    let mut house = House::new();
    let wrong = Canary::new("a wrong passphrase");
    house.canaries.insert(wrong.clone());
    for (store, variable, text) in [
        ("pass", "MODELMESH_PASSPHRASE", wrong.text()),
        ("raw", "RAW_KEY", &"0123456789abcdef".repeat(4)),
        ("raw", "RAW_KEY", wrong.text()),
        ("default", "MODELMESH_IDENTITY", wrong.text()),
        ("default", "MODELMESH_IDENTITY_FILE", &house.outside("wrong.txt", wrong.text())),
        ("default", "MODELMESH_IDENTITY_FILE", &house.outside("ssh", &ssh_like(wrong.text()))),
        ("enc", "MODELMESH_IDENTITY", wrong.text()),
    ] {
        for args in [&["secrets", "get", "key"][..], &["--json", "secrets", "set", "key"]] {
            let mut command = house.command(&[args, &["--store", store]].concat());
            command.env(variable, text);
            let observation = observe(command, house.piped.text().as_bytes()).unwrap();
            observation.assert_absent(&house.canaries);
            let code = observation.status.code();
            assert!(matches!(code, Some(1 | 6)), "{store} {args:?}: {code:?}: {}", stderr(&observation));
        }
    }
}

fn ssh_like(text: &str) -> String {
    format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n")
}

#[test]
fn import_and_export_show_names_alone() {
    let mut house = House::new();
    let imported = Canary::with_special_characters("an imported value");
    let broken = Canary::new("a value of a broken file");
    house.canaries.insert(imported.clone());
    house.canaries.insert(broken.clone());
    let json = serde_json::to_string(imported.text()).unwrap();
    for (name, text) in [
        ("a.json", format!("{{\"A\": {json}}}")),
        ("b.yaml", format!("B: {json}\n")),
        ("c.toml", format!("C = {json}\n")),
        ("d.env", format!("D={}\n", house.piped.text())),
    ] {
        house.silent(&["secrets", "import", &house.outside(name, &text)], "", 0);
    }
    let text = broken.text();
    for (name, text) in [
        ("a.json", format!("{{\"A\": \"{text}\", }} \"{text}\"")),
        ("b.json", format!("{{\"A\": [\"{text}\"], \"B\": {{\"C\": \"{text}\"}}}}")),
        ("c.yaml", format!("A: \"{text}\n{text}: :")),
        ("d.yaml", format!("- {text}\n")),
        ("e.toml", format!("A = {text}\n")),
        ("f.env", format!("A='{text}\nB={text}\n")),
        ("g.env", format!("A=\"{text}\" {text}\n")),
        ("h.env", format!("={text}\n")),
        ("i.json", format!("\"{text}\"")),
        ("j.unknown", text.to_owned()),
        ("k.json", format!(r#"{{"version": 1, "algorithm": "x", "salt": "{text}", "data": "{text}"}}"#)),
    ] {
        let file = house.outside(name, &text);
        for args in
            [&["secrets", "import", &file][..], &["--json", "secrets", "import", &file, "--overwrite"]]
        {
            let observation = house.observe(args, "");
            observation.assert_absent(&house.canaries);
            assert!(matches!(observation.status.code(), Some(1 | 2)), "{name}: {}", stderr(&observation));
        }
    }
    let to = house.project.outside("exported");
    for format in ["dotenv", "json", "yaml", "toml"] {
        let args = ["secrets", "export", "--store", "enc", "--format", format, "-o", to.to_str().unwrap()];
        house.silent(&args, "", 0);
        assert!(fs::read_to_string(&to).unwrap().contains(house.value.text()));
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    }
    house.silent(&["secrets", "export", "-o", "no/such/folder"], "", 1);
}

#[test]
fn render_writes_values_to_its_file_and_nowhere_else() {
    let house = House::new();
    let to = house.project.outside("rendered.yaml");
    house.silent(&["render", "-o", to.to_str().unwrap()], "", 0);
    assert!(fs::read_to_string(&to).unwrap().contains(house.value.text()));
    house.silent(&["render", "-o", "no/such/folder/x.yaml"], "", 1);
    let missing = "x: ${secrets:gone}\n";
    let path = house.outside("missing.yaml", &format!("{CONFIG}{missing}"));
    house.silent(&["render", "--config", &path], "", 3);
}

#[test]
fn run_gives_the_child_what_it_asked_for_and_no_more() {
    let house = House::new();
    let asked: CanarySet = [house.value.clone()].into_iter().collect();
    let others: CanarySet =
        [house.identity.clone(), house.passphrase.clone(), house.piped.clone()].into_iter().collect();
    for redact in [false, true] {
        let mut args = vec!["run", "--set", "KEY=${secrets:key}"];
        args.extend(redact.then_some("--redact"));
        // It waits for its input, so that it is seen.
        args.extend(["--", "sh", "-c", "env >&2; read -r line; exit 5"]);
        let mut command = house.command(&args);
        command.env("MODELMESH_IDENTITY", house.identity.text());
        let observation = observe(command, b"\n").unwrap();
        assert_eq!(observation.status.code(), Some(5), "{}", stderr(&observation));
        others.assert_absent(&observation.stderr, "what the child sees");
        assert_eq!(asked.find_in(&observation.stderr, "").is_empty(), redact);
        let elsewhere = |(source, _): &(Source, _)| {
            !matches!(source, Source::Environment | Source::Stderr | Source::ChildEnvironment(_))
        };
        let leaks: Vec<_> = observation.find(&house.canaries).into_iter().filter(elsewhere).collect();
        assert!(leaks.is_empty(), "{leaks:?}");
    }
    house.silent(&["run", "--set", "A=${secrets:gone}", "--", "true"], "", 125);
    house.silent(&["run", "--", "no-such-program"], "", 127);
    let value = house.piped.text();
    house.silent(&["run", "--set", value, "--", "true"], "", 125);
    house.silent(&["run", "--set", &format!("A={value} ${{secrets:open"), "--", "true"], "", 125);
    house.silent(&["run", "--set", &format!("A=${{secrets.nowhere:x:-{value}}}"), "--", "true"], "", 125);
    house.silent(&["run", "--set", &format!("LD_PRELOAD={value}"), "--", "true"], "", 125);
}

#[test]
fn edit_keeps_the_text_in_memory_and_out_of_sight() {
    let house = House::new();
    let edit = |script: &str| {
        let mut command = house.command(&["secrets", "edit"]);
        command.env("EDITOR", house.editor("editor", script)).env_remove("MODELMESH_PASSPHRASE");
        command.env_remove("RAW_KEY");
        command
    };
    let addition = house.outside("addition", &format!("new: \"{}\"\n", house.piped.text()));
    house.silent_as(edit(&format!("cat {addition} >> \"$1\"; read -r line")), "\n", 0);
    assert_eq!(house.observe(&["secrets", "get", "new"], "").stdout, house.piped.text().as_bytes());
    house.silent_as(edit("true"), "", 0);
    house.silent_as(edit("exit 3"), "", 1);
    house.silent_as(edit("cp \"$1\" \"$1~\"; touch \"$TMPDIR/swap\"; true"), "", 0);
    // Broken, and nobody there to ask whether to try again.
    let broken = house.outside("broken", &format!("new: \"{}\n: [", house.piped.text()));
    let mut alone = house.project.command(crate::tools::tool("setsid", "util-linux"), &["--wait", MODELMESH]);
    let script = format!("cat {broken} >> \"$1\"");
    alone.args(["secrets", "edit"]).env("EDITOR", house.editor("editor", &script));
    let observation = observe(alone, b"").unwrap();
    observation.assert_absent(&house.canaries);
    assert_ne!(observation.status.code(), Some(0));
    assert_no_edit_folder_holds(&house.canaries);
}

/// Folders of other tests that edit at this moment have canaries of their own.
fn assert_no_edit_folder_holds(canaries: &CanarySet) {
    for entry in fs::read_dir("/dev/shm").unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("modelmesh-") {
            canaries.assert_absent_in_dir(&entry.path());
        }
    }
}

#[test]
fn the_editor_gets_no_credential_of_the_store() {
    let house = House::new();
    let mut command = house.command(&["secrets", "edit"]);
    let seen = house.project.outside("seen");
    let script = format!("env > {}", seen.display());
    command.env("EDITOR", house.editor("editor", &script)).env("MODELMESH_IDENTITY", house.identity.text());
    let observation = observe(command, b"").unwrap();
    assert_eq!(observation.status.code(), Some(0), "{}", stderr(&observation));
    let credentials: CanarySet = [house.passphrase.clone(), house.identity.clone()].into_iter().collect();
    credentials.assert_absent(fs::read(seen).unwrap(), "the editor's environment");
}

#[test]
fn rekey_and_init_show_public_keys_alone() {
    let house = House::new();
    let other = house.project.outside("other.txt");
    let recipient = crate::tools::age_keygen(&other);
    house.silent(&["secrets", "rekey"], "", 0);
    house.silent(&["secrets", "rekey", "--add", &recipient], "", 0);
    house.silent(&["--json", "secrets", "rekey", "--remove", &recipient, "--yes"], "", 0);
    house.silent(&["secrets", "rekey", "--add", house.identity.text()], "", 1);
    house.silent(&["secrets", "rekey", "--add", &format!("ssh-ed25519 {}", house.piped.text())], "", 1);
    house.silent(&["secrets", "rekey", "--passphrase"], "", 2);
    house.silent(&["secrets", "rekey", "--store", "enc"], "", 0);
    house.silent(&["secrets", "rekey", "--store", "enc", "--add", &recipient], "", 1);
    house.silent(&["init", "fresh"], "", 0);
    house.silent(&["init", "fresh"], "", 0);
    let made = fs::read_to_string(house.project.identity()).unwrap();
    assert!(made.contains(house.identity.text()));
}

#[test]
fn no_temporary_file_of_a_killed_set_holds_a_value() {
    let house = House::new();
    for _ in 0..40 {
        let mut command = house.command(&["secrets", "set", "key"]);
        command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), house.piped.text().as_bytes()).unwrap();
        // Until it has written something beside the store, or has ended.
        while child.try_wait().unwrap().is_none() && !writing(&house.project.folder()) {}
        child.kill().unwrap();
        child.wait().unwrap();
        house.canaries.assert_absent_in_dir(&house.project.folder());
    }
}

fn writing(folder: &Path) -> bool {
    fs::read_dir(folder)
        .unwrap()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with(".secrets.age.tmp-"))
}
