#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

use modelmesh_secrets::setting::SettingValue;

use super::*;

struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new(file: &str, contents: &str) -> Self {
        let fixture = Fixture { folder: tempfile::tempdir().unwrap() };
        fixture.write(file, contents);
        fixture
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, file: &str, contents: &str) {
        std::fs::write(self.path(file), contents).unwrap();
    }

    fn store(&self, file: &str) -> FileSecretStore {
        let path = self.path(file);
        let format = FileFormat::from_path(&path).unwrap();
        FileSecretStore::new(path, format)
    }
}

fn name(name: &str) -> SecretName {
    SecretName::new(name).unwrap()
}

async fn get(store: &dyn SecretStoreConnector, secret: &str) -> Result<String> {
    Ok(store.get(&name(secret)).await?.expose().to_owned())
}

#[tokio::test]
async fn every_format_holds_the_same_secrets() {
    for (file, contents) in [
        ("s.json", r#"{"key": "sk-1", "openai": {"key": "sk-2"}}"#),
        ("s.yaml", "key: sk-1\nopenai:\n  key: sk-2\n"),
        ("s.yml", "{key: sk-1, openai: {key: sk-2}}"),
        ("s.toml", "key = 'sk-1'\n[openai]\nkey = 'sk-2'\n"),
        (".env", "key=sk-1\nopenai.key='sk-2'\n"),
        (".env.local", "key=sk-1\nopenai.key='sk-2'\n"),
        ("s.env", "key=sk-1\nopenai.key='sk-2'\n"),
    ] {
        let store = Fixture::new(file, contents);
        let store = store.store(file);
        assert_eq!(get(&store, "key").await.unwrap(), "sk-1", "{file}");
        assert_eq!(get(&store, "openai.key").await.unwrap(), "sk-2", "{file}");
        assert_eq!(get(&store, "other").await.unwrap_err().kind(), ErrorKind::NotFound, "{file}");
        assert_eq!(store.names().await.unwrap(), [name("key"), name("openai.key")], "{file}");
        assert!(store.management().is_none());
    }
}

#[tokio::test]
async fn a_name_takes_the_longest_key_that_leads_on() {
    let json = r#"{"a.b": {"x": "1", "n": null}, "a": {"b": {"x": "2", "y": "3", "n": "4"}, "b.c": "5"}, "a.": {"": "6"}}"#;
    let fixture = Fixture::new("s.json", json);
    let store = fixture.store("s.json");
    for (name, value) in [("a.b.x", "1"), ("a.b.y", "3"), ("a.b.c", "5"), ("a..", "6")] {
        assert_eq!(get(&store, name).await.unwrap(), value, "{name}");
    }
    for name in ["a.b.z", "a.b.x.y", ".a", "a.b.n"] {
        assert_eq!(get(&store, name).await.unwrap_err().kind(), ErrorKind::NotFound, "{name}");
    }
}

#[tokio::test]
async fn values_that_are_no_text_are_json() {
    let json =
        r#"{"on": true, "n": 1.10, "list": [1, "a"], "map": {"b": 1, "a": "x"}, "null": null, "empty": ""}"#;
    let fixture = Fixture::new("s.json", json);
    let store = fixture.store("s.json");
    for (name, value) in
        [("on", "true"), ("n", "1.10"), ("list", r#"[1,"a"]"#), ("map", r#"{"a":"x","b":1}"#), ("empty", "")]
    {
        assert_eq!(get(&store, name).await.unwrap(), value, "{name}");
    }
    assert_eq!(get(&store, "null").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.names().await.unwrap(), ["empty", "list", "map.a", "map.b", "n", "on"].map(name));
}

#[tokio::test]
async fn a_scope_is_where_names_are_looked_up() {
    let fixture = Fixture::new("s.json", r#"{"a.b": {"c": {"key": "sk-1"}}, "text": "canary"}"#);
    let store = fixture.store("s.json").with_scope("a.b.c");
    assert_eq!(get(&store, "key").await.unwrap(), "sk-1");
    assert_eq!(get(&store, "text").await.unwrap_err().kind(), ErrorKind::NotFound);
    for scope in ["text", "none.at.all"] {
        let error = get(&fixture.store("s.json").with_scope(scope), "key").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.message().contains(scope), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_missing_file_is_an_error_and_not_a_missing_secret() {
    let fixture = Fixture::new("s.json", "{}");
    let error = get(&fixture.store("other.json"), "key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("other.json"), "{error}");
    assert!(error.help().is_some());
}

#[tokio::test]
async fn a_file_that_cannot_be_understood_is_malformed_at_its_place_and_not_shown() {
    for (file, contents, place) in [
        ("s.json", "{\n  \"key\": canary\n}", "2:"),
        ("s.yaml", "key: [canary\n", ":"),
        ("s.toml", "key = 'a'\nother = canary\n", "2:"),
        (".env", "key=1\ncanary 'x'\n", "line 2"),
        ("list.json", "[\"canary\"]", "a list"),
        ("text.yaml", "canary", "text"),
    ] {
        let fixture = Fixture::new(file, contents);
        let error = get(&fixture.store(file), "key").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{file}");
        assert!(error.message().contains(place), "{file}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{file}: {error:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_malformed() {
    let fixture = Fixture::new("s.json", "");
    std::fs::write(fixture.path("s.json"), b"{\n\"a\": \"canary\xff\"}").unwrap();
    let error = get(&fixture.store("s.json"), "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.message().contains("line 2"), "{error}");
    assert!(!format!("{error:?}").contains("canary"));
}

#[tokio::test]
async fn a_file_that_is_emptied_or_gone_does_not_lose_the_secrets_it_held() {
    let fixture = Fixture::new("s.yaml", "key: sk-1\n");
    let store = fixture.store("s.yaml");
    assert_eq!(get(&store, "key").await.unwrap(), "sk-1");
    fixture.write("s.yaml", "");
    assert_eq!(get(&store, "key").await.unwrap_err().kind(), ErrorKind::Unavailable);
    std::fs::remove_file(fixture.path("s.yaml")).unwrap();
    assert_ne!(get(&store, "key").await.unwrap_err().kind(), ErrorKind::NotFound);
    fixture.write("s.yaml", "key: sk-2\n");
    assert_eq!(get(&store, "key").await.unwrap(), "sk-2");
}

#[tokio::test]
async fn settings_choose_file_scope_and_format() {
    let fixture = Fixture::new("secrets", "[prod]\nkey = 'sk-1'\n");
    let settings = Settings::default()
        .with("file_path", SettingValue::Path(fixture.path("secrets")))
        .with("json_path", SettingValue::Text("prod".to_owned()))
        .with("format", SettingValue::Text("toml".to_owned()));
    let store = (CONNECTOR.open)(&settings, &OpenContext::default()).unwrap();
    assert_eq!(get(store.as_ref(), "key").await.unwrap(), "sk-1");
}

#[test]
fn settings_that_cannot_work_are_refused_when_the_store_is_opened() {
    let path = |path: &str| Settings::default().with("file_path", SettingValue::Path(path.into()));
    for settings in [
        Settings::default(),
        path(".env").with("json_path", SettingValue::Text("a".to_owned())),
        path("s").with("format", SettingValue::Text("ini".to_owned())),
    ] {
        let error = (CONNECTOR.open)(&settings, &OpenContext::default()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    }
}

#[tokio::test]
async fn debug_shows_no_value() {
    let fixture = Fixture::new("s.json", r#"{"key": "canary"}"#);
    let store = fixture.store("s.json");
    get(&store, "key").await.unwrap();
    assert!(!format!("{store:?}").contains("canary"));
}
