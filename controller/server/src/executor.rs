//! Who carries out effects: the seam between what the core decides and the machines.

use crate::published::Published;
use crate::writer::{Inbox, SubmitError};
use hostler_core::ids::NodeId;
use hostler_core::input::{Effect, Input, Reply};
use hostler_core::world::World;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

/// Carries out effects. `hostlerd` itself does so by speaking to management controllers; a benchmark may put something
/// else here, and has everything else of a controller as it is.
pub trait Executor: Send + 'static {
    /// Works until [`Effects::next`] ends. It must not wait there for the answer to an input: the writer waits for
    /// room among the effects, and such an answer comes from the writer.
    fn run(self, effects: Effects) -> impl Future<Output = ()> + Send;
}

/// Effects to be carried out, in the order in which they were stored.
#[derive(Debug)]
pub struct Effects {
    pub(crate) waiting: mpsc::Receiver<Effect>,
    pub(crate) stop: CancellationToken,
    pub(crate) evidence: EvidenceSink,
}

impl Effects {
    /// The next one; `None` when the controller ends.
    pub async fn next(&mut self) -> Option<Effect> {
        tokio::select! {
            () = self.stop.cancelled() => None,
            effect = self.waiting.recv() => effect,
        }
    }

    /// Where what was seen goes.
    #[must_use]
    pub fn evidence(&self) -> EvidenceSink {
        self.evidence.clone()
    }
}

/// The way back: the published world to look things up in, and the writer for what was seen.
#[derive(Clone, Debug)]
pub struct EvidenceSink {
    pub(crate) published: Arc<Published>,
    pub(crate) inbox: Inbox,
}

impl EvidenceSink {
    /// Looks at the world as of the last commit. The writer waits meanwhile: take what is needed and go.
    pub fn read<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        self.published.read(look)
    }

    /// The machines that change from now on: whoever stands for their agents as well finds their orders there.
    #[must_use]
    pub fn changed_nodes(&self) -> broadcast::Receiver<NodeId> {
        self.published.changed_nodes()
    }

    /// Hands an input to the writer and waits until it is stored.
    ///
    /// # Errors
    /// If the core refuses it or the store cannot keep it.
    pub async fn submit(&self, input: Input) -> Result<Reply, SubmitError> {
        self.inbox.submit(input).await
    }
}
