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

mod contents;
mod keys;
mod sharing;

use super::*;
use crate::{connector::PassphrasePrompt, environment::FixedEnvironment};

const FOREIGN: &[u8] = include_bytes!("../../../tests/fixtures/age-file/foreign.age");
const NOT_OURS: &[u8] = include_bytes!("../../../tests/fixtures/age-file/not-ours.age");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/age-file");

fn fixture(name: &str) -> PathBuf {
    Path::new(FIXTURES).join(name)
}

fn context(environment: FixedEnvironment) -> OpenContext {
    OpenContext { environment: Arc::new(environment), prompt: None, ..OpenContext::default() }
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
        codec.work_factor = 2;
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
