//! Waits for the leadership.

use super::{Keeper, Office};
use crate::chain;
use crate::clock::moment;
use anyhow::bail;
use hostler_core::leadership::{Asked, Ballot, Predecessor, Tenure, Vigil};
use hostler_store::{Leader, Leadership, Member, PostgresUrl, Roster};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two words of one that stands by.
const WORD: Duration = Duration::from_secs(1);

/// Whoever was heard of within this time is there.
const THERE_MS: u64 = 5_000;

/// One that stands by.
pub(crate) struct Candidate {
    url: PostgresUrl,
    rows: Leadership,
    me: Member,
    vigil: Vigil,
    spoke: Option<Instant>,
    /// What was seen before this one said that it is there.
    first: Option<First>,
}

/// The first look.
struct First {
    /// The leadership that our own last process had, which has ended, since this one has its lock.
    own_epoch: Option<u64>,
}

/// The leadership was taken over.
pub(crate) struct Won {
    /// Of this leadership.
    pub(crate) epoch: u64,
    pub(crate) office: Arc<Office>,
    /// Keeps the leadership until it is dropped.
    pub(crate) keeper: Keeper,
}

impl Candidate {
    /// Looks at nothing yet.
    pub(crate) fn new(url: &PostgresUrl, me: Member) -> Self {
        let rows = Leadership::new(url);
        Self { url: url.clone(), rows, me, vigil: Vigil::default(), spoke: None, first: None }
    }

    /// Looks once, and takes the leadership if it is time to. Else what was seen is for `office`.
    ///
    /// # Errors
    /// If the database cannot be asked, or at the first look another controller does not go with this one.
    pub(crate) fn look(&mut self, office: &Office) -> anyhow::Result<Option<Won>> {
        let at = moment();
        let roster = self.ask().inspect_err(|_| self.vigil.is_blind())?;
        let asked = Asked { at, answered: moment() };
        let ballot = roster.leader.ballot;
        let before = |first: &First| first.predecessor(&roster.leader);
        let predecessor = self.first.as_ref().map_or(Predecessor::Unknown, before);
        if !self.vigil.saw(asked, ballot, predecessor) {
            office.saw(roster);
            return Ok(None);
        }
        let at = moment();
        let taken = self.rows.take(&self.me, ballot)?;
        let asked = Asked { at, answered: moment() };
        taken.map(|epoch| self.won(epoch, asked, predecessor, roster)).transpose()
    }

    /// Says goodbye.
    pub(crate) fn leave(mut self) {
        if let Err(error) = self.rows.resign(&self.me, None) {
            tracing::debug!("nobody was told that this controller ends: {}", chain(&error));
        }
    }

    fn ask(&mut self) -> anyhow::Result<Roster> {
        if self.first.is_some() && self.spoke.is_some_and(|spoke| spoke.elapsed() < WORD) {
            return Ok(self.rows.look()?);
        }
        if self.first.is_none() {
            self.first = Some(First::of(&self.me, &self.rows.look()?)?);
        }
        let roster = self.rows.stand_by(&self.me)?;
        self.spoke = Some(Instant::now());
        Ok(roster)
    }

    fn won(
        &self,
        epoch: u64,
        asked: Asked,
        predecessor: Predecessor,
        mut roster: Roster,
    ) -> anyhow::Result<Won> {
        tracing::info!(epoch, ?predecessor, before = roster.leader.name, "this controller leads");
        let ballot = Ballot { epoch, renewals: 0 };
        // Until the first renewal tells the rest.
        roster.leader = Leader { ballot, name: self.me.name.clone(), ..Leader::default() };
        let office = Arc::new(Office::shared(self.me.clone(), Tenure::won(asked, predecessor), roster));
        let rows = Leadership::new(&self.url);
        let keeper = Keeper::start(rows, self.me.clone(), epoch, office.clone())?;
        Ok(Won { epoch, office, keeper })
    }
}

impl First {
    /// # Errors
    /// If another controller does not go with this one.
    fn of(me: &Member, roster: &Roster) -> anyhow::Result<Self> {
        check(me, roster)?;
        // This one has not said anything yet: the place is that of the process which led.
        let led = roster.leading().is_some_and(|leader| leader.name == me.name && leader.place == me.place);
        Ok(Self { own_epoch: led.then_some(roster.leader.ballot.epoch) })
    }

    /// A leadership of this name that was not there at the first look was taken by this process, by a question whose answer
    /// was lost: nothing is known of the leader before it.
    fn predecessor(&self, leader: &Leader) -> Predecessor {
        let ours = self.own_epoch == Some(leader.ballot.epoch);
        if leader.resigned || ours { Predecessor::Gone } else { Predecessor::Unknown }
    }
}

/// Refuses to stand by for controllers that this one could not take over from.
fn check(me: &Member, roster: &Roster) -> anyhow::Result<()> {
    for (other, age) in &roster.members {
        if *age > THERE_MS || other.place == me.place {
            continue;
        }
        if other.name == me.name {
            bail!(
                "another controller is called {}: give this one a name of its own, `name` in [api]",
                me.name
            );
        }
        if other.keys != me.keys {
            bail!(
                "this controller has other keys than {}: give it those of that one: `hostlerd join` (docs/controllers.md)",
                other.name
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, place: &str, keys: &str) -> Member {
        let text = str::to_owned;
        Member { name: text(name), address: text("https://a:1"), place: text(place), keys: text(keys) }
    }

    /// What was there before this process said anything is its own past; what it may have taken since is not.
    #[test]
    fn who_led_before() {
        let me = member("a", "here", "k");
        let leader = |epoch: u64| {
            let ballot = Ballot { epoch, renewals: 3 };
            Leader { ballot, name: "a".to_owned(), ..Leader::default() }
        };
        let roster = |place: &str, epoch: u64| {
            let members = vec![(member("a", place, "k"), 9_000)];
            Roster { leader: leader(epoch), members }
        };
        for (first, now, expected) in [
            (roster("here", 4), leader(4), Predecessor::Gone),
            (roster("there", 4), leader(4), Predecessor::Unknown),
            (roster("here", 4), leader(5), Predecessor::Unknown),
        ] {
            let first = First::of(&me, &first).expect("nobody is in its way");
            assert_eq!(first.predecessor(&now), expected, "{now:?}");
            assert_eq!(first.predecessor(&Leader { resigned: true, ..now }), Predecessor::Gone);
        }
    }

    #[test]
    fn whom_one_may_stand_by_for() {
        let me = member("a", "here", "k");
        let cases = [
            ("nobody", vec![], Ok(())),
            ("its own last process", vec![(member("a", "here", "old"), 0)], Ok(())),
            ("another with the same keys", vec![(member("b", "there", "k"), 0)], Ok(())),
            (
                "a name that is taken",
                vec![(member("a", "there", "k"), 0)],
                Err("another controller is called a"),
            ),
            ("a name that was taken", vec![(member("a", "there", "k"), 9_000)], Ok(())),
            ("other keys", vec![(member("b", "there", "x"), 0)], Err("other keys than b")),
        ];
        for (case, members, expected) in cases {
            let roster = Roster { members, ..Roster::default() };
            match (check(&me, &roster), expected) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{case}: {error}"),
                (found, _) => panic!("{case}: {found:?}"),
            }
        }
    }
}
