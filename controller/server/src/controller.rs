//! What the services share.

use crate::agents::{Refusals, Registry};
use crate::api::Keepalives;
use crate::clock::Clock;
use crate::config::Config;
use crate::keys::{SealKey, TokenKey};
use crate::pki::Authority;
use crate::power::Power;
use crate::published::Published;
use crate::storage::{Blobs, RunStore, blocking};
use crate::writer::{Inbox, SubmitError};
use arc_swap::ArcSwap;
use hostler_core::input::{Input, Reply};
use hostler_store::{History, StoreError};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One running controller.
pub(crate) struct Controller {
    pub(crate) config: Config,
    pub(crate) epoch: u64,
    pub(crate) clock: Clock,
    pub(crate) inbox: Inbox,
    pub(crate) published: Arc<Published>,
    pub(crate) history: Arc<Mutex<Box<dyn History>>>,
    pub(crate) authority: ArcSwap<Authority>,
    pub(crate) seal: Arc<SealKey>,
    pub(crate) tokens: Arc<TokenKey>,
    pub(crate) power: Arc<Power>,
    pub(crate) registry: Registry,
    pub(crate) keepalives: Keepalives,
    pub(crate) refusals: Refusals,
    pub(crate) runs: RunStore,
    pub(crate) images: Blobs,
    pub(crate) inputs: Blobs,
    /// Work that ends with the controller.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Controller {
    pub(crate) async fn submit(&self, input: Input) -> Result<Reply, SubmitError> {
        self.inbox.submit(input).await
    }

    /// The URL of something that the boot server serves.
    pub(crate) fn boot_url(&self, path: &str) -> String {
        self.config.boot_url(path)
    }

    /// Asks the store for what memory has let go of.
    pub(crate) async fn history<T: Send + 'static>(
        &self,
        query: impl FnOnce(&dyn History) -> Result<T, StoreError> + Send + 'static,
    ) -> anyhow::Result<T> {
        let history = self.history.clone();
        blocking(move || Ok(query(&**history.lock().unwrap_or_else(PoisonError::into_inner))?)).await
    }
}
