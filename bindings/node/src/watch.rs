//! Live handles on secrets.

use std::sync::Arc;

use napi_derive::napi;
use tokio::sync::{Mutex, Notify};

use crate::{
    host::Desk,
    value::Secret,
    work::{Outcome, Work},
};

/// A live handle on one secret, which yields each new version.
#[napi]
pub struct Watch {
    desk: Arc<Desk>,
    handle: Arc<Mutex<Option<modelmesh_secrets::Watch>>>,
    closed: Arc<Notify>,
}

impl Watch {
    pub(crate) fn new(desk: Arc<Desk>, watch: modelmesh_secrets::Watch) -> Self {
        Watch { desk, handle: Arc::new(Mutex::new(Some(watch))), closed: Arc::default() }
    }
}

#[napi]
impl Watch {
    /// The next version; nothing if the handle was closed.
    #[napi(ts_return_type = "Work<Secret | undefined>")]
    pub fn next(&self) -> Work {
        let (handle, closed) = (Arc::clone(&self.handle), Arc::clone(&self.closed));
        Work::new(&self.desk, async move {
            let mut held = handle.lock().await;
            let Some(watch) = held.as_mut() else { return Outcome::Nothing };
            let next = async {
                loop {
                    // Where the value ended, the next version is waited for: it may come back.
                    if let Some(value) = watch.changed().await {
                        return Secret::from(&value);
                    }
                }
            };
            tokio::select! {
                secret = next => Outcome::Secret(secret),
                () = closed.notified() => {
                    *held = None;
                    Outcome::Nothing
                }
            }
        })
    }

    /// Lets the secret go, and ends what waits for its next version.
    #[napi]
    pub fn close(&self) {
        match self.handle.try_lock() {
            Ok(mut held) => *held = None,
            Err(_) => self.closed.notify_one(),
        }
    }
}
