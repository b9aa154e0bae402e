//! Files of ours in the hands of others, and files of others in ours.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::{
    project::{Project, Run as _},
    tools::{age_keygen, python, python_fed, tool},
};

const PASSPHRASE: &str = "correct horse battery staple";
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Opens a file from the description of the format alone, with nothing of ours and nothing of the reference.
const INDEPENDENT_READER: &str = r#"
import base64, json, sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.hashes import SHA256
path, kind, secret = sys.argv[1:]
file = json.load(open(path))
assert file["version"] == 1 and file["algorithm"] == "aes-256-gcm", file
salt, data = base64.b64decode(file["salt"]), base64.b64decode(file["data"])
if kind == "passphrase":
    key = PBKDF2HMAC(SHA256(), 32, salt, 600000).derive(secret.encode())
else:
    key = bytes.fromhex(secret)
sys.stdout.write(AESGCM(key).decrypt(data[:12], data[12:], None).decode())
"#;

/// The reference package: prints what the file holds, after setting the secrets of standard input in it.
const REFERENCE: &str = r#"
import json, sys
from modelmesh.connectors.secret_stores import EncryptedFileSecretStore, EncryptedFileSecretStoreConfig
path, kind, secret = sys.argv[1:]
store = EncryptedFileSecretStore(EncryptedFileSecretStoreConfig(file_path=path, **{kind: secret}))
assert store.crypto_available
for name, value in json.loads(sys.stdin.read() or "{}").items():
    store.set(name, value)
    store.save()
json.dump({name: store.get(name) for name in store.list()}, sys.stdout)
"#;

fn encrypted(kind: &str, secret: &str) -> Project {
    let entry = "secrets:\n  store: modelmesh.encrypted-file.v1\n  file_path: secrets.enc\n";
    Project::with_config(&format!("{entry}  {kind}: {secret}\n"))
}

fn args<'a>(file: &'a Path, kind: &'a str, secret: &'a str) -> [&'a str; 3] {
    [file.to_str().unwrap(), kind, secret]
}

const KINDS: [(&str, &str); 2] = [("passphrase", PASSPHRASE), ("encryption_key", KEY)];

#[test]
fn an_encrypted_file_of_ours_opens_in_an_independent_reader() {
    for (kind, secret) in KINDS {
        let project = encrypted(kind, secret);
        project.set("openai-key", "sk-üñî: ${x}\n\"");
        let read = python(INDEPENDENT_READER, args(&project.path("secrets.enc"), kind, secret)).expect(0);
        assert_eq!(read.json(), serde_json::json!({ "openai-key": "sk-üñî: ${x}\n\"" }), "{kind}");
    }
}

#[test]
fn an_encrypted_file_of_ours_opens_in_the_reference_package() {
    for (kind, secret) in KINDS {
        let project = encrypted(kind, secret);
        project.set("openai-key", "sk-üñî: ${x}\n\"");
        let read = python(REFERENCE, args(&project.path("secrets.enc"), kind, secret)).expect(0);
        assert_eq!(read.json(), serde_json::json!({ "openai-key": "sk-üñî: ${x}\n\"" }), "{kind}");
    }
}

#[test]
fn an_encrypted_file_of_the_reference_package_opens_here() {
    for (kind, secret) in KINDS {
        let project = encrypted(kind, secret);
        let secrets = serde_json::json!({ "a": "1", "ключ": "\u{1f511} \u{1}\\" }).to_string();
        python_fed(REFERENCE, args(&project.path("secrets.enc"), kind, secret), secrets.as_bytes()).expect(0);
        assert_eq!(project.get("a"), "1", "{kind}");
        assert_eq!(project.get("ключ"), "\u{1f511} \u{1}\\", "{kind}");
    }
}

#[test]
fn the_reference_package_and_we_write_one_file_in_turn_and_lose_nothing() {
    let project = encrypted("encryption_key", KEY);
    let file = project.path("secrets.enc");
    let mut expected = serde_json::Map::new();
    for turn in 0..10 {
        let (name, value) = (format!("name-{turn}"), format!("value of turn {turn}"));
        if turn % 2 == 0 {
            project.set(&name, &value);
        } else {
            let secret = serde_json::json!({ &name: &value }).to_string();
            python_fed(REFERENCE, args(&file, "encryption_key", KEY), secret.as_bytes()).expect(0);
        }
        expected.insert(name, value.into());
    }
    let read = python(REFERENCE, args(&file, "encryption_key", KEY)).expect(0);
    assert_eq!(read.json(), serde_json::Value::Object(expected.clone()));
    let ours = project.run(&["secrets", "list", "--json"]).expect(0).json();
    assert_eq!(ours["names"].as_array().map(Vec::len), Some(expected.len()), "{ours}");
}

