//! When and how long to try again.

use crate::error::Error;
use crate::route::Route;
use crate::status::{self, Answer};
use crate::ui::Ui;
use hostler_proto::rotation::Turn;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Growing pauses, a little different for everybody, so that a hundred jobs do not come back in the same moment.
#[derive(Debug)]
struct Backoff {
    next: Duration,
}

impl Backoff {
    const fn new() -> Self {
        Self { next: SHORTEST }
    }

    /// The next pause; `random` decides where between a half and the whole of it.
    fn pause(&mut self, random: u16) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        whole / 2 + whole / 2 * u32::from(random) / u32::from(u16::MAX)
    }
}

/// How long the controller may be away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// As long as nothing was ever heard from it: the address may be wrong.
    pub(crate) first: Duration,
    /// After that; `None` for as long as it takes.
    pub(crate) later: Option<Duration>,
}

/// One thing that is tried until it succeeds, fails for good, or the controller was away for too long.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    ui: &'a Ui,
    route: &'a Route,
    action: String,
    bounds: Bounds,
    backoff: Backoff,
    away_since: Option<Instant>,
}

impl<'a> Attempts<'a> {
    /// `action` completes "could not …".
    pub(crate) fn new(ui: &'a Ui, route: &'a Route, action: String, bounds: Bounds) -> Self {
        Self { ui, route, action, bounds, backoff: Backoff::new(), away_since: None }
    }

    /// Something was heard from the controller.
    pub(crate) fn succeeded(&mut self) {
        self.route.heard();
        if self.away_since.take().is_some() {
            self.ui.notice("connected to the controller again");
        }
        self.backoff = Backoff::new();
    }

    /// An attempt ended with `status`. Returns after a pause if there shall be another one.
    ///
    /// # Errors
    /// [`Error::Answer`] if the answer is final, [`Error::Unreachable`] after the bound.
    pub(crate) async fn failed(&mut self, status: Status) -> Result<(), Error> {
        if !status::is_transient(&status) {
            return Err(Error::Answer { action: self.action.clone(), source: status.into() });
        }
        let (asked, turn) = (self.route.address(), self.route.turn(&status));
        if turn == Turn::AtOnce {
            return Ok(());
        }
        if self.away_since.is_none() {
            self.ui.warning(&format!("{}; trying again", what_happened(&asked, &status)));
        }
        let since = *self.away_since.get_or_insert_with(Instant::now);
        let random = Uuid::new_v4().as_u128().to_le_bytes();
        let pause = self.backoff.pause(u16::from_le_bytes([random[0], random[1]]));
        let bound = if self.route.was_heard() { self.bounds.later } else { Some(self.bounds.first) };
        if bound.is_some_and(|bound| since.elapsed() + pause > bound) {
            return Err(Error::Unreachable {
                action: self.action.clone(),
                address: asked,
                tried: since.elapsed(),
                source: status.into(),
            });
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

fn what_happened(address: &str, status: &Status) -> String {
    let why = Answer::from(status.clone());
    if status::is_local(status) {
        format!("no connection to the controller at {address} ({why})")
    } else {
        format!("the controller at {address} is not ready ({why})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..8).map(|_| backoff.pause(u16::MAX).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    proptest! {
        #[test]
        fn a_pause_is_between_a_half_and_the_whole(steps in 0usize..20, random: u16) {
            let mut backoff = Backoff::new();
            for _ in 0..steps {
                backoff.pause(0);
            }
            let whole = backoff.next;
            let pause = backoff.pause(random);
            prop_assert!(whole / 2 <= pause && pause <= whole);
        }
    }
}
