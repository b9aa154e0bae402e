//! Resolving a configuration of 100,000 references, beside parsing it.

use std::{
    fmt::Write as _,
    hint::black_box,
    sync::{Arc, Mutex},
};

use modelmesh_secrets::{
    BaseSecretStore, Result, SecretName, SecretStoreConnector, SecretValue, StoreSource,
    config::Configuration,
    document::{Document, Format, Limits},
};
use modelmesh_stores::{memory::MemoryStore, registry};

use crate::measure::{Contender, in_turns, print};

const REFERENCES: usize = 100_000;
const ROUNDS: usize = 15;

/// One store for every name, behind a fresh cache.
///
/// The caches are kept to the end: an application that resolves does not throw its cache away.
struct OneStore(Arc<MemoryStore>, Mutex<Vec<BaseSecretStore>>);

#[async_trait::async_trait]
impl StoreSource for OneStore {
    async fn store(&self, _: &str) -> Result<Arc<dyn SecretStoreConnector>> {
        let connector: Arc<dyn SecretStoreConnector> = self.0.clone();
        let store = BaseSecretStore::builder(connector).build();
        self.1.lock().expect("no poison").push(store.clone());
        Ok(Arc::new(store))
    }
}

pub(crate) fn bench() {
    let mut text = String::from("providers:\n");
    let mut secrets = Vec::with_capacity(REFERENCES);
    for at in 0..REFERENCES {
        let _ = writeln!(text, "  provider-{at:06}:\n    api_key: ${{secrets:key-{at:06}}}");
        let name = SecretName::new(format!("key-{at:06}")).expect("a valid name");
        secrets.push((name, SecretValue::new(format!("sk-{at:06}-0123456789abcdef"))));
    }
    let text: Arc<str> = text.into();
    let catalogue = registry::catalogue();
    let parse = || {
        Configuration::parse("modelmesh.yaml", ".".into(), &text, Format::Yaml, &catalogue)
            .expect("the file parses")
    };
    let configuration = parse();
    assert_eq!(configuration.usage().references().len(), REFERENCES);
    let source = Arc::new(OneStore(Arc::new(MemoryStore::new(secrets)), Mutex::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let resolver = modelmesh_secrets::Resolver::new(source);
    let resolve = || {
        let resolution = runtime.block_on(resolver.resolve_all(&configuration));
        let texts = resolution.texts().expect("every reference resolves");
        assert_eq!(texts.len(), REFERENCES);
        black_box(texts);
    };

    let times = in_turns(
        vec![
            Contender::new("parse, keeping places", || {
                black_box(
                    Document::parse(Arc::clone(&text), Format::Yaml, &Limits::default()).expect("it parses"),
                );
            }),
            Contender::new("resolve, through a cold cache", resolve),
            Contender::new("parse and find the references", || {
                black_box(parse());
            }),
        ],
        ROUNDS,
    );
    print("a YAML file of 100,000 references (x of its parse)", &times, 1);
}
