//! When one that stands by takes over, and until when a leader may act on machines.

use hostler_core::leadership::{Asked, Ballot, LEASE, MARGIN, Moment, Predecessor, RENEWAL, Tenure, Vigil};
use proptest::prelude::*;
use std::time::Duration;

const fn ms(ms: u64) -> Moment {
    Duration::from_millis(ms)
}

const fn at_once(at: u64) -> Asked {
    Asked { at: ms(at), answered: ms(at) }
}

const fn ballot(epoch: u64, renewals: u64) -> Ballot {
    Ballot { epoch, renewals }
}

/// One look of somebody who stands by.
enum Look {
    /// Asked and answered at these moments, and the row was this one.
    Saw(u64, u64, Ballot),
    /// The leader gave up.
    SawGone(u64),
    /// No answer.
    Blind,
}

#[test]
fn a_leader_is_replaced_when_its_row_did_not_change_for_a_lease() {
    use Look::{Blind, Saw, SawGone};
    let (one, renewed, other) = (ballot(1, 7), ballot(1, 8), ballot(2, 0));
    let cases: [(&str, Vec<Look>, bool); 8] = [
        ("the first look tells nothing", vec![Saw(0, 0, one)], false),
        ("unchanged for a lease", vec![Saw(0, 0, one), Saw(4_000, 4_000, one)], true),
        ("a little less", vec![Saw(0, 0, one), Saw(3_999, 9_000, one)], false),
        ("a slow first answer may be new", vec![Saw(0, 3_000, one), Saw(6_999, 6_999, one)], false),
        (
            "renewed meanwhile",
            vec![Saw(0, 0, one), Saw(3_000, 3_000, renewed), Saw(6_900, 6_900, renewed)],
            false,
        ),
        (
            "another leads now",
            vec![Saw(0, 0, one), Saw(3_000, 3_000, other), Saw(4_000, 4_000, other)],
            false,
        ),
        (
            "nobody knows what was while it was blind",
            vec![Saw(0, 0, one), Blind, Saw(9_000, 9_000, one)],
            false,
        ),
        ("one that gave up is replaced at once", vec![SawGone(0)], true),
    ];
    for (case, looks, expected) in cases {
        let mut vigil = Vigil::default();
        let mut verdict = false;
        for look in looks {
            match look {
                Saw(at, answered, row) => {
                    let asked = Asked { at: ms(at), answered: ms(answered) };
                    verdict = vigil.saw(asked, row, Predecessor::Unknown);
                }
                SawGone(at) => verdict = vigil.saw(at_once(at), one, Predecessor::Gone),
                Blind => vigil.is_blind(),
            }
        }
        assert_eq!(verdict, expected, "{case}");
    }
}

#[test]
fn a_leader_acts_for_a_lease_from_before_it_asked() {
    let slow = Asked { at: ms(1_000), answered: ms(3_000) };
    let mut tenure = Tenure::won(slow, Predecessor::Gone);
    for (now, expected) in [(2_999, false), (3_000, true), (4_999, true), (5_000, false)] {
        assert_eq!(tenure.may_act(ms(now)), expected, "{now}");
    }
    tenure.renewed(ms(4_500));
    assert!(tenure.may_act(ms(8_499)) && !tenure.may_act(ms(8_500)));
    tenure.renewed(ms(2_000));
    assert!(tenure.may_act(ms(8_499)), "an answer that comes late takes nothing away");
    tenure.lost();
    assert!(!tenure.may_act(ms(5_000)));
}

#[test]
fn a_successor_waits_for_what_the_old_leader_may_still_do() {
    let mut tenure = Tenure::won(at_once(1_000), Predecessor::Unknown);
    tenure.renewed(ms(5_000));
    let first = ms(1_000) + LEASE + MARGIN;
    assert_eq!(tenure.from(), first);
    assert!(!tenure.may_act(first - ms(1)) && tenure.may_act(first));
}

