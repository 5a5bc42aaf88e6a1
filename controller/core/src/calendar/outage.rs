//! A drain with times.

use super::FARTHEST_MS;
use super::window::Window;
use crate::node::{HoldKind, Node};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// When a drain begins and ends. With none of them it begins now, ends when somebody says so, and leaves leases alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Until then leases may have the machine that give it back by then.
    pub from: Option<Timestamp>,
    /// By then it is nobody's any more: leases that would last longer end.
    pub deadline: Option<Timestamp>,
    /// Then it is over.
    pub back_at: Option<Timestamp>,
}

/// A drain with times, announced or in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Who wants it.
    pub author: String,
    /// Why, for people.
    pub reason: String,
    /// When it begins.
    pub from: Timestamp,
    /// See [`Times::deadline`].
    pub deadline: Option<Timestamp>,
    /// See [`Times::back_at`].
    pub back_at: Option<Timestamp>,
}

impl Times {
    /// True if nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// # Errors
    /// If they are not one after the other, over, or more than a year ahead.
    pub fn check(&self, now: Timestamp) -> Result<(), String> {
        let begins = self.from.unwrap_or(now);
        let later = |name: &str, at: Option<Timestamp>, than: Timestamp, words: &str| match at {
            Some(at) if at < than => Err(format!("{name}: {} is before {words}", at.utc())),
            Some(at) if at.0 > now.0.saturating_add(FARTHEST_MS) => {
                Err(format!("{name}: at most a year ahead"))
            }
            _ => Ok(()),
        };
        later("from", self.from, now, "now: leave it out to begin at once")?;
        later("deadline", self.deadline, begins, "the drain begins")?;
        later("back_at", self.back_at, begins, "the drain begins")?;
        match self.back_at {
            Some(back) if back <= begins.max(self.deadline.unwrap_or(begins)) => {
                Err(format!("back_at: {} is not after it begins and is empty", back.utc()))
            }
            _ => Ok(()),
        }
    }
}

impl Outage {
    /// When time alone brings something about: it begins, or is over.
    #[must_use]
    pub fn due(&self, in_force: bool) -> Option<Timestamp> {
        if in_force { self.back_at } else { Some(self.from) }
    }

    /// In which nobody is given the machine.
    #[must_use]
    pub fn window(&self) -> Window {
        Window::closed(self.from, self.back_at)
    }

    /// When a machine is not held any more, if a drain is all that holds it and ends by itself.
    #[must_use]
    pub(crate) fn end(node: &Node) -> Option<Timestamp> {
        let drained_only = node.holds.keys().all(|kind| *kind == HoldKind::Drain);
        node.outage.as_ref()?.back_at.filter(|_| drained_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_one_after_the_other() {
        let at = |hour: u64| Some(Timestamp(hour * 3_600_000));
        let times = |from, deadline, back_at| Times { from, deadline, back_at };
        let now = Timestamp(10 * 3_600_000);
        for (times, wrong) in [
            (times(None, None, None), None),
            (times(at(11), at(12), at(13)), None),
            (times(None, at(10), at(11)), None),
            (times(at(9), None, None), Some("from")),
            (times(at(12), at(11), None), Some("deadline")),
            (times(None, at(9), None), Some("deadline")),
            (times(at(12), None, at(12)), Some("back_at")),
            (times(at(11), at(13), at(12)), Some("back_at")),
            (times(at(9_000), None, None), Some("from")),
            (times(None, at(9_000), None), Some("deadline")),
            (times(None, None, at(9_000)), Some("back_at")),
        ] {
            let found = times.check(now).err();
            assert_eq!(found.as_deref().and_then(|e| e.split(':').next()), wrong, "{times:?}: {found:?}");
        }
    }
}
