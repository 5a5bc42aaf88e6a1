//! What the services share.

use crate::agents::{Refusals, Registry};
use crate::api::Keepalives;
use crate::clock::Clock;
use crate::config::Config;
use crate::keys::{SealKey, TokenKey};
use crate::leadership::Office;
use crate::pki::Authority;
use crate::power::Power;
use crate::published::Published;
use crate::storage::{Artefacts, Blobs, RunStore, Surroundings, blocking};
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
    /// True if this controller leads: what it is told becomes an input of the writer.
    pub(crate) leads: bool,
    pub(crate) office: Arc<Office>,
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

/// What differs from one role to another.
pub(crate) struct Parts {
    pub(crate) epoch: u64,
    pub(crate) leads: bool,
    pub(crate) office: Arc<Office>,
    pub(crate) clock: Clock,
    pub(crate) inbox: Inbox,
    pub(crate) published: Arc<Published>,
    pub(crate) history: Box<dyn History>,
}

impl Controller {
    /// Reads the keys and opens what is not in the store.
    pub(crate) fn new(config: Config, parts: Parts) -> anyhow::Result<Self> {
        let Parts { epoch, leads, office, clock, inbox, published, history } = parts;
        let authority = Authority::load(&config.path(&config.keys.ca), &config.path(&config.keys.ca_key))?;
        let seal = Arc::new(SealKey::load(&config.path(&config.keys.seal))?);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let Artefacts { runs, images, inputs } = Artefacts::open(&config.artefacts()?, &config.data(), {
            let (published, tasks, stop) = (published.clone(), tasks.clone(), stop.clone());
            Surroundings {
                leads,
                output_limit: config.agents.output_limit,
                cache_bytes: config.store.cache_bytes,
                on_output: Arc::new(move |run| published.notify_run(run)),
                tasks,
                stop,
            }
        })?;
        Ok(Self {
            power: Arc::new(Power::new(config.bmc.clone(), seal.clone(), published.clone(), office.clone())),
            authority: ArcSwap::from_pointee(authority),
            seal,
            tokens: Arc::new(TokenKey::load(&config.path(&config.keys.token))?),
            history: Arc::new(Mutex::new(history)),
            registry: Registry::new(),
            keepalives: Keepalives::default(),
            refusals: Refusals::new(),
            runs,
            images,
            inputs,
            tasks,
            stop,
            epoch,
            leads,
            office,
            clock,
            inbox,
            published,
            config,
        })
    }

    pub(crate) async fn submit(&self, input: Input) -> Result<Reply, SubmitError> {
        if !self.leads {
            return Err(SubmitError::Elsewhere(self.office.elsewhere()));
        }
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
