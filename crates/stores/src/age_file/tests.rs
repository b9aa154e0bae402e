#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use modelmesh_secrets::{
    ErrorKind, ExposeSecret as _, SecretManagement as _, SecretName, SecretResolution as _, SecretString,
    SecretValue, Version,
    setting::{SettingValue, Settings},
};

use super::*;
use crate::{environment::FixedEnvironment, registry::PassphrasePrompt};

const FOREIGN: &[u8] = include_bytes!("../../tests/fixtures/age-file/foreign.age");
const NOT_OURS: &[u8] = include_bytes!("../../tests/fixtures/age-file/not-ours.age");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/age-file");

fn fixture(name: &str) -> PathBuf {
    Path::new(FIXTURES).join(name)
}

fn context(environment: FixedEnvironment) -> OpenContext {
    OpenContext { environment: Arc::new(environment), prompt: None }
}

fn name(name: &str) -> SecretName {
    SecretName::new(name).unwrap()
}

/// A folder, with people who each have an identity in it.
struct House(tempfile::TempDir);

impl House {
    fn new() -> Self {
        House(tempfile::tempdir().unwrap())
    }

    fn with(bytes: &[u8]) -> Self {
        let house = House::new();
        std::fs::write(house.file(), bytes).unwrap();
        house
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("secrets.age")
    }

    fn identity(&self, who: &str) -> PathBuf {
        self.0.path().join(who).join("identity.txt")
    }

    fn recipient(&self, who: &str) -> String {
        identity::create(&self.identity(who)).unwrap().recipient
    }

    /// The store as this person sees it.
    fn store(&self, who: &str) -> AgeFileStore {
        self.recipient(who);
        self.store_with(&self.identity(who))
    }

    fn store_with(&self, identity: &Path) -> AgeFileStore {
        let settings = self.settings().with("identity", SettingValue::Path(identity.into()));
        AgeFileStore::open(&settings, &context(FixedEnvironment::default())).unwrap()
    }

    fn settings(&self) -> Settings {
        Settings::default().with("path", SettingValue::Path(self.file()))
    }

    /// A store by passphrase, with little work.
    fn by_passphrase(&self, passphrase: &str) -> AgeFileStore {
        let settings = self.settings().with("passphrase", SettingValue::Secret(passphrase.into()));
        let mut codec = AgeFile::from_settings(&settings, &context(FixedEnvironment::default())).unwrap();
        codec.work_factor = Some(2);
        FileStore::new(self.file(), codec)
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.file()).unwrap()
    }

    /// The plaintext, by the age crate alone.
    fn plaintext(&self, who: &str) -> serde_json::Value {
        let text = std::fs::read_to_string(self.identity(who)).unwrap();
        let key: age::x25519::Identity = text.lines().last().unwrap().parse().unwrap();
        serde_json::from_slice(&age::decrypt(&key, &self.bytes()).unwrap()).unwrap()
    }

    /// Writes a plaintext for this person, by the age crate alone.
    fn write_plaintext(&self, who: &str, plaintext: &serde_json::Value) {
        let recipient: age::x25519::Recipient = self.recipient(who).parse().unwrap();
        std::fs::write(self.file(), age::encrypt(&recipient, plaintext.to_string().as_bytes()).unwrap())
            .unwrap();
    }
}

#[tokio::test]
async fn a_new_file_is_armoured_and_holds_what_the_format_says() {
    let house = House::new();
    let ada = house.store("ada");
    let expiry: Timestamp = "2030-01-02T03:04:05Z".parse().unwrap();
    ada.set(&name("key"), &SecretValue::new("a\0\n\"é").with_expires_at(expiry)).await.unwrap();

    assert!(house.bytes().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n"));
    let plaintext = house.plaintext("ada");
    assert_eq!(plaintext["version"], 2);
    assert_eq!(plaintext["recipients"], serde_json::json!([house.recipient("ada")]));
    let entry = &plaintext["secrets"]["key"];
    assert_eq!(entry["value"], "a\0\n\"é");
    assert_eq!(entry["version"], 1);
    assert_eq!(entry["expires_at"], "2030-01-02T03:04:05Z");
    entry["updated_at"].as_str().unwrap().parse::<Timestamp>().unwrap();

    let value = house.store("ada").get(&name("key")).await.unwrap();
    assert_eq!(value.expose(), "a\0\n\"é");
    assert_eq!(value.version(), Some(&Version::from(1)));
    assert_eq!(value.expires_at(), Some(expiry));
}

#[tokio::test]
async fn each_set_raises_the_secrets_own_version_and_a_deleted_name_never_repeats_one() {
    let house = House::new();
    let store = house.store("ada");
    let version = async || store.get(&name("a")).await.unwrap().version().unwrap().as_str().to_owned();
    for expected in ["1", "2", "3"] {
        store.set(&name("a"), &"x".into()).await.unwrap();
        assert_eq!(version().await, expected);
    }
    store.delete(&name("a")).await.unwrap();
    store.set(&name("a"), &"y".into()).await.unwrap();
    assert_eq!(version().await, "4");
}

#[tokio::test]
async fn a_set_without_an_expiry_clears_the_old_one() {
    let house = House::new();
    let store = house.store("ada");
    store.set(&name("a"), &SecretValue::new("x").with_expires_at(Timestamp::now())).await.unwrap();
    store.set(&name("a"), &"y".into()).await.unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap().expires_at(), None);
}

