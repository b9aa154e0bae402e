//! Three nodes of Raft with TLS, whose leader is killed under load.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use modelmesh_secrets::{ErrorKind, StoreSource as _};
use modelmesh_stores::open::StoreSet;
use modelmesh_testkit::servers::vault::VaultCluster;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{Store, error, get, name, set};
use crate::backend::{configuration, stores_in};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        crate::trial("vault::a_leader_that_is_killed_under_load_loses_nothing", killed_leaders),
        crate::trial("vault::a_cluster_without_a_majority_is_an_outage", no_majority),
        crate::trial("vault::an_authority_that_is_not_trusted_is_an_outage", unknown_authority),
    ]
}

/// What an election and the fail-over may take together. Four to eight seconds are usual on a busy machine.
const RECOVERY: Duration = Duration::from_secs(30);

struct Fixture {
    cluster: VaultCluster,
    folder: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let cluster = VaultCluster::start().await;
        let client = cluster.client(cluster.leader().await).clone();
        let engine = json!({ "type": "kv", "options": { "version": "2" } });
        client.expect("POST", "sys/mounts/kv", Some(engine)).await;
        client.until("kv/config", |status, _| status == 200).await;
        client.expect("POST", "kv/data/steady", Some(json!({ "data": { "value": "steady" } }))).await;
        for at in 0..3 {
            cluster.client(at).until("kv/data/steady", |status, _| status == 200).await;
        }
        let folder = TempDir::new().unwrap();
        let authority = folder.path().join("authority.pem");
        let mut file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        std::io::Write::write_all(&mut file, cluster.authority().as_bytes()).unwrap();
        file.persist(&authority).unwrap();
        Fixture { cluster, folder }
    }

    /// Stores of the cluster, which trust its authority.
    fn stores(&self, more: &str) -> StoreSet {
        let authority = self.folder.path().join("authority.pem");
        self.distrusting(&format!("ca_cert: '{}', {more}", authority.display()))
    }

    fn distrusting(&self, more: &str) -> StoreSet {
        let entry = format!(
            "store: hashicorp.vault.v1, addresses: ['{}'], mount: kv, token: '{}'",
            self.cluster.addresses().join("', '"),
            self.cluster.root().text()
        );
        stores_in(&configuration(&entry, more), &[])
    }

    async fn store(&self, more: &str) -> Store {
        self.stores(more).without_cache().store("s").await.unwrap()
    }
}

/// What goes on while leaders are killed.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    acknowledged: Mutex<Vec<String>>,
    uncached_reads: AtomicUsize,
    cached_reads: AtomicUsize,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    /// Writes one secret after another, and notes which were acknowledged.
    async fn write(self: Arc<Self>, store: Store, writer: usize) {
        let mut at = 0;
        while self.goes_on() {
            let path = format!("written/{writer}/{at}");
            match set(&store, &path, &path).await {
                Ok(()) => self.acknowledged.lock().unwrap().push(path),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
            }
            at += 1;
        }
    }

    async fn read(self: Arc<Self>, store: Store) {
        while self.goes_on() {
            match get(&store, "steady").await {
                Ok(value) => {
                    assert_eq!(value, "steady");
                    self.uncached_reads.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
            }
        }
    }

    /// Reads through the cache, and never in vain.
    async fn read_cached(self: Arc<Self>, store: Store) {
        while self.goes_on() {
            assert_eq!(get(&store, "steady").await.unwrap(), "steady");
            self.cached_reads.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn counts(&self) -> [usize; 3] {
        let acknowledged = self.acknowledged.lock().unwrap().len();
        [acknowledged, self.uncached_reads.load(Ordering::SeqCst), self.cached_reads.load(Ordering::SeqCst)]
    }

    /// Waits until there were this many more of each.
    async fn advances(&self, by: usize) {
        let (begun, before) = (Instant::now(), self.counts());
        loop {
            let now = self.counts();
            if before.iter().zip(now).all(|(&before, now)| now >= before + by) {
                return;
            }
            assert!(begun.elapsed() < RECOVERY, "from {before:?} to {now:?} in {:?}", begun.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn killed_leaders() {
    let mut fixture = Fixture::new().await;
    // The cache ends again and again while no node leads. No breaker, whose pauses would be measured too.
    let quick = "breaker: { failures: 1000000 }";
    let cached = fixture.stores(&format!("cache_ttl: 500ms, {quick}")).store("s").await.unwrap();
    let load = Arc::new(Load::default());
    let mut tasks = JoinSet::new();
    for writer in 0..3 {
        tasks.spawn(Arc::clone(&load).write(fixture.store(quick).await, writer));
        tasks.spawn(Arc::clone(&load).read(fixture.store(quick).await));
        tasks.spawn(Arc::clone(&load).read_cached(Store::clone(&cached)));
    }
    for _ in 0..2 {
        load.advances(20).await;
        let leader = fixture.cluster.leader().await;
        fixture.cluster.kill(leader);
        load.advances(10).await;
        fixture.cluster.leader().await;
        fixture.cluster.restart(leader);
        fixture.cluster.unseal(leader).await;
    }
    load.is_over.store(true, Ordering::SeqCst);
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let store = fixture.store("").await;
    let acknowledged = std::mem::take(&mut *load.acknowledged.lock().unwrap());
    for path in &acknowledged {
        assert_eq!(get(&store, path).await.unwrap(), *path);
    }
}

async fn no_majority() {
    let mut fixture = Fixture::new().await;
    let store = fixture.store("retry: { tries: 1 }").await;
    assert_eq!(get(&store, "steady").await.unwrap(), "steady");
    let leader = fixture.cluster.leader().await;
    fixture.cluster.kill(leader);
    fixture.cluster.kill((leader + 1) % 3);
    assert_eq!(error(set(&store, "lost", "x")).await.kind(), ErrorKind::Unavailable);

    for at in [leader, (leader + 1) % 3] {
        fixture.cluster.restart(at);
        fixture.cluster.unseal(at).await;
    }
    fixture.cluster.leader().await;
    set(&store, "kept", "x").await.unwrap();
    assert_eq!(get(&store, "kept").await.unwrap(), "x");
}

async fn unknown_authority() {
    let fixture = Fixture::new().await;
    let store = fixture.distrusting("").without_cache().store("s").await.unwrap();
    let error = error(store.get(&name("steady"))).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.help().unwrap().contains("'ca_cert'"), "{error:?}");
}
