//! Users: they call the mesh all the time, and remember what came of it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet};

use crate::mesh::Mesh;

/// Between two calls of one user, so that there is something left of the machine for the mesh.
const PAUSE: Duration = Duration::from_millis(1);

/// Users at work.
#[derive(Debug)]
pub struct Load {
    users: JoinSet<Summary>,
    /// How many calls of each user have ended.
    ended: watch::Sender<Vec<usize>>,
    is_over: Arc<AtomicBool>,
}

/// What came of all calls.
#[derive(Debug, Default)]
pub struct Summary {
    /// Calls that were answered, by provider.
    pub answered: BTreeMap<String, usize>,
    /// Why the others failed.
    pub failed: Vec<String>,
    /// How long the slowest call took.
    pub slowest: Duration,
}

impl Summary {
    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.answered.values().sum::<usize>() + self.failed.len()
    }

    fn add(&mut self, other: Summary) {
        for (provider, count) in other.answered {
            *self.answered.entry(provider).or_default() += count;
        }
        self.failed.extend(other.failed);
        self.slowest = self.slowest.max(other.slowest);
    }
}

impl Load {
    /// Sets `users` to work, each with one call at a time.
    pub fn start(mesh: &Arc<Mesh>, users: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ended = watch::Sender::new(vec![0; users]);
        let work = |user| use_mesh(Arc::clone(mesh), user, ended.clone(), Arc::clone(&is_over));
        Load { users: (0..users).map(work).collect(), ended, is_over }
    }

    /// Waits until a call of each user has ended that began after this was asked.
    pub async fn calls_once_more(&self) {
        let mut ended = self.ended.subscribe();
        // One may be under way.
        let wanted: Vec<usize> = ended.borrow_and_update().iter().map(|calls| calls + 2).collect();
        let have_ended =
            |ended: &Vec<usize>| ended.iter().zip(&wanted).all(|(ended, wanted)| ended >= wanted);
        // The sender lives as long as this borrow of it.
        let _ = ended.wait_for(have_ended).await;
    }

    /// Lets the calls under way end, and sums up.
    pub async fn stop(mut self) -> Summary {
        self.is_over.store(true, Ordering::Relaxed);
        let mut sum = Summary::default();
        while let Some(user) = self.users.join_next().await {
            match user {
                Ok(summary) => sum.add(summary),
                Err(panic) => sum.failed.push(panic.to_string()),
            }
        }
        sum
    }
}

async fn use_mesh(
    mesh: Arc<Mesh>,
    user: usize,
    ended: watch::Sender<Vec<usize>>,
    is_over: Arc<AtomicBool>,
) -> Summary {
    let mut summary = Summary::default();
    while !is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        match mesh.call().await {
            Ok(answer) => *summary.answered.entry(answer.provider).or_default() += 1,
            Err(why) => summary.failed.push(why.to_string()),
        }
        summary.slowest = summary.slowest.max(begin.elapsed());
        ended.send_modify(|ended| ended[user] += 1);
        tokio::time::sleep(PAUSE).await;
    }
    summary
}
