//! Machines that leave a group that is active, and what takes their places.

use super::Result;
use crate::course::{Departure, Notice, Replacement};
use crate::event::Severity;
use crate::ids::{LeaseId, NodeId};
use crate::input::{Refusal, Reply};
use crate::lease::{Assigned, Lease, LeaseState};
use crate::node::NodeState;
use crate::order;
use crate::record::Failure;
use crate::schedule::{self, Decision};
use crate::world::World;

/// Machines that one lease may give back; more are a loop that went wrong.
const MAX_REPLACEMENTS: usize = 64;

/// Bytes of what may be said about a machine.
const MAX_WHY: usize = 256;

/// What was decided: which machine comes, and whose plans change with it; or why none does.
type Found = std::result::Result<(Assigned, Vec<Decision>), String>;

impl World {
    pub(super) fn on_replace(
        &mut self,
        id: LeaseId,
        key: String,
        name: &str,
        why: &str,
        author: &str,
    ) -> Result {
        let missing = || Refusal::NotFound(format!("there is no lease {id}"));
        let lease = self.leases.get(id).ok_or_else(missing)?;
        if let Some(known) = lease.course.replacements.iter().find(|r| r.key == key) {
            return if (known.name.as_str(), known.why.as_str()) == (name, why) {
                Ok(Reply::Replaced(known.substitute))
            } else {
                let text = format!("the idempotency key {key:?} was used for another replacement");
                Err(Refusal::Conflict(text))
            };
        }
        check(&key, why)?;
        if let Some(why) = why_no_other(lease) {
            return Err(Refusal::Conflict(why));
        }
        let had = self.place_of(lease, name)?;
        let (substitute, plans) = self.find_replacement(id, &had).map_err(|none| {
            let next = format!("ask again later, or give the lease back with `hostler lease release {id}`");
            Refusal::Conflict(format!("{none}. Nothing has changed: {next}"))
        })?;
        if self.leases.get(id).is_some_and(|lease| lease.group().contains(&had)) {
            self.give_back(id, &had, why, author);
        }
        let (name, why) = (name.to_owned(), why.to_owned());
        let answer = Replacement { key, name, broken: had.node, why, substitute: substitute.node };
        let reply = Reply::Replaced(substitute.node);
        self.change_lease(id, |l| l.course.replacements.push(answer));
        self.take_place(id, &had, substitute, plans);
        Ok(reply)
    }

    /// The place that a machine of the group has, or had if nothing came after it.
    fn place_of(&self, lease: &Lease, name: &str) -> std::result::Result<Assigned, Refusal> {
        let node = |id| self.nodes.get(id);
        let is_named = |a: &&Assigned| node(a.node).is_some_and(|n| n.spec.name == name);
        if let Some(had) = lease.group().iter().find(is_named) {
            return match node(had.node).map(|n| &n.state) {
                Some(NodeState::Leased { .. }) => Ok(had.clone()),
                _ => Err(Refusal::Conflict(format!(
                    "{name} is being deployed: if that fails, another takes its place by itself"
                ))),
            };
        }
        let mut empty = lease.course.empty_places().map(|left| &left.had);
        empty.find(is_named).cloned().ok_or_else(|| {
            let has: Vec<_> = lease.group().iter().map(|a| a.node).collect();
            let text = format!("lease {} has no machine {name:?}; it has {}", lease.id, self.names(has));
            Refusal::NotFound(text)
        })
    }

    fn find_replacement(&mut self, id: LeaseId, had: &Assigned) -> Found {
        let now = self.meta.now;
        self.ask_scheduler(|scene, world| match world.leases.get(id) {
            Some(lease) => schedule::replacement(scene, world, lease, had, now),
            None => Err(format!("there is no lease {id}")),
        })
    }

    /// A machine is said to be broken. That is a tenant's word, who is root there: it does not count against the machine,
    /// which proves itself before anybody gets it.
    fn give_back(&mut self, id: LeaseId, had: &Assigned, why: &str, author: &str) {
        let (at, image) = (self.meta.now, order::image_of(self, had.node).map(|image| image.id));
        let because = if why.is_empty() { String::new() } else { format!(": {why}") };
        let evidence = format!("given back as broken by {author} from lease {id}{because}");
        self.lose_all_tasks_of(had.node, &format!("the machine was given back as broken{because}"));
        let Some(node) = self.nodes.get_mut(had.node) else { return };
        let name = node.spec.name.clone();
        let failure = Failure { at, step: "use".into(), evidence: evidence.clone(), image, counts: false };
        node.record.note(failure);
        node.record.due = true;
        self.clean(had.node, id, None);
        self.machine_given_back(id, had.node);
        self.depart(id, had, evidence.clone());
        let about = (had.node, Some(id));
        self.tell(Severity::Warning, "member-given-back", about, format!("{name}: {evidence}"));
    }

