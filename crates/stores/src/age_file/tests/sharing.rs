//! Whom a file is encrypted to, and who may change that.

use super::*;

#[tokio::test]
async fn after_a_rekey_two_people_read_and_write_one_file() {
    let house = House::new();
    let (ada, bob) = (house.store("ada"), house.store("bob"));
    ada.set(&name("a"), &"1".into()).await.unwrap();
    assert_eq!(bob.get(&name("a")).await.unwrap_err().kind(), ErrorKind::Locked);

    let rekeyed = ada.rekey(RekeyPlan::default().add_recipient(house.recipient("bob"))).await.unwrap();
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
        RekeyPlan::default().remove_recipient(house.recipient("ada")),
        RekeyPlan::default().remove_recipient(house.recipient("ada")).add_recipient(house.recipient("bob")),
        RekeyPlan::default().only_recipients([house.recipient("bob")]),
        RekeyPlan::default().only_recipients(Vec::<String>::new()),
        RekeyPlan::default().remove_recipient(house.recipient("eve")),
        RekeyPlan::default().add_recipient(PASSPHRASE),
        RekeyPlan::default().add_recipient("AGE-SECRET-KEY-1CANARY"),
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
    ada.rekey(RekeyPlan::default().add_recipient(house.recipient("bob"))).await.unwrap();
    ada.rekey(RekeyPlan::default().remove_recipient(house.recipient("bob"))).await.unwrap();
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
    codec.work_factor = 2;
    let both: AgeFileStore = FileStore::new(house.file(), codec);
    both.rekey(RekeyPlan::default().only_recipients([ada_key])).await.unwrap();
    assert_eq!(house.store("ada").get(&name("b")).await.unwrap().expose(), "2");
    both.rekey(RekeyPlan::default().only_recipients([PASSPHRASE])).await.unwrap();
    assert_eq!(house.by_passphrase("new").get(&name("b")).await.unwrap().expose(), "2");
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
    store.rekey(RekeyPlan::default().add_recipient(house.recipient("bob"))).await.unwrap();
    let after = house.plaintext("ada");
    assert_eq!(after["team"], plaintext["team"]);
    assert_eq!(after["secrets"]["a"]["owner"], "ada");
    assert_eq!(after["secrets"]["a"]["version"], 8);
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
    stores[0].rekey(RekeyPlan::default().add_recipient(house.recipient("bob"))).await.unwrap();
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
