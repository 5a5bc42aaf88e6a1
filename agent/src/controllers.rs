//! Which controller is spoken to.

use crate::url::ControllerUrl;
use hostler_proto::controller::v1::Elsewhere;
use hostler_proto::rotation::{Rotation, Turn};
use std::sync::{Arc, Mutex, PoisonError};
use tonic::Status;

/// So many are remembered; there are two or three.
const MOST: usize = 16;

/// The controllers that may lead. Clones share what is learned.
#[derive(Clone, Debug)]
pub(crate) struct Controllers(Arc<Mutex<Rotation<ControllerUrl>>>);

impl Controllers {
    /// Begins with `first`.
    pub(crate) fn new(first: ControllerUrl, others: &[ControllerUrl]) -> Self {
        Self(Arc::new(Mutex::new(Rotation::new(first, others.iter().copied().take(MOST)))))
    }

    /// The one to speak to now.
    pub(crate) fn now(&self) -> ControllerUrl {
        self.with(|rotation| *rotation.now())
    }

    /// All but that one.
    pub(crate) fn others(&self) -> Vec<ControllerUrl> {
        self.with(|rotation| rotation.others().copied().collect())
    }

    /// The leader answered, and says that there are these. What is no address is left out: names cannot be looked up.
    pub(crate) fn heard(&self, addresses: &[String]) {
        self.with(|rotation| {
            rotation.heard();
            if !addresses.is_empty() {
                rotation.learn(addresses.iter().filter_map(|address| address.parse().ok()).take(MOST));
            }
        });
    }

    /// An attempt ended with this status.
    pub(crate) fn failed(&self, status: &Status) -> Turn {
        match Elsewhere::of(status) {
            Some(leader) => self.with(|rotation| rotation.sent_on(leader.address.parse().ok())),
            None => self.lost(),
        }
    }

    /// An attempt came to nothing.
    pub(crate) fn lost(&self) -> Turn {
        self.with(Rotation::lost)
    }

    fn with<R>(&self, act: impl FnOnce(&mut Rotation<ControllerUrl>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