#[tokio::test]
async fn after_a_rekey_two_people_read_and_write_one_file() {
    let house = House::new();
    let (ada, bob) = (house.store("ada"), house.store("bob"));
    ada.set(&name("a"), &"1".into()).await.unwrap();
    assert_eq!(bob.get(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);

    let rekeyed = ada.rekey(RekeyPlan::default().add(house.recipient("bob"))).await.unwrap();
    assert_eq!(rekeyed.before, Some(vec![house.recipient("ada")]));
    assert_eq!(rekeyed.after, [house.recipient("ada"), house.recipient("bob")]);

    bob.set(&name("b"), &"2".into()).await.unwrap();
    ada.set(&name("c"), &"3".into()).await.unwrap();
    for store in [&ada, &bob, &house.store("ada"), &house.store("bob")] {
        for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
            assert_eq!(store.get(&name(key)).await.unwrap().expose(), value);
        }
        assert_eq!(store.recipients().await.unwrap().as_ref(), Some(&rekeyed.after));
    }
}

#[tokio::test]
async fn configuration_does_not_change_the_recipients_of_a_file_that_exists() {
    let house = House::new();
    house.store("ada").set(&name("a"), &"1".into()).await.unwrap();
    let settings = house
        .settings()
        .with("identity", SettingValue::Path(house.identity("ada")))
        .with("recipients", SettingValue::TextList(vec![house.recipient("ada"), house.recipient("eve")]));
    let store = AgeFileStore::open(&settings, &context(FixedEnvironment::default())).unwrap();
    store.set(&name("b"), &"2".into()).await.unwrap();
    assert_eq!(house.plaintext("ada")["recipients"], serde_json::json!([house.recipient("ada")]));
}

#[tokio::test]
async fn configured_recipients_seed_a_new_file() {
    let house = House::new();
    let seed = vec![house.recipient("ada"), house.recipient("bob")];
    let settings = house
        .settings()
        .with("identity", SettingValue::Path(house.identity("ada")))
        .with("recipients", SettingValue::TextList(seed));
    let store = AgeFileStore::open(&settings, &context(FixedEnvironment::default())).unwrap();
    store.set(&name("a"), &"1".into()).await.unwrap();
    assert_eq!(house.store("bob").get(&name("a")).await.unwrap().expose(), "1");
}

