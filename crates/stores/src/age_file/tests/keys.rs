//! Private keys: where they are found, and how they are made.

use super::*;

#[tokio::test]
async fn an_ssh_key_is_an_identity_and_a_recipient() {
    let house = House::with(FOREIGN);
    let store = house.store_with(&fixture("ssh"));
    assert_eq!(store.get(&name("openai-key")).await.unwrap().expose(), "sk-fixture");
    let public = std::fs::read_to_string(fixture("ssh.pub")).unwrap();
    let rekeyed = store.rekey(RekeyPlan::default().only_recipients([public.clone()])).await.unwrap();
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
        let context = OpenContext {
            environment: Arc::new(FixedEnvironment::default()),
            prompt: Some(prompt),
            ..OpenContext::default()
        };
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
    let sealed = cipher::seal_by_passphrase(&text, "open".into(), 2).unwrap();
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
