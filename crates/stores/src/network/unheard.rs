//! What vendors' libraries log is not heard.

use std::sync::LazyLock;

use tracing::{Dispatch, instrument::WithSubscriber as _, subscriber::NoSubscriber};

/// Hears nothing. It is one that `tracing` knows of: under `Dispatch::none()`, whatever is logged for the first time is
/// taken for something that nobody listens to, here and everywhere, for good.
static NOBODY: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

/// Runs a call of a vendor's library so that none of its events and spans reaches a log, whatever its filters say.
///
/// Some libraries log requests and answers whole at `TRACE`: tokens, signatures and values. What is to be known of a
/// call is told around it, by [`GuardedStore`](modelmesh_secrets::GuardedStore). Tasks that the library spawns are
/// heard; such a library needs another way.
pub(crate) async fn unheard<F: Future>(call: F) -> F::Output {
    call.with_subscriber(NOBODY.clone()).await
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn only_what_is_told_around_a_call_is_heard() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let session = async {
            tracing::trace!("before");
            let answer = unheard(async {
                tracing::error!("a canary");
                tokio::task::yield_now().await;
                let _entered = tracing::info_span!("span", canary = 1).entered();
                tracing::trace!("another canary");
                "the answer"
            });
            assert_eq!(answer.await, "the answer");
            tracing::trace!("after");
        };
        session.with_subscriber(subscriber).await;
        let heard = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(heard.contains("before") && heard.contains("after"), "{heard}");
        assert!(!heard.contains("canary"), "{heard}");
    }
}
