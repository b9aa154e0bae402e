#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

use modelmesh_secrets::setting::SettingValue;

use super::*;
use crate::environment::FixedEnvironment;

struct Fixture {
    folder: tempfile::TempDir,
    store: DotenvStore,
}

impl Fixture {
    /// A store of a file with these contents, if any, under these variables.
    fn new(contents: Option<&str>, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        if let Some(contents) = contents {
            std::fs::write(&path, contents).unwrap();
        }
        let environment = Arc::new(FixedEnvironment::new(variables.iter().copied()));
        Fixture { folder, store: DotenvStore::new(path, environment) }
    }

    fn overriding(mut self) -> Self {
        self.store = self.store.with_override_env(true);
        self
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(".env")
    }

    fn contents(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    async fn get(&self, key: &str) -> Result<String> {
        Ok(self.store.get(&name(key)).await?.expose().to_owned())
    }
}

fn name(key: &str) -> SecretName {
    SecretName::new(key).unwrap()
}

#[tokio::test]
async fn the_environment_wins_unless_it_is_overridden_and_either_fills_in_for_the_other() {
    let variables = [("BOTH", "environment"), ("ONLY_ENVIRONMENT", "environment")];
    let file = "BOTH=file\nONLY_FILE=file\n";
    let names = [name("BOTH"), name("ONLY_FILE"), name("ONLY_ENVIRONMENT"), name("NEITHER")];
    for (fixture, expected) in [
        (Fixture::new(Some(file), &variables), ["environment", "file", "environment"]),
        (Fixture::new(Some(file), &variables).overriding(), ["file", "file", "environment"]),
    ] {
        let many = fixture.store.get_many(&names).await;
        for ((name, expected), together) in names.iter().zip(expected).zip(&many) {
            assert_eq!(fixture.get(name.as_str()).await.unwrap(), expected);
            assert_eq!(together.as_ref().unwrap().expose(), expected);
        }
        assert_eq!(many[3].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(fixture.get("NEITHER").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn names_are_exact() {
    let fixture = Fixture::new(Some("OPENAI_KEY=1\n"), &[("OTHER_KEY", "2")]);
    assert_eq!(fixture.get("openai-key").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fixture.get("other-key").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_missing_file_has_no_secrets_and_the_first_set_makes_it_private() {
    let fixture = Fixture::new(None, &[]);
    assert_eq!(fixture.get("A").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fixture.store.list().await.unwrap(), []);
    fixture.store.set(&name("A"), &"1".into()).await.unwrap();
    assert_eq!(fixture.contents(), "A=1\n");
    assert_eq!(fixture.get("A").await.unwrap(), "1");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(fixture.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn an_edit_keeps_the_rest_of_the_file() {
    let fixture = Fixture::new(Some("# mine\nexport A='1' # one\n\nB=2"), &[]);
    fixture.store.set(&name("A"), &"it is".into()).await.unwrap();
    fixture.store.set(&name("c.d-e"), &"3".into()).await.unwrap();
    fixture.store.delete(&name("B")).await.unwrap();
    assert_eq!(fixture.contents(), "# mine\nexport A='it is' # one\n\nc.d-e=3\n");
    assert_eq!(fixture.store.list().await.unwrap(), [name("A"), name("c.d-e")]);
}

#[tokio::test]
async fn a_key_without_a_value_is_not_found_not_listed_and_not_deleted() {
    let fixture = Fixture::new(Some("A\nexport B\n"), &[]);
    assert_eq!(fixture.get("A").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fixture.store.list().await.unwrap(), []);
    assert_eq!(fixture.store.delete(&name("A")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fixture.contents(), "A\nexport B\n");
}

#[tokio::test]
async fn a_key_that_could_not_be_written_can_be_read_and_deleted() {
    let fixture = Fixture::new(Some("team/openai=1\nA=1\n"), &[]);
    let key = name("team/openai");
    assert_eq!(fixture.store.list().await.unwrap(), [name("A"), key.clone()]);
    assert_eq!(fixture.get("team/openai").await.unwrap(), "1");
    let error = fixture.store.set(&key, &"2".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidName);
    assert!(error.help().unwrap().contains("naming"), "{error:?}");
    fixture.store.delete(&key).await.unwrap();
    assert_eq!(fixture.contents(), "A=1\n");
}

#[tokio::test]
async fn delete_is_about_the_file_alone() {
    let fixture = Fixture::new(Some("A=1\n"), &[("A", "2"), ("B", "3")]);
    assert_eq!(fixture.store.delete(&name("B")).await.unwrap_err().kind(), ErrorKind::NotFound);
    fixture.store.delete(&name("A")).await.unwrap();
    assert_eq!(fixture.get("A").await.unwrap(), "2");
}

#[tokio::test]
async fn several_secrets_are_written_at_once_or_not_at_all() {
    let fixture = Fixture::new(Some("A=1\n"), &[]);
    let results = fixture.store.set_many(&[(name("B"), "2".into()), (name("not a key"), "3".into())]).await;
    assert!(results.iter().all(Result::is_err));
    assert_eq!(fixture.contents(), "A=1\n");
    let results = fixture.store.set_many(&[(name("B"), "2".into()), (name("A"), "3".into())]).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(fixture.contents(), "A=3\nB=2\n");
}

#[tokio::test]
async fn a_malformed_file_is_an_error_for_every_name_and_is_never_written() {
    let broken = "A=1\ncanary 'line\n";
    let fixture = Fixture::new(Some(broken), &[]).overriding();
    for error in [
        fixture.get("A").await.unwrap_err(),
        fixture.get("NONE").await.unwrap_err(),
        fixture.store.set(&name("A"), &"2".into()).await.unwrap_err(),
        fixture.store.delete(&name("A")).await.unwrap_err(),
        fixture.store.list().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.message().contains("line 2"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    assert_eq!(fixture.contents(), broken);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_malformed_at_their_line() {
    let fixture = Fixture::new(None, &[]);
    std::fs::write(fixture.path(), b"A=1\nB=canary\xff\n").unwrap();
    let error = fixture.get("A").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.message().contains("line 2"), "{error}");
    assert!(!format!("{error:?}").contains("canary"));
}

#[tokio::test]
async fn a_file_emptied_under_a_store_that_holds_its_secrets_does_not_lose_them() {
    let fixture = Fixture::new(Some("A=1\n"), &[]);
    assert_eq!(fixture.get("A").await.unwrap(), "1");
    std::fs::write(fixture.path(), "").unwrap();
    assert_eq!(fixture.get("A").await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn the_last_secret_can_be_deleted_and_another_reader_sees_that_it_is_gone() {
    let fixture = Fixture::new(Some("A=1\n"), &[]);
    let reader = DotenvStore::new(fixture.path(), Arc::new(FixedEnvironment::default()));
    assert_eq!(reader.get(&name("A")).await.unwrap().expose(), "1");
    fixture.store.delete(&name("A")).await.unwrap();
    assert_eq!(reader.get(&name("A")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_change_from_outside_is_read_and_shows_in_the_revision() {
    let fixture = Fixture::new(Some("A=1\n"), &[]);
    let before = fixture.store.revision().await.unwrap();
    assert_eq!(fixture.get("A").await.unwrap(), "1");
    std::fs::write(fixture.path(), "A=22\n").unwrap();
    assert_eq!(fixture.get("A").await.unwrap(), "22");
    assert_ne!(fixture.store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn what_the_capabilities_exclude_is_refused() {
    let fixture = Fixture::new(None, &[]);
    let refused = |kind| move |error: Error| assert_eq!(error.kind(), kind);
    fixture.store.set(&name("A"), &"a\0b".into()).await.map_err(refused(ErrorKind::Unsupported)).unwrap_err();
    fixture.store.set(&name("a b"), &"1".into()).await.map_err(refused(ErrorKind::InvalidName)).unwrap_err();
    assert!(!fixture.path().exists());
}

#[tokio::test]
async fn settings_choose_the_file_and_who_wins() {
    let fixture = Fixture::new(Some("A=file\n"), &[]);
    let settings = Settings::default()
        .with("path", SettingValue::Path(fixture.path()))
        .with("override_env", SettingValue::Boolean(true));
    let environment = Arc::new(FixedEnvironment::new([("A", "environment")]));
    let context = OpenContext { environment, ..OpenContext::default() };
    let store = (CONNECTOR.open)(&settings, &context).unwrap();
    assert_eq!(store.get(&name("A")).await.unwrap().expose(), "file");
}

#[test]
fn debug_shows_no_value() {
    let fixture = Fixture::new(Some("A=canary\n"), &[("B", "canary")]);
    assert!(!format!("{:?}", fixture.store).contains("canary"));
}
