#![allow(clippy::disallowed_methods, reason = "tests write the files that others would")]

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use modelmesh_secrets::NameRule;

use super::*;

/// A format with nothing to it: lines of `name=value`.
#[derive(Default)]
struct Lines {
    decoded: AtomicUsize,
}

#[derive(Clone, Default)]
struct Pairs(BTreeMap<String, String>);

impl Codec for Lines {
    type Document = Pairs;

    const ID: &'static str = "test.lines.v1";

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.names = NameRule::Without("=");
        capabilities.empty = false;
        capabilities
    }

    fn blank(&self) -> Result<Pairs> {
        Ok(Pairs::default())
    }

    fn decode(&self, bytes: &[u8], _holding: bool) -> Result<Pairs> {
        self.decoded.fetch_add(1, Ordering::SeqCst);
        let malformed = || Error::new(ErrorKind::Malformed, "not lines");
        let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        text.lines().map(|line| pair(line).ok_or_else(malformed)).collect::<Result<_>>().map(Pairs)
    }

    fn encode(&self, document: &Pairs) -> Result<Zeroizing<Vec<u8>>> {
        let lines: Vec<_> = document.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(Zeroizing::new((lines.join("\n") + "\n").into_bytes()))
    }
}

impl Document for Pairs {
    fn get(&self, name: &SecretName) -> Option<Result<SecretValue>> {
        self.0.get(name.as_str()).map(|value| Ok(value.as_str().into()))
    }

    fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn set(&mut self, name: &SecretName, value: &SecretValue) -> Result<()> {
        if value.expose().contains('\n') {
            return Err(Error::new(ErrorKind::Unsupported, "a value of two lines"));
        }
        self.0.insert(name.as_str().to_owned(), value.expose().to_owned());
        Ok(())
    }

    fn remove(&mut self, name: &SecretName) -> Result<bool> {
        Ok(self.0.remove(name.as_str()).is_some())
    }
}

fn name(name: &str) -> SecretName {
    SecretName::new(name).unwrap()
}

fn folder_with(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn open(path: &Path) -> FileStore<Lines> {
    FileStore::with_lock_wait(path, Lines::default(), Duration::ZERO)
}

fn decoded(store: &FileStore<Lines>) -> usize {
    store.codec().decoded.load(Ordering::SeqCst)
}

#[tokio::test]
async fn the_same_bytes_are_decoded_once() {
    let (_folder, path) = folder_with("a=1\nb=2\n");
    let store = open(&path);
    store.get_many(&[name("a"), name("b"), name("c")]).await;
    store.get(&name("a")).await.unwrap();
    store.list().await.unwrap();
    // A new file of the same contents has another fingerprint.
    super::super::replace(&path, b"a=1\nb=2\n").unwrap();
    store.get(&name("a")).await.unwrap();
    assert_eq!(decoded(&store), 1);
}

#[tokio::test]
async fn what_was_just_written_is_not_decoded_again() {
    let (_folder, path) = folder_with("a=1\n");
    let store = open(&path);
    store.set(&name("b"), &"2".into()).await.unwrap();
    assert_eq!(store.get(&name("b")).await.unwrap().expose(), "2");
    assert_eq!(decoded(&store), 1);
}

#[tokio::test]
async fn a_rewrite_in_place_that_keeps_size_and_times_is_seen() {
    let (_folder, path) = folder_with("a=1\n");
    let store = open(&path);
    assert_eq!(store.get(&name("a")).await.unwrap().expose(), "1");
    let times = path.metadata().unwrap().modified().unwrap();
    std::fs::write(&path, "a=2\n").unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap().expose(), "2");
}

#[tokio::test]
async fn a_lock_that_another_holds_is_a_conflict_and_reads_do_not_mind() {
    let (_folder, path) = folder_with("a=1\n");
    let _other = Writer::lock(&path, Duration::ZERO).unwrap();
    let store = open(&path);
    let error = store.set(&name("b"), &"2".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.name(), Some("b"));
    assert_eq!(store.get(&name("a")).await.unwrap().expose(), "1");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a=1\n");
}

