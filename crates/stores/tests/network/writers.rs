//! Two processes that write one store at the same time.

use std::{collections::HashMap, sync::Arc};

use libtest_mimic::Trial;
use modelmesh_secrets::{ErrorKind, SecretName, StoreSource as _};
use serde::{Deserialize, Serialize};

use crate::{
    backend::{self, Backend},
    child::{Errand, Other, Task, say},
    stage::Stage,
};

/// How often each process sets each kind of name.
const SETS: usize = 50;

/// The name that both processes set.
const SHARED: &str = "shared-key";

/// What one of the processes is to write.
#[derive(Serialize, Deserialize)]
pub(crate) struct Writing {
    who: String,
}

pub(crate) fn trial(backend: &Arc<dyn Backend>) -> Trial {
    let backend = Arc::clone(backend);
    crate::trial(format!("writers::{}::two_processes_lose_nothing", backend.label()), move || two(backend))
}

/// The other process: it sets the shared name and one of its own, in turn, and says what was acknowledged.
pub(crate) async fn write(errand: &Errand, Writing { who }: &Writing) {
    let store = errand.stores().without_cache().store("s").await.unwrap();
    let management = store.management().unwrap();
    for number in 0..SETS {
        let value = format!("{who}:{number}");
        for name in [SHARED.to_owned(), format!("{who}-key-{number}")] {
            let name = SecretName::new(name).unwrap();
            match management.set(&name, &value.as_str().into()).await {
                Ok(()) => say(&format!("{name} {value}")),
                // It is told that somebody else was first, and may look and try again.
                Err(error) if error.kind() == ErrorKind::Conflict => say(&format!("{name} -")),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

async fn two(backend: Arc<dyn Backend>) {
    let stage = Stage::new(&backend).await;
    let folder = tempfile::tempdir().unwrap();
    let logs = ["a", "b"].map(|who| folder.path().join(who));
    let writers: Vec<_> = ["a", "b"]
        .into_iter()
        .zip(&logs)
        .map(|(who, log)| {
            let task = Task::Write(Writing { who: who.into() });
            let mut writer = Other::start(&stage, "fetch_timeout: 30s", task, log);
            let log = log.clone();
            std::thread::spawn(move || {
                let said: Vec<String> = std::iter::from_fn(|| writer.hear()).collect();
                let status = writer.end();
                assert!(status.success(), "{}", std::fs::read_to_string(log).unwrap());
                said
            })
        })
        .collect();
    let mut last: Vec<HashMap<String, String>> = Vec::new();
    let (mut shared, mut conflicts_of_own) = (Vec::new(), 0);
    for writer in writers {
        let said = writer.join().unwrap();
        assert_eq!(said.len(), 2 * SETS);
        let mut acknowledged = HashMap::new();
        for line in &said {
            let (name, value) = line.split_once(' ').unwrap();
            if value == "-" {
                conflicts_of_own += usize::from(name != SHARED);
                continue;
            }
            if name == SHARED {
                shared.push(value.to_owned());
            }
            acknowledged.insert(name.to_owned(), value.to_owned());
        }
        last.push(acknowledged);
    }
    assert!(!shared.is_empty(), "of two writers, none got through");
    assert_eq!(conflicts_of_own, 0, "nobody else writes these names");

    let store = backend::open(&*backend, &stage.space).await;
    let read = async |name: &str| {
        let value = store.get(&SecretName::new(name).unwrap()).await;
        value.unwrap_or_else(|error| panic!("{error:?}"))
    };
    let own = last.iter().flatten().filter(|(name, _)| *name != SHARED);
    let mut count = 0;
    for (name, value) in own {
        assert_eq!(read(name).await.expose(), value, "{name}");
        count += 1;
    }
    assert_eq!(count, 2 * SETS, "names of one writer");

    let left = read(SHARED).await;
    assert!(shared.iter().any(|value| value == left.expose()), "what is left was never acknowledged");
    let capabilities = store.capabilities();
    if capabilities.cas {
        let mut last = last.iter().filter_map(|acknowledged| acknowledged.get(SHARED));
        assert!(
            last.any(|value| value == left.expose()),
            "an acknowledged value was undone: {}",
            left.expose()
        );
    }
    if capabilities.ordered_versions {
        let version: usize = left.version().unwrap().as_str().parse().unwrap();
        assert!(version >= shared.len(), "{version} versions of {} acknowledged values", shared.len());
    }
}