/// What happens next in a history of controllers: which one, how long nothing happened before, how long its question
/// and the answer take, and whether the database hears it.
#[derive(Clone, Debug)]
struct Turn {
    who: usize,
    pause: u64,
    there: u64,
    back: u64,
    cut: bool,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = (
        0..3_usize,
        prop_oneof![9 => 0..400_u64, 1 => 0..9_000_u64],
        0..900_u64,
        0..900_u64,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(who, pause, there, back, cut)| Turn { who, pause, there, back, cut });
    prop::collection::vec(turn, 1..200)
}

#[derive(Clone, Copy, Debug)]
enum Role {
    StandsBy(Vigil),
    Leads(u64, Tenure),
}

/// The database and three controllers, each of which asks again when its last question was answered.
struct Group {
    now: Moment,
    row: Ballot,
    roles: [Role; 3],
    free_from: [Moment; 3],
    changes: usize,
}

impl Group {
    fn new() -> Self {
        let roles = [Role::StandsBy(Vigil::default()); 3];
        Self { now: ms(1), row: ballot(0, 0), roles, free_from: [ms(0); 3], changes: 0 }
    }

    /// One controller asks. The database is asked `there` later and answers at once; others go on meanwhile only in
    /// between turns, which is where their questions may overtake the answer.
    fn turn(&mut self, turn: &Turn) {
        self.now += ms(turn.pause);
        let at = self.now.max(self.free_from[turn.who]);
        let asked = Asked { at, answered: at + ms(turn.there + turn.back) };
        self.now = at + ms(turn.there);
        self.free_from[turn.who] = asked.answered;
        if turn.cut {
            if let Role::StandsBy(vigil) = &mut self.roles[turn.who] {
                vigil.is_blind();
            }
            return;
        }
        match self.roles[turn.who] {
            Role::Leads(epoch, mut tenure) if epoch == self.row.epoch => {
                self.row.renewals += 1;
                tenure.renewed(asked.at);
                self.roles[turn.who] = Role::Leads(epoch, tenure);
            }
            Role::Leads(..) => self.roles[turn.who] = Role::StandsBy(Vigil::default()),
            Role::StandsBy(mut vigil) => {
                let take = vigil.saw(asked, self.row, Predecessor::Unknown);
                self.roles[turn.who] = if take { self.take(asked) } else { Role::StandsBy(vigil) };
            }
        }
    }

    fn take(&mut self, asked: Asked) -> Role {
        self.row = ballot(self.row.epoch + 1, 0);
        self.changes += 1;
        Role::Leads(self.row.epoch, Tenure::won(asked, Predecessor::Unknown))
    }

    /// From now until all leases are over, whoever acts acts alone.
    fn check(&self) {
        let mut moment = self.now;
        while moment < self.now + LEASE * 4 {
            let acts = |role: &&Role| matches!(role, Role::Leads(_, tenure) if tenure.may_act(moment));
            let acting: Vec<_> = self.roles.iter().filter(acts).collect();
            assert!(acting.len() <= 1, "two act on machines at {moment:?}: {acting:?}");
            moment += ms(50);
        }
    }
}

proptest! {
    #[test]
    fn never_do_two_controllers_act_on_machines(turns in turns()) {
        let mut group = Group::new();
        for turn in &turns {
            group.turn(turn);
            group.check();
        }
    }
}

#[test]
fn the_history_of_a_leader_that_is_killed_is_short() {
    let mut group = Group::new();
    let quick = |who, pause| Turn { who, pause, there: 1, back: 1, cut: false };
    while group.changes == 0 {
        group.turn(&quick(0, 250));
    }
    group.turn(&quick(1, 0));
    let killed = group.now;
    while group.changes == 1 {
        group.turn(&quick(1, 250));
    }
    assert!(group.now - killed <= LEASE + RENEWAL, "{:?}", group.now - killed);
}
