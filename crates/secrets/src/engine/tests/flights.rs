//! One call for all who ask at the same time, and what becomes of them when it goes wrong.

use super::*;
use crate::{SecretManagement, async_trait};

#[test]
fn ten_thousand_callers_make_one_call() {
    let scripted = Scripted::counting().held();
    let (store, _clock) = store_over(&scripted, no_jitter());
    let runtime = runtime();
    let callers: Vec<_> = (0..10_000)
        .map(|_| {
            let store = store.clone();
            runtime.spawn(async move { store.get(&name("k")).await.unwrap().expose().to_owned() })
        })
        .collect();
    eventually("the call", || scripted.calls() == 1);
    scripted.gate.add_permits(1);
    for caller in callers {
        assert_eq!(runtime.block_on(caller).unwrap(), "1");
    }
    assert_eq!(scripted.calls(), 1);
}

#[test]
fn a_caller_that_gives_up_cancels_nothing() {
    let scripted = Scripted::counting().held();
    let (store, _clock) = store_over(&scripted, no_jitter());
    let runtime = runtime();
    let leader = {
        let store = store.clone();
        runtime.spawn(async move { store.get(&name("k")).await.map(|_| ()) })
    };
    eventually("the call", || scripted.calls() == 1);
    leader.abort();
    let _ = runtime.block_on(leader);
    let follower = {
        let store = store.clone();
        runtime.spawn(async move { store.get(&name("k")).await.unwrap().expose().to_owned() })
    };
    scripted.gate.add_permits(1);
    assert_eq!(runtime.block_on(follower).unwrap(), "1");
    assert_eq!(scripted.calls(), 1, "the first call went on for those who came later");
}

#[test]
fn many_names_are_one_question_and_keep_their_order() {
    let scripted = Scripted::new(|name, _| match name.as_str() {
        "missing" => Err(Error::not_found("missing")),
        name => Ok(format!("<{name}>").into()),
    });
    let (store, _clock) = store_over(&scripted, no_jitter());
    get(&store, "b");
    let names = ["a", "missing", "b", "a"].map(name);
    let answers = runtime().block_on(store.get_many(&names));
    let shown: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().map(SecretValue::expose).map_err(Error::kind)).collect();
    assert_eq!(shown, [Ok("<a>"), Err(ErrorKind::NotFound), Ok("<b>"), Ok("<a>")]);
    assert_eq!(scripted.calls(), 3, "b was here, and a was asked once");
}

#[test]
fn a_write_is_seen_by_the_next_read_even_if_a_fetch_was_under_way() {
    let scripted = Scripted::counting().held();
    let (store, _clock) = store_over(&scripted, no_jitter());
    let runtime = runtime();
    let early = {
        let store = store.clone();
        runtime.spawn(async move { store.get(&name("k")).await.unwrap().expose().to_owned() })
    };
    eventually("the call", || scripted.calls() == 1);
    runtime.block_on(store.set(&name("k"), &"new".into())).unwrap();
    scripted.gate.add_permits(2);
    assert_eq!(runtime.block_on(early).unwrap(), "1", "who asked before the write gets what was there");
    assert_eq!(get(&store, "k"), "2", "who asks after it does not");
    assert_eq!(cached(&store, "k"), Some("2".into()));
}

#[test]
fn a_store_that_asks_itself_is_an_error_and_no_deadlock() {
    struct Recursive(std::sync::OnceLock<BaseSecretStore>);

    #[async_trait]
    impl crate::Resolve for Arc<Recursive> {
        async fn resolve(&self, name: &SecretName) -> Result<Option<SecretValue>> {
            self.0.get().unwrap().find(name).await
        }
    }

    let hook = Arc::new(Recursive(std::sync::OnceLock::new()));
    let store = BaseSecretStore::new(Arc::clone(&hook));
    hook.0.set(store.clone()).unwrap();
    assert_eq!(store.get_blocking(&name("k")).unwrap_err().kind(), ErrorKind::InvalidConfig);
}

#[test]
fn a_panic_in_a_store_reaches_those_who_wait_as_an_error() {
    let scripted = Scripted::new(|_, call| if call == 1 { panic!("canary-value") } else { Ok("v".into()) });
    // The mutex of the script is poisoned by the panic, so the second call is asked of another store.
    let (store, _clock) = store_over(&scripted, no_jitter());
    let error = store.get_blocking(&name("k")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error:?}").contains("canary"));
    let (other, _clock) = store_over(&Scripted::counting(), no_jitter());
    assert_eq!(get(&other, "k"), "1", "the engine's thread lives on");
}

#[test]
fn a_store_that_does_not_answer_is_unavailable_after_the_timeout() {
    let scripted = Scripted::counting().held();
    let (store, clock) = store_over(&scripted, no_jitter());
    let caller = {
        let store = store.clone();
        thread::spawn(move || store.get_blocking(&name("k")).unwrap_err())
    };
    eventually("the time-out", || {
        clock.advance(seconds(1));
        caller.is_finished()
    });
    let error = caller.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("5s"), "{error}");
}

#[test]
fn a_subscriber_that_waits_for_the_thread_it_is_on_gets_an_error() {
    let scripted = Scripted::counting();
    let (clock, observer) = (ManualClock::new(), Observer::new());
    let connector = Arc::clone(&scripted) as Arc<dyn SecretStoreConnector>;
    let store = BaseSecretStore::builder(connector).clock(clock).observer(&observer).build();
    let (asking, told) = (store.clone(), Arc::new(Mutex::new(Vec::new())));
    let telling = Arc::clone(&told);
    let _subscription = observer.subscribe(move |_| {
        let answer = asking.get_blocking(&name("other")).map(|value| value.expose().to_owned());
        telling.lock().unwrap().push(answer.map_err(|error| error.kind()));
    });
    let caller = thread::spawn(move || get(&store, "k"));
    eventually("the answer", || caller.is_finished() && told.lock().unwrap().len() == 2);
    let told = told.lock().unwrap();
    assert_eq!(told[0], Err(ErrorKind::Unsupported));
    assert_eq!(told[1].as_deref(), Ok("2"), "it was asked for meanwhile");
}