    /// The place of a machine in the group is empty from now on.
    fn depart(&mut self, id: LeaseId, had: &Assigned, why: String) {
        let until = self.meta.now;
        self.return_time(id);
        self.change_lease(id, |l| {
            let came = l.course.taken_over(had.node).and_then(|left| left.successor).map(|(_, at)| at);
            let since = came.or(l.course.assigned).unwrap_or(l.requested);
            l.course.departures.push(Departure { had: had.clone(), since, until, why, successor: None });
            if let LeaseState::Active { group, .. } = &mut l.state {
                group.retain(|a| a.node != had.node);
            }
        });
        self.grant_time(id);
    }

    /// A machine takes an empty place.
    fn take_place(&mut self, id: LeaseId, had: &Assigned, substitute: Assigned, plans: Vec<Decision>) {
        let (node, now) = (substitute.node, self.meta.now);
        self.return_time(id);
        self.change_lease(id, |l| {
            let of_this = |left: &&mut Departure| left.had == *had && left.successor.is_none();
            if let Some(left) = l.course.departures.iter_mut().find(of_this) {
                left.successor = Some((node, now));
            }
            if let LeaseState::Active { group, .. } = &mut l.state {
                group.push(substitute.clone());
                group.sort_by_key(|a| (a.member, a.node));
            }
        });
        self.grant_time(id);
        self.deploy(&substitute, id);
        self.carry_out(plans);
        let message = format!("{} takes the place of {}", self.names([node]), self.names([had.node]));
        self.tell(Severity::Warning, "member-replaced", (node, Some(id)), message);
        self.reschedule = true;
    }

    /// What was to take a place failed: the next machine is tried. If there is none, the lease goes on without.
    pub(super) fn lost_substitute(&mut self, id: LeaseId, had: &Assigned, evidence: &str) {
        let found = match self.leases.get(id).map(why_no_other) {
            Some(None) => self.find_replacement(id, had),
            Some(Some(why)) => Err(why),
            None => return,
        };
        self.depart(id, had, format!("its deployment failed: {evidence}"));
        match found {
            Ok((substitute, plans)) => self.take_place(id, had, substitute, plans),
            Err(none) => {
                let name = self.names([had.node]);
                let message = format!("lease {id} goes on without {name}, which failed ({evidence}): {none}");
                self.tell(Severity::Warning, "member-missing", (had.node, Some(id)), message);
                self.reschedule = true;
            }
        }
    }

    /// A machine has come in the place of another.
    pub(super) fn substitute_is_up(&mut self, id: LeaseId, node: NodeId) {
        let message = format!("{} is there: lease {id} can use it", self.names([node]));
        self.tell(Severity::Info, "member-up", (node, Some(id)), message);
    }
}

fn check(key: &str, why: &str) -> std::result::Result<(), Refusal> {
    super::check::key(key)?;
    if why.len() > MAX_WHY {
        return Err(Refusal::Invalid(format!("reason: at most {MAX_WHY} bytes")));
    }
    Ok(())
}

/// Why a lease gets no other machine, for people: only one that goes on needs one.
fn why_no_other(lease: &Lease) -> Option<String> {
    let id = lease.id;
    match (&lease.state, &lease.course) {
        (LeaseState::Queued { .. }, _) => Some(format!("lease {id} has no machines yet")),
        (LeaseState::Deploying { .. }, _) => Some(format!(
            "lease {id} is not active yet: until then, machines that fail are replaced by themselves"
        )),
        (LeaseState::Closing { ended, .. } | LeaseState::Closed { ended, .. }, _) => {
            Some(format!("lease {id} has ended ({}): ask for another one", ended.detail))
        }
        (LeaseState::Active { .. }, course) if course.hold.is_some() => {
            Some(format!("lease {id} is held: its machines are left as they are"))
        }
        (LeaseState::Active { .. }, course) if course.replacements.len() >= MAX_REPLACEMENTS => Some(
            format!("lease {id} has given {MAX_REPLACEMENTS} machines back already: ask for another one"),
        ),
        (LeaseState::Active { .. }, course) => {
            let gives_way = |notice: Notice| {
                format!("lease {id} gives way to lease {} at {}", notice.to, notice.at.utc())
            };
            course.notice.map(gives_way)
        }
    }
}
