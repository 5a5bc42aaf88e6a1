//! The leader's world, as it is in the database when somebody asks. What is answered from it is not older than the
//! question: a job that was told of its lease by the leader finds it here as well.

use crate::config::Config;
use crate::leadership::Office;
use crate::published::Published;
use crate::storage::blocking;
use crate::writer::SubmitError;
use hostler_core::time::Timing;
use hostler_core::world::World;
use hostler_store::{BatchNumber, Follower, PostgresUrl};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;
use tonic::Status;

/// Reads again what was written since it was read last.
pub(crate) struct Replica {
    published: Arc<Published>,
    office: Arc<Office>,
    timing: Timing,
    read: Arc<Mutex<Read>>,
}

struct Read {
    follower: Follower,
    last: Option<BatchNumber>,
    /// When the last look at the database began.
    looked: Option<Instant>,
}

impl Replica {
    /// Puts what it reads into `published`.
    pub(super) fn new(
        url: &PostgresUrl,
        config: &Config,
        published: Arc<Published>,
        office: Arc<Office>,
    ) -> Self {
        let read = Read { follower: Follower::new(url), last: None, looked: None };
        Self { published, office, timing: config.timing.clone(), read: Arc::new(Mutex::new(read)) }
    }

    /// Where to ask instead of here.
    pub(super) fn elsewhere(&self) -> Status {
        crate::api::status::refused(&SubmitError::Elsewhere(self.office.elsewhere()))
    }

    /// Returns when the world is as new as this call. Whoever asks while the database is read waits for the next look,
    /// which is one for all of them.
    pub(super) async fn refresh(&self) -> Result<(), Status> {
        let asked = Instant::now();
        let mut read = self.read.clone().lock_owned().await;
        if read.looked.is_some_and(|looked| looked >= asked) {
            return Ok(());
        }
        let (published, timing) = (self.published.clone(), self.timing.clone());
        let done = blocking(move || {
            let began = Instant::now();
            let written = read.follower.last()?;
            if read.last != Some(written) {
                let loaded = read.follower.load()?;
                let mut world = World::new(timing);
                world.restore(loaded.changes);
                published.replace(world);
                read.last = Some(loaded.last);
            }
            read.looked = Some(began);
            Ok(())
        });
        done.await.map_err(|error| crate::api::status::internal("what the leader has stored", &error))
    }
}
