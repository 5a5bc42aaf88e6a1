//! What everybody in this process knows of the leadership.

use crate::clock::moment;
use hostler_core::leadership::{Moment, Tenure};
use hostler_proto::controller::v1 as wire;
use hostler_store::{Member, Roster};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between two looks at whether machines may be acted on, if nothing is heard meanwhile.
const LOOK: Duration = Duration::from_millis(500);

/// What was not heard of for this long is away.
const AWAY_MS: u64 = 10_000;

/// The leadership as this controller knows it.
#[derive(Debug)]
pub(crate) struct Office {
    me: Member,
    known: Mutex<Known>,
    addresses: watch::Sender<Vec<String>>,
    /// Told of each renewal.
    renewals: watch::Sender<()>,
    lost: CancellationToken,
}

#[derive(Debug)]
struct Known {
    /// None for the only controller of a store: nobody can take its place.
    tenure: Option<Tenure>,
    roster: Roster,
}

impl Office {
    /// Of the only controller of a store.
    pub(crate) fn alone(me: Member) -> Self {
        Self::new(me, Known { tenure: None, roster: Roster::default() })
    }

    /// Of one that stands by, or has just won.
    pub(crate) fn shared(me: Member, tenure: Tenure, roster: Roster) -> Self {
        Self::new(me, Known { tenure: Some(tenure), roster })
    }

    fn new(me: Member, known: Known) -> Self {
        Self {
            addresses: watch::Sender::new(addresses(&me, &known.roster)),
            renewals: watch::Sender::new(()),
            known: Mutex::new(known),
            lost: CancellationToken::new(),
            me,
        }
    }

    /// The leadership was renewed by a question that was asked at this moment.
    pub(super) fn renewed(&self, asked: Moment, roster: Roster) {
        self.with(|known| {
            if let Some(tenure) = &mut known.tenure {
                tenure.renewed(asked);
            }
            known.roster = roster;
        });
        self.renewals.send_replace(());
        let addresses = self.addresses();
        self.addresses.send_if_modified(|known| std::mem::replace(known, addresses.clone()) != addresses);
    }

    /// One that stands by has seen this.
    pub(super) fn saw(&self, roster: Roster) {
        self.with(|known| known.roster = roster);
    }

    /// Somebody else leads.
    pub(super) fn is_lost(&self) {
        self.with(|known| {
            if let Some(tenure) = &mut known.tenure {
                tenure.lost();
            }
        });
        self.lost.cancel();
    }

    /// Until somebody else leads.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// True if machines may be acted on now: power, orders to agents, and what they boot.
    pub(crate) fn may_act(&self) -> bool {
        self.with(|known| known.tenure.is_none_or(|tenure| tenure.may_act(moment())))
    }

    /// Waits until machines may be acted on.
    pub(crate) async fn until_may_act(&self) {
        let mut renewals = self.renewals.subscribe();
        while !self.may_act() {
            // Whether it was renewed or not, it is looked at again.
            let _ = tokio::time::timeout(LOOK, renewals.changed()).await;
        }
    }

    /// Where clients and agents may connect: the leader first, then all others, since one that is away now may lead
    /// when they ask.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.with(|known| addresses(&self.me, &known.roster))
    }

    /// Wakes whenever there are other addresses.
    pub(crate) fn watch_addresses(&self) -> watch::Receiver<Vec<String>> {
        self.addresses.subscribe()
    }

    /// Where to ask instead of here.
    pub(crate) fn elsewhere(&self) -> wire::Elsewhere {
        self.with(|known| {
            let leader = known.roster.leading().cloned().unwrap_or_default();
            let epoch = known.roster.leader.ballot.epoch;
            // Its own row may still be of its last leadership.
            if leader.name == self.me.name {
                return wire::Elsewhere { epoch, ..wire::Elsewhere::default() };
            }
            wire::Elsewhere { address: leader.address, name: leader.name, epoch }
        })
    }

    /// True if a controller of this name is there: this one, or another that was heard of lately.
    pub(crate) fn has_heard_of(&self, name: &str) -> bool {
        let is_there = |(member, age): &(Member, u64)| member.name == name && *age < AWAY_MS;
        self.me.name == name || self.with(|known| known.roster.members.iter().any(is_there))
    }

    /// `ListControllers`. What is known is as old as the last look at the database.
    pub(crate) fn list(&self, epoch: u64) -> wire::ListControllersResponse {
        let acts = self.may_act();
        self.with(|known| {
            let answered_by = self.me.name.clone();
            if known.tenure.is_none() {
                let (name, address) = (self.me.name.clone(), self.me.address.clone());
                let only = wire::Controller { name, address, role: wire::Role::Leads.into(), seen_ms_ago: 0 };
                let controllers = vec![only];
                return wire::ListControllersResponse {
                    controllers,
                    answered_by,
                    epoch,
                    ..Default::default()
                };
            }
            let leader = &known.roster.leader;
            let leads = known.roster.leading().is_some_and(|leading| leading.name == self.me.name);
            wire::ListControllersResponse {
                controllers: known.roster.members.iter().map(|(m, age)| entry(leader, m, *age)).collect(),
                answered_by,
                epoch: leader.ballot.epoch,
                leads_since_ms: leader.since_ms,
                renewed_ms_ago: Some(leader.age_ms),
                acts: leads.then_some(acts),
            }
        })
    }

    fn with<R>(&self, act: impl FnOnce(&mut Known) -> R) -> R {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn addresses(me: &Member, roster: &Roster) -> Vec<String> {
    let leader = roster.leading().unwrap_or(me).address.clone();
    let others = roster.members.iter().map(|(member, _)| member.address.clone());
    let others: Vec<_> = others.filter(|address| *address != leader).collect();
    [vec![leader], others].concat()
}

fn entry(leader: &hostler_store::Leader, member: &Member, seen_ms_ago: u64) -> wire::Controller {
    let role = if seen_ms_ago >= AWAY_MS {
        wire::Role::Away
    } else if member.name == leader.name && !leader.resigned {
        wire::Role::Leads
    } else {
        wire::Role::StandsBy
    };
    let (name, address) = (member.name.clone(), member.address.clone());
    wire::Controller { name, address, role: role.into(), seen_ms_ago }
}