#[tokio::test]
async fn of_several_secrets_one_refused_means_none_written() {
    let (_folder, path) = folder_with("a=1\n");
    let store = open(&path);
    for (refused_name, refused_value, kind) in [
        ("x=y", "2", ErrorKind::InvalidName),
        ("empty", "", ErrorKind::Unsupported),
        ("lines", "1\n2", ErrorKind::Unsupported),
    ] {
        let secrets = [(name("good"), "2".into()), (name(refused_name), refused_value.into())];
        let results = store.set_many(&secrets).await;
        assert_eq!(results.len(), 2);
        assert!(results.iter().all(Result::is_err), "{refused_name}");
        assert_eq!(results[1].as_ref().unwrap_err().kind(), kind);
        assert_eq!(results[1].as_ref().unwrap_err().name(), Some(refused_name));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a=1\n");
    }
}

#[tokio::test]
async fn a_broken_file_is_not_written() {
    let (_folder, path) = folder_with("broken");
    let store = open(&path);
    for error in [
        store.set(&name("a"), &"1".into()).await.unwrap_err(),
        store.delete(&name("a")).await.unwrap_err(),
        store.get(&name("a")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "broken");
    assert!(!path.with_file_name(".file.lock").exists(), "not even locked");
}

#[tokio::test]
async fn a_folder_in_the_files_place_is_an_io_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(store.get(&name("a")).await.unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(store.set(&name("a"), &"1".into()).await.unwrap_err().kind(), ErrorKind::Io);
}

#[tokio::test]
async fn names_that_cannot_be_asked_for_are_not_listed_and_survive() {
    let (_folder, path) = folder_with("../up=1\nb=2\n");
    let store = open(&path);
    assert_eq!(store.list().await.unwrap(), [name("b")]);
    store.set(&name("c"), &"3".into()).await.unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("../up=1\n"));
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_done_or_not_begun() {
    let (_folder, path) = folder_with("a=1\n");
    let store = open(&path);
    for n in 0..20 {
        // Dropped after its first poll, wherever that got it.
        let (key, value) = (name("n"), SecretValue::from(n.to_string()));
        let mut set = store.set(&key, &value);
        std::future::poll_fn(|context| {
            let _ = set.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    // Waits for whatever is under way: writers take turns.
    store.set(&name("last"), &"1".into()).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("a=1\nlast=1\n"), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_may_read_is_read_and_made_private_by_a_write() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = folder_with("a=1\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = open(&path);
    assert_eq!(store.get(&name("a")).await.unwrap().expose(), "1");
    store.set(&name("a"), &"2".into()).await.unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(unix)]
#[tokio::test]
async fn two_paths_of_one_file_have_one_lock() {
    let (folder, path) = folder_with("a=1\n");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("file", &link).unwrap();
    let _other = Writer::lock(&path, Duration::ZERO).unwrap();
    assert_eq!(open(&link).set(&name("b"), &"2".into()).await.unwrap_err().kind(), ErrorKind::Conflict);
}

fn change(secret: &str, before: Option<&str>, after: Option<&str>) -> Change {
    let value = |text: &str| SecretValue::from(text);
    Change { name: name(secret), before: before.map(value), after: after.map(value) }
}

#[tokio::test]
async fn an_exchange_makes_all_changes_at_once() {
    let (_folder, path) = folder_with("a=1\nb=2\n");
    let changes =
        [change("a", Some("1"), None), change("b", Some("2"), Some("3")), change("c", None, Some("4"))];
    for result in open(&path).exchange(&changes).await {
        result.unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "b=3\nc=4\n");
}

#[tokio::test]
async fn an_exchange_of_what_is_not_there_any_more_changes_nothing() {
    let (_folder, path) = folder_with("a=1\nb=2\n");
    let fine = change("b", Some("2"), Some("3"));
    for stale in [
        change("a", Some("0"), Some("x")),
        change("a", Some("0"), None),
        change("a", None, Some("x")),
        change("gone", Some("1"), Some("x")),
        change("gone", Some("1"), None),
    ] {
        let results = open(&path).exchange(&[fine.clone(), stale.clone()]).await;
        for result in results {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.name()), (ErrorKind::Conflict, Some(stale.name.as_str())));
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a=1\nb=2\n");
    }
}

#[tokio::test]
async fn an_exchange_with_a_value_that_cannot_be_stored_changes_nothing() {
    let (_folder, path) = folder_with("a=1\n");
    for refused in
        [change("b", None, Some("")), change("b=", None, Some("x")), change("b", None, Some("x\ny"))]
    {
        let results = open(&path).exchange(&[change("a", Some("1"), Some("2")), refused]).await;
        assert!(results.iter().all(Result::is_err), "{results:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a=1\n");
    }
}
