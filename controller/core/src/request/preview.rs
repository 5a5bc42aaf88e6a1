//! What would come of a request, without making it.

use super::feasible::satisfiable;
use super::fit::Request;
use super::relax::{Relaxation, relaxations};
use super::want::Want;
use crate::calendar::Stay;
use crate::ids::TenantId;
use crate::lease::LeaseSpec;
use crate::node::Node;
use crate::schedule::Outlook;
use crate::tenancy::{self, Demand};
use crate::time::Timestamp;
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
    /// When it would probably start; none if that cannot be said.
    pub start: Option<Timestamp>,
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
    pub busy: Vec<(String, String)>,
}

/// What would come of the request `spec` at this moment, if it were the tenant's.
#[must_use]
pub fn preview(world: &World, tenant: Option<TenantId>, spec: &LeaseSpec) -> Preview {
    let request = Request::new(world, spec);
    let stay = stay(world, tenant, spec);
    let free = world.in_order_of_choice(|node| stay.finds_free(node));
    let group = request.search(&free);
    let never = satisfiable(world, spec).err();
    let fits = matches!(group, Ok(Some(_)));
    let gave_up = group.as_ref().err().map(ToString::to_string);
    let group = group.ok().flatten().unwrap_or_default();
    let names = |member: usize| {
        let mine = group.iter().filter(move |assigned| assigned.member == member);
        mine.filter_map(|assigned| Some(world.nodes.get(assigned.node)?.spec.name.clone())).collect()
    };
    let roles: Vec<_> =
        request.members().iter().enumerate().map(|(i, w)| role(world, &stay, w, names(i))).collect();
    let queued = world.index().queue().count();
    let mut outlook = Outlook::of(world, tenant);
    let start = if never.is_some() { None } else { outlook.start(spec) };
    let fits_now = fits && start == Some(world.meta.now);
    let waits_for = match (&never, fits) {
        (None, false) => gave_up.unwrap_or_else(|| waits_for(&request, &roles)),
        (None, true) if !fits_now => in_its_way(world, tenant, spec),
        _ => String::new(),
    };
    let relaxations =
        if fits { Vec::new() } else { relaxations(world, spec, &free, never.is_some(), start, &mut outlook) };
    Preview { never, fits_now, waits_for, start, queued, roles, relaxations }
}

/// What a request waits for whose machines are free.
fn in_its_way(world: &World, tenant: Option<TenantId>, spec: &LeaseSpec) -> String {
    if let Some(earliest) = spec.terms.not_before.filter(|at| *at > world.meta.now) {
        return format!("its earliest start, {}", earliest.utc());
    }
    let demand = Demand::of(spec);
    let bar = tenant
        .and_then(|tenant| tenancy::bar(world, tenant, world.meta.planned, demand.surely, demand.node_ms));
    bar.unwrap_or_else(|| "others that wait: the free machines are theirs or were promised to them".into())
}

fn stay(world: &World, tenant: Option<TenantId>, spec: &LeaseSpec) -> Stay {
    let tenant = tenant.and_then(|id| world.tenants.get(id));
    let own = tenant.zip(spec.terms.reservation.as_deref()).and_then(|(t, name)| t.reservation_named(name));
    Stay::beginning(world, own.map(|r| r.id), spec.duration_ms)
}

fn role(world: &World, stay: &Stay, want: &Want<'_>, gets: Vec<String>) -> RolePreview {
    let usable = world
        .in_order_of_choice(|node| node.in_service() && stay.concerns(node) && want.image_on(node).is_some());
    let (free, busy): (Vec<_>, Vec<_>) = usable.into_iter().partition(|node| stay.finds_free(node));
    let name = |node: &Node| node.spec.name.clone();
    RolePreview {
        role: want.member.role.clone(),
        gets,
        free: free.into_iter().map(name).collect(),
        busy: busy.into_iter().map(|node| (name(node), occupation(stay, node))).collect(),
    }
}

fn waits_for(request: &Request<'_>, roles: &[RolePreview]) -> String {
    let shortage = |(want, role): (&Want<'_>, &RolePreview)| {
        let (wanted, free) = (want.member.count as usize, role.free.len());
        let mut busy = BTreeMap::<_, usize>::new();
        role.busy.iter().for_each(|(_, word)| *busy.entry(word.as_str()).or_default() += 1);
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

fn occupation(stay: &Stay, node: &Node) -> String {
    let state = if node.holds.is_empty() { node.state.name().as_str() } else { "held" };
    stay.bar(node).unwrap_or_else(|| state.to_owned())
}