#[test]
fn an_obfuscated_file_of_the_reference_package_is_not_written() {
    let project = encrypted("encryption_key", KEY);
    let without_cryptography = format!(
        "import sys\nsys.modules['cryptography'] = None\n{}",
        REFERENCE.replace("assert", "assert not")
    );
    let file = project.path("secrets.enc");
    python_fed(&without_cryptography, args(&file, "encryption_key", KEY), br#"{"a": "1"}"#).expect(0);
    let before = project.read("secrets.enc");
    project.modelmesh(&["secrets", "set", "b"]).run(b"2").expect(1).says("obfuscated");
    assert_eq!(project.read("secrets.enc"), before);
}

#[test]
fn the_age_tool_and_jq_read_an_age_file_of_ours() {
    let project = Project::with_age_file();
    let value = "sk-üñî: ${x}\n\"";
    project.set("openai-key", value);
    let plaintext = tool("age", "age")
        .args(["--decrypt", "-i"])
        .arg(project.identity())
        .arg(project.path("secrets.age"))
        .run(b"")
        .expect(0);
    let read =
        tool("jq", "jq").args(["-j", r#".secrets["openai-key"].value"#]).run(&plaintext.stdout).expect(0);
    assert_eq!(read.text(), value);
}

/// What somebody made with the age tool alone: the secrets, and no list of recipients.
fn made_by_age(project: &Project, recipient: &str) {
    let plaintext = br#"{"version": 2, "secrets": {"theirs": {"value": "kept", "version": 1}}}"#;
    let mut age = tool("age", "age");
    age.args(["--encrypt", "--armor", "-r", recipient, "-o"]).arg(project.path("secrets.age"));
    age.run(plaintext).expect(0);
}

#[test]
fn an_age_file_without_recipients_is_read_and_written_only_after_rekey() {
    let project = Project::with_age_file();
    let recipient = age_keygen(&project.outside("ours/identity.txt"));
    fs::copy(project.outside("ours/identity.txt"), project.identity()).unwrap();
    made_by_age(&project, &recipient);
    let before = project.read("secrets.age");

    assert_eq!(project.get("theirs"), "kept");
    project.modelmesh(&["secrets", "set", "ours"]).run(b"x").expect(1).says("rekey");
    assert_eq!(project.read("secrets.age"), before, "nothing was written");

    project.run(&["secrets", "rekey", "--yes"]).expect(0);
    project.set("ours", "x");
    assert_eq!((project.get("theirs"), project.get("ours")), ("kept".into(), "x".into()));
}

#[test]
fn a_store_in_an_ssh_key_opens_with_the_age_tool() {
    let project = Project::with_age_file();
    let key = project.outside("id_ed25519");
    let mut keygen = tool("ssh-keygen", "openssh-client");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).run(b"").expect(0);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let mut set = project.modelmesh(&["secrets", "set", "n"]);
    set.env("MODELMESH_IDENTITY_FILE", &key).run(b"value").expect(0);
    let mut age = tool("age", "age");
    let read = age.args(["--decrypt", "-i"]).arg(&key).arg(project.path("secrets.age")).run(b"").expect(0);
    assert_eq!(read.json()["secrets"]["n"]["value"], "value");
}

#[test]
fn a_store_under_a_passphrase_opens_on_a_terminal_with_the_age_tool() {
    let project = Project::with_config(&format!("{}  recipients: [passphrase]\n", crate::project::AGE_FILE));
    let mut set = project.modelmesh(&["secrets", "set", "n"]);
    set.env("MODELMESH_PASSPHRASE", PASSPHRASE).run(b"the value").expect(0);

    // The tool asks at its terminal, and nowhere else.
    let mut age = tool("setsid", "util-linux");
    let mut screen = crate::pty::Screen::start({
        age.args(["--ctty", "age", "--decrypt"]).arg(project.path("secrets.age"));
        age
    });
    screen.expect("Enter passphrase");
    screen.press(&format!("{PASSPHRASE}\n"));
    screen.expect("the value");
}