#[tokio::test]
async fn nobody_is_locked_out_of_a_file_by_their_own_write() {
    let house = House::new();
    let ada = house.store("ada");
    ada.set(&name("a"), &"1".into()).await.unwrap();
    let before = house.bytes();
    let plans = [
        RekeyPlan::default().remove(house.recipient("ada")),
        RekeyPlan::default().remove(house.recipient("ada")).add(house.recipient("bob")),
        RekeyPlan::default().only([house.recipient("bob")]),
        RekeyPlan::default().only(Vec::<String>::new()),
        RekeyPlan::default().remove(house.recipient("eve")),
        RekeyPlan::default().add(PASSPHRASE),
        RekeyPlan::default().add("AGE-SECRET-KEY-1CANARY"),
    ];
    for plan in plans {
        let error = ada.rekey(plan.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{plan:?}: {error}");
        assert!(!format!("{error:?}").contains("CANARY"));
        assert_eq!(house.bytes(), before, "{plan:?}");
    }
}

#[tokio::test]
async fn a_removed_recipient_reads_no_later_file() {
    let house = House::new();
    let ada = house.store("ada");
    ada.set(&name("a"), &"1".into()).await.unwrap();
    ada.rekey(RekeyPlan::default().add(house.recipient("bob"))).await.unwrap();
    ada.rekey(RekeyPlan::default().remove(house.recipient("bob"))).await.unwrap();
    assert_eq!(house.store("bob").get(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(ada.get(&name("a")).await.unwrap().expose(), "1");
}

#[tokio::test]
async fn a_file_of_the_age_command_is_read_and_not_written_until_rekeyed() {
    let house = House::with(FOREIGN);
    let store = house.store_with(&fixture("identity.txt"));
    assert_eq!(store.get(&name("openai-key")).await.unwrap().expose(), "sk-fixture");
    let error = store.set(&name("a"), &"1".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.help().unwrap().contains("rekey"));
    assert_eq!(house.bytes(), FOREIGN);

    let rekeyed = store.rekey(RekeyPlan::default()).await.unwrap();
    assert_eq!(rekeyed.before, None);
    assert_eq!(rekeyed.after.len(), 1);
    store.set(&name("a"), &"1".into()).await.unwrap();
    assert_eq!(store.get(&name("openai-key")).await.unwrap().expose(), "sk-fixture");
}

#[tokio::test]
async fn a_binary_age_file_of_something_else_is_malformed() {
    let house = House::with(NOT_OURS);
    let store = house.store_with(&fixture("identity.txt"));
    assert_eq!(store.get(&name("KEY")).await.unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(store.set(&name("a"), &"1".into()).await.unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(house.bytes(), NOT_OURS);
}

#[tokio::test]
async fn an_ssh_key_is_an_identity_and_a_recipient() {
    let house = House::with(FOREIGN);
    let store = house.store_with(&fixture("ssh"));
    assert_eq!(store.get(&name("openai-key")).await.unwrap().expose(), "sk-fixture");
    let public = std::fs::read_to_string(fixture("ssh.pub")).unwrap();
    let rekeyed = store.rekey(RekeyPlan::default().only([public.clone()])).await.unwrap();
    assert_eq!(rekeyed.after, [public.trim()]);
    store.set(&name("a"), &"1".into()).await.unwrap();
    assert_eq!(house.store_with(&fixture("ssh")).get(&name("a")).await.unwrap().expose(), "1");
}

struct Typist(AtomicUsize, &'static str);

impl PassphrasePrompt for Typist {
    fn passphrase(&self, _what: &str, _confirm: bool) -> modelmesh_secrets::Result<SecretString> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(self.1.into())
    }
}

#[tokio::test]
async fn a_protected_ssh_key_asks_once() {
    for (typed, opens) in [("ssh passphrase", true), ("wrong", false)] {
        let house = House::with(FOREIGN);
        let typist = Arc::new(Typist(AtomicUsize::new(0), typed));
        let prompt: Arc<dyn PassphrasePrompt> = Arc::clone(&typist) as _;
        let context =
            OpenContext { environment: Arc::new(FixedEnvironment::default()), prompt: Some(prompt) };
        let settings = house.settings().with("identity", SettingValue::Path(fixture("ssh-protected")));
        let store = AgeFileStore::open(&settings, &context).unwrap();
        for _ in 0..3 {
            match store.get(&name("openai-key")).await {
                Ok(value) => assert!(opens && value.expose() == "sk-fixture"),
                Err(error) => assert!(!opens && error.kind() == ErrorKind::Locked, "{error}"),
            }
        }
        assert_eq!(typist.0.load(Ordering::SeqCst), 1, "{typed}");
    }
}

#[tokio::test]
async fn an_identity_file_encrypted_to_a_passphrase_opens_with_it() {
    let house = House::with(FOREIGN);
    let text = std::fs::read(fixture("identity.txt")).unwrap();
    let sealed = cipher::seal_by_passphrase(&text, "open".into(), Some(2)).unwrap();
    let path = house.0.path().join("identity.age");
    std::fs::write(&path, sealed).unwrap();
    let settings = house.settings().with("identity", SettingValue::Path(path));
    for (passphrase, kind) in [("open", None), ("wrong", Some(ErrorKind::Locked))] {
        let environment = FixedEnvironment::new([("MODELMESH_PASSPHRASE", passphrase)]);
        let store = AgeFileStore::open(&settings, &context(environment)).unwrap();
        assert_eq!(store.get(&name("openai-key")).await.err().map(|error| error.kind()), kind);
    }
}

#[tokio::test]
async fn a_passphrase_file_says_so_and_opens_with_the_passphrase_alone() {
    let house = House::new();
    let store = house.by_passphrase("open");
    store.set(&name("a"), &"1".into()).await.unwrap();
    store.set(&name("b"), &"2".into()).await.unwrap();
    assert_eq!(store.recipients().await.unwrap(), Some(vec![PASSPHRASE.to_owned()]));
    let again = house.by_passphrase("open");
    assert_eq!(again.get(&name("a")).await.unwrap().expose(), "1");
    assert_eq!(again.get(&name("b")).await.unwrap().expose(), "2");

    let before = house.bytes();
    let wrong = house.by_passphrase("wrong");
    assert_eq!(wrong.get(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(wrong.set(&name("a"), &"x".into()).await.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(house.store("ada").get(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(house.bytes(), before);
}

#[tokio::test]
async fn a_rekey_changes_the_passphrase_and_goes_over_to_keys_and_back() {
    let house = House::new();
    let old = house.by_passphrase("old");
    old.set(&name("a"), &"1".into()).await.unwrap();
    old.rekey(RekeyPlan::default().passphrase("new".into())).await.unwrap();
    old.set(&name("b"), &"2".into()).await.unwrap();
    assert_eq!(house.by_passphrase("old").get(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(house.by_passphrase("new").get(&name("b")).await.unwrap().expose(), "2");

    let settings = house
        .settings()
        .with("passphrase", SettingValue::Secret("new".into()))
        .with("identity", SettingValue::Path(house.identity("ada")));
    let ada_key = house.recipient("ada");
    let mut codec = AgeFile::from_settings(&settings, &context(FixedEnvironment::default())).unwrap();
    codec.work_factor = Some(2);
    let both: AgeFileStore = FileStore::new(house.file(), codec);
    both.rekey(RekeyPlan::default().only([ada_key])).await.unwrap();
    assert_eq!(house.store("ada").get(&name("b")).await.unwrap().expose(), "2");
    both.rekey(RekeyPlan::default().only([PASSPHRASE])).await.unwrap();
    assert_eq!(house.by_passphrase("new").get(&name("b")).await.unwrap().expose(), "2");
}

#[tokio::test]
async fn a_file_cut_short_anywhere_is_malformed_or_locked_and_not_written() {
    let house = House::new();
    house.store("ada").set(&name("a"), &"x".repeat(200).as_str().into()).await.unwrap();
    let whole = house.bytes();
    for length in (0..whole.len() - 1).step_by(5) {
        std::fs::write(house.file(), &whole[..length]).unwrap();
        let error = house.store("ada").set(&name("b"), &"2".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "cut at {length}: {error}");
        assert_eq!(house.bytes(), &whole[..length]);
    }
}

#[tokio::test]
async fn a_changed_byte_is_never_read_as_a_value() {
    let house = House::new();
    house.store("ada").set(&name("a"), &"x".into()).await.unwrap();
    let whole = house.bytes();
    for at in (0..whole.len()).step_by(11) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(house.file(), &changed).unwrap();
        let error = house.store("ada").get(&name("a")).await.unwrap_err();
        assert!([ErrorKind::Malformed, ErrorKind::Locked].contains(&error.kind()), "at {at}: {error}");
    }
}

#[tokio::test]
async fn a_later_version_is_read_and_never_written_not_even_by_a_rekey() {
    let house = House::new();
    let plaintext = serde_json::json!({
        "version": 3, "recipients": [house.recipient("ada")], "secrets": {"a": {"value": "1", "version": 7}}
    });
    house.write_plaintext("ada", &plaintext);
    let before = house.bytes();
    let store = house.store("ada");
    assert_eq!(store.get(&name("a")).await.unwrap().expose(), "1");
    assert_eq!(store.set(&name("a"), &"2".into()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.delete(&name("a")).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.rekey(RekeyPlan::default()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(house.bytes(), before);
}

#[tokio::test]
async fn unknown_fields_of_the_file_and_of_a_secret_survive_a_set_and_a_rekey() {
    let house = House::new();
    let plaintext = serde_json::json!({
        "version": 2, "recipients": [house.recipient("ada")], "team": {"n": [1, null]},
        "secrets": {"a": {"value": "1", "version": 7, "owner": "ada"}}
    });
    house.write_plaintext("ada", &plaintext);
    let store = house.store("ada");
    store.set(&name("a"), &"2".into()).await.unwrap();
    store.rekey(RekeyPlan::default().add(house.recipient("bob"))).await.unwrap();
    let after = house.plaintext("ada");
    assert_eq!(after["team"], plaintext["team"]);
    assert_eq!(after["secrets"]["a"]["owner"], "ada");
    assert_eq!(after["secrets"]["a"]["version"], 8);
}

#[tokio::test]
async fn a_plaintext_that_is_not_the_format_is_malformed_and_not_quoted() {
    let house = House::new();
    for plaintext in [
        serde_json::json!({"version": 2, "secrets": {"a": {"value": 5, "canary": 1}}}),
        serde_json::json!({"version": 2, "secrets": {"a": "canary"}}),
        serde_json::json!({"version": 2, "secrets": {"a": {"value": "canary", "expires_at": "canary"}}}),
        serde_json::json!({"version": "canary", "secrets": {}}),
        serde_json::json!({"secrets": {}}),
        serde_json::json!({"version": 2}),
        serde_json::json!(["canary"]),
    ] {
        house.write_plaintext("ada", &plaintext);
        let error = house.store("ada").get(&name("a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{plaintext}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn without_an_identity_a_file_is_locked_with_help_and_a_missing_file_is_not() {
    let empty = House::new();
    let home = FixedEnvironment::new([("HOME", empty.0.path().to_str().unwrap())]);
    let missing = AgeFileStore::open(&empty.settings(), &context(home.clone())).unwrap();
    assert_eq!(missing.get(&name("a")).await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = missing.set(&name("a"), &"1".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.help().unwrap().contains("modelmesh init"), "{error:?}");
    assert!(!empty.file().exists());

    let house = House::with(FOREIGN);
    let locked = AgeFileStore::open(&house.settings(), &context(home)).unwrap();
    assert_eq!(locked.get(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);
}

#[tokio::test]
async fn identities_come_from_the_environment_and_the_users_folder() {
    let house = House::with(FOREIGN);
    let text = std::fs::read_to_string(fixture("identity.txt")).unwrap();
    let path = fixture("identity.txt").into_os_string().into_string().unwrap();
    let home = house.0.path().join("home");
    let environments = [
        FixedEnvironment::new([("MODELMESH_IDENTITY", text.as_str())]),
        FixedEnvironment::new([("MODELMESH_IDENTITY", text.trim().lines().last().unwrap())]),
        FixedEnvironment::new([("MODELMESH_IDENTITY_FILE", path.as_str()), ("MODELMESH_IDENTITY", "")]),
        FixedEnvironment::new([("HOME", home.to_str().unwrap())]),
    ];
    let default = identity::default_path(&environments[3]).unwrap();
    std::fs::create_dir_all(default.parent().unwrap()).unwrap();
    std::fs::write(&default, &text).unwrap();
    for environment in environments {
        let store = AgeFileStore::open(&house.settings(), &context(environment.clone())).unwrap();
        assert_eq!(store.get(&name("openai-key")).await.unwrap().expose(), "sk-fixture", "{environment:?}");
    }
}

#[tokio::test]
async fn an_identity_file_may_hold_several_and_an_identity_made_later_is_found() {
    let house = House::with(FOREIGN);
    let path = house.0.path().join("identities.txt");
    house.recipient("ada");
    let ada = std::fs::read_to_string(house.identity("ada")).unwrap();
    std::fs::write(&path, &ada).unwrap();
    let store = house.store_with(&path);
    assert_eq!(store.get(&name("openai-key")).await.unwrap_err().kind(), ErrorKind::Locked);
    let fixture = std::fs::read_to_string(fixture("identity.txt")).unwrap();
    std::fs::write(&path, format!("{ada}\r\n\n{fixture}")).unwrap();
    assert_eq!(store.get(&name("openai-key")).await.unwrap().expose(), "sk-fixture");
}

#[tokio::test]
async fn a_broken_identity_is_an_error_that_does_not_quote_it() {
    let house = House::with(FOREIGN);
    for text in ["", "# nothing\n", "AGE-SECRET-KEY-1CANARY", "canary", "-----BEGIN CANARY-----\ncanary\n"] {
        let environment = FixedEnvironment::new([("MODELMESH_IDENTITY", format!("{text}\n").as_str())]);
        let store = AgeFileStore::open(&house.settings(), &context(environment)).unwrap();
        let error = store.get(&name("a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{text}");
        assert!(!format!("{error:?}").to_lowercase().contains("canary"), "{error:?}");
    }
}

#[test]
fn making_an_identity_never_overwrites_one() {
    let house = House::new();
    let path = house.identity("ada");
    let made = identity::create(&path).unwrap();
    assert!(!made.existed);
    assert!(made.recipient.starts_with("age1"));
    let before = std::fs::read(&path).unwrap();
    let found = identity::create(&path).unwrap();
    assert!(found.existed);
    assert_eq!(found.recipient, made.recipient);
    assert_eq!(std::fs::read(&path).unwrap(), before);

    std::fs::write(&path, "something else").unwrap();
    assert_eq!(identity::create(&path).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
}

#[test]
fn of_two_processes_that_make_an_identity_at_once_both_get_the_same() {
    let house = House::new();
    let path = house.identity("ada");
    let recipients: Vec<_> = std::thread::scope(|scope| {
        let makers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| identity::create(&path).unwrap().recipient)).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert!(recipients.iter().all(|recipient| *recipient == recipients[0]));
    assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1, "nothing is left beside it");
}

#[cfg(unix)]
#[test]
fn an_identity_and_its_folders_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new();
    let path = house.0.path().join("config/modelmesh/identity.txt");
    identity::create(&path).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[cfg(all(unix, not(target_os = "macos")))]
#[test]
fn the_users_identity_lies_in_the_configuration_folder() {
    let path = |pairs: &[(&str, &str)]| identity::default_path(&FixedEnvironment::new(pairs.iter().copied()));
    let home = ("HOME", "/home/ada");
    assert_eq!(path(&[home]).unwrap(), Path::new("/home/ada/.config/modelmesh/identity.txt"));
    assert_eq!(path(&[home, ("XDG_CONFIG_HOME", "/c")]).unwrap(), Path::new("/c/modelmesh/identity.txt"));
    let relative = path(&[home, ("XDG_CONFIG_HOME", "c")]).unwrap();
    assert_eq!(relative, Path::new("/home/ada/.config/modelmesh/identity.txt"));
    assert_eq!(path(&[]).unwrap_err().kind(), ErrorKind::Locked);
}

#[test]
fn recipients_that_are_none_are_a_configuration_error() {
    for list in [&["age1nothing"][..], &["ssh-ed25519 AAAA"], &["canary"], &[PASSPHRASE, "age1x"], &[""]] {
        let list = SettingValue::TextList(list.iter().map(|text| (*text).to_owned()).collect());
        let settings = Settings::default().with("recipients", list);
        let error = AgeFileStore::open(&settings, &context(FixedEnvironment::default())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_people_writing_at_once_lose_nothing() {
    let house = House::new();
    let stores = [house.store("ada"), house.store("bob")];
    stores[0].rekey(RekeyPlan::default().add(house.recipient("bob"))).await.unwrap();
    let writers: Vec<_> = (0..60)
        .map(|n| {
            let store = stores[n % 2].clone();
            tokio::spawn(
                async move { store.set(&name(&format!("k{n}")), &format!("v{n}").as_str().into()).await },
            )
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let expected: BTreeMap<_, _> = (0..60).map(|n| (format!("k{n}"), format!("v{n}"))).collect();
    for who in ["ada", "bob"] {
        let plaintext = house.plaintext(who);
        let found: BTreeMap<_, _> = plaintext["secrets"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, entry)| (key.clone(), entry["value"].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn debug_shows_no_key_and_no_value() {
    let settings = Settings::default()
        .with("passphrase", SettingValue::Secret("canary".into()))
        .with("recipients", SettingValue::TextList(vec![PASSPHRASE.to_owned()]));
    let store = AgeFileStore::open(&settings, &context(FixedEnvironment::default())).unwrap();
    let mut document = AgeDocument::blank();
    crate::disk::Document::set(&mut document, &name("a"), &"canary".into()).unwrap();
    document.new_passphrase = Some("canary".into());
    let plan = RekeyPlan::default().passphrase("canary".into());
    let shown = format!("{store:?} {:?} {document:?} {plan:?}", store.codec());
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(document.new_passphrase.unwrap().expose_secret(), "canary");
}
