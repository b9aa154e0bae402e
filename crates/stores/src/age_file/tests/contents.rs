//! What is in the file, and what is refused.

use super::*;

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
async fn a_binary_age_file_of_something_else_is_malformed() {
    let house = House::with(NOT_OURS);
    let store = house.store_with(&fixture("identity.txt"));
    assert_eq!(store.get(&name("KEY")).await.unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(store.set(&name("a"), &"1".into()).await.unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(house.bytes(), NOT_OURS);
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
