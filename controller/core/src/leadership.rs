//! Who leads, where several controllers share one database: when one that stands by may take over, and until when one
//! that leads may act.
//!
//! The leader renews a row of the database. Nobody compares clocks: whoever stands by takes over when it has seen that
//! row unchanged for [`LEASE`], by its own clock. The leader counts from before it asked for a renewal, so its right to
//! act on machines ends before any other can have seen the row unchanged for so long; a successor waits that long once
//! more, since the old leader may have got its last renewal just before it was replaced.
//!
//! Neither is needed to keep the state whole: the database refuses what an older epoch writes. They keep two
//! controllers from commanding one machine, which no database can refuse.

use std::time::Duration;

/// For how long a renewal lets a leader act on machines, from before it was asked for.
pub const LEASE: Duration = Duration::from_secs(4);

/// What a successor waits in addition, for clocks that do not run alike and for packets that are on their way.
pub const MARGIN: Duration = Duration::from_millis(500);

/// Between two renewals.
pub const RENEWAL: Duration = Duration::from_secs(1);

/// A moment of a clock that never goes back and goes on while the computer sleeps, from a beginning of its own.
pub type Moment = Duration;

/// What tells one state of the leadership row from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ballot {
    /// Of the leader; the one that its transactions carry.
    pub epoch: u64,
    /// How often it was renewed.
    pub renewals: u64,
}

/// A question to the database: when it was asked, and when the answer was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is in the answer was so not before this moment.
    pub at: Moment,
    /// Nor after this one.
    pub answered: Moment,
}

/// What is known of whoever led before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predecessor {
    /// It gave its leadership up, or its process is known to have ended: it does nothing more.
    Gone,
    /// Nothing: it may only be out of reach.
    Unknown,
}

/// The watch that is kept by one that stands by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vigil {
    unchanged: Option<(Ballot, Moment)>,
}

impl Vigil {
    /// The row was read. True if it is time to take over; that still needs the row to be the same in the database.
    pub fn saw(&mut self, asked: Asked, ballot: Ballot, leader: Predecessor) -> bool {
        if leader == Predecessor::Gone {
            return true;
        }
        match self.unchanged {
            Some((known, since)) if known == ballot => asked.at.saturating_sub(since) >= LEASE,
            _ => {
                self.unchanged = Some((ballot, asked.answered));
                false
            }
        }
    }

    /// The database did not answer. The leader may have been unable to reach it as well, and gets its time anew.
    pub const fn is_blind(&mut self) {
        self.unchanged = None;
    }
}

/// The right of a leader to act on machines. By default there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tenure {
    from: Moment,
    until: Moment,
}

impl Tenure {
    /// The leadership was taken over by what was `asked`.
    #[must_use]
    pub fn won(asked: Asked, predecessor: Predecessor) -> Self {
        let wait = match predecessor {
            Predecessor::Gone => Duration::ZERO,
            Predecessor::Unknown => LEASE + MARGIN,
        };
        Self { from: asked.answered + wait, until: asked.at + LEASE }
    }

    /// A renewal that was asked for at this moment was answered.
    pub fn renewed(&mut self, asked: Moment) {
        self.until = self.until.max(asked + LEASE);
    }

    /// Somebody else leads.
    pub const fn lost(&mut self) {
        self.until = Moment::ZERO;
    }

    /// True if machines may be acted on now.
    #[must_use]
    pub fn may_act(&self, now: Moment) -> bool {
        self.from <= now && now < self.until
    }

    /// From when on, if it is renewed until then.
    #[must_use]
    pub const fn from(&self) -> Moment {
        self.from
    }
}
