//! What would come of a request, without making it.

use super::feasible::satisfiable;
use super::fit::Request;
use super::relax::{Relaxation, relaxations};
use super::want::Want;
use crate::lease::LeaseSpec;
use crate::node::Node;
use crate::world::World;
use std::collections::BTreeMap;

/// What would come of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Why no registered machines could ever serve it; none if some could.
    pub never: Option<String>,
    /// True if the free machines make up a group, whoever else waits for them.
    pub fits_now: bool,
    /// Why they do not, for people; empty if they do or never will.
    pub waits_for: String,
    /// Leases that are in the queue already.
    pub queued: usize,
    /// In the order of the request.
    pub roles: Vec<RolePreview>,
    /// The single changes that would help, the smallest loss first.
    pub relaxations: Vec<Relaxation>,
}

/// The machines for one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePreview {
    /// The role.
    pub role: String,
    /// Those that it would get now; empty if the group does not fit.
    pub gets: Vec<String>,
    /// Those that could serve it and are free.
    pub free: Vec<String>,
    /// Those that could serve it later, with what they do now.
    pub busy: Vec<(String, &'static str)>,
}

/// What would come of the request `spec` at this moment.
#[must_use]
pub fn preview(world: &World, spec: &LeaseSpec) -> Preview {
    let request = Request::new(world, spec);
    let free = world.in_order_of_choice(Node::is_free);
    let group = request.search(&free);
    let never = satisfiable(world, spec).err();
    let fits_now = matches!(group, Ok(Some(_)));
    let gave_up = group.as_ref().err().map(ToString::to_string);
    let group = group.ok().flatten().unwrap_or_default();
    let names = |member: usize| {
        let mine = group.iter().filter(move |assigned| assigned.member == member);
        mine.filter_map(|assigned| Some(world.nodes.get(assigned.node)?.spec.name.clone())).collect()
    };
    let roles: Vec<_> = request.members().iter().enumerate().map(|(i, w)| role(world, w, names(i))).collect();
    let waits_for = match (&never, fits_now) {
        (None, false) => gave_up.unwrap_or_else(|| waits_for(&request, &roles)),
        _ => String::new(),
    };
    let queued = world.index().queue().count();
    let relaxations = if fits_now { Vec::new() } else { relaxations(world, spec, &free, never.is_some()) };
    Preview { never, fits_now, waits_for, queued, roles, relaxations }
}

fn role(world: &World, want: &Want<'_>, gets: Vec<String>) -> RolePreview {
    let usable = world.in_order_of_choice(|node| node.in_service() && want.image_on(node).is_some());
    let (free, busy): (Vec<_>, Vec<_>) = usable.into_iter().partition(|node| node.is_free());
    let name = |node: &Node| node.spec.name.clone();
    RolePreview {
        role: want.member.role.clone(),
        gets,
        free: free.into_iter().map(name).collect(),
        busy: busy.into_iter().map(|node| (name(node), occupation(node))).collect(),
    }
}

fn waits_for(request: &Request<'_>, roles: &[RolePreview]) -> String {
    let shortage = |(want, role): (&Want<'_>, &RolePreview)| {
        let (wanted, free) = (want.member.count as usize, role.free.len());
        let mut busy = BTreeMap::<_, usize>::new();
        role.busy.iter().for_each(|(_, word)| *busy.entry(word).or_default() += 1);
        let busy: String = busy.iter().map(|(word, machines)| format!(", {machines} {word}")).collect();
        let machines = if wanted == 1 { "machine" } else { "machines" };
        (free < wanted).then(|| format!("{wanted} {machines} for role {:?}: {free} free{busy}", role.role))
    };
    let shortages: Vec<_> = request.members().iter().zip(roles).filter_map(shortage).collect();
    if !shortages.is_empty() {
        shortages.join("; ")
    } else if request.groupings().is_empty() {
        "its roles compete for the same free machines".into()
    } else {
        let asked: Vec<_> = request.groupings().iter().map(ToString::to_string).collect();
        format!("free machines that together are as asked: {}", asked.join(", "))
    }
}

fn occupation(node: &Node) -> &'static str {
    if node.holds.is_empty() { node.state.name().as_str() } else { "held" }
}
