//! Machines that are set aside.

use super::Api;
use super::caller::User;
use super::lease_request::group;
use super::lease_view::member;
use super::status::refused;
use hostler_core::calendar::{Every, Machines, Reservation, Wanted};
use hostler_core::catalogue::Tenant;
use hostler_core::input::Input;
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use hostler_proto::node::v1 as wire;
use std::num::NonZeroU64;
use tonic::Status;

/// A moment as it is sent: zero for none.
pub(super) fn moment(ms: u64) -> Option<Timestamp> {
    (ms > 0).then_some(Timestamp(ms))
}

/// `Reserve`.
pub(super) async fn reserve(
    api: &Api,
    author: String,
    request: wire::ReserveRequest,
) -> Result<wire::Reservation, Status> {
    let machines = machines(&request)?;
    let wire::ReserveRequest { tenant, name, from_ms, length_s, every_s, until_ms, reason, .. } = request;
    let every = NonZeroU64::new(every_s.saturating_mul(1000));
    let every = every.map(|ms| Every { ms, until: moment(until_ms) });
    if every.is_none() && until_ms > 0 {
        return Err(Status::invalid_argument("until: only for what comes back: say after how long"));
    }
    let length_ms = length_s.saturating_mul(1000);
    let wanted = Wanted { name: name.clone(), machines, from: moment(from_ms), length_ms, every, reason };
    let input = Input::Reserve { author, tenant: tenant.clone(), wanted, anyway: request.r#override };
    api.0.submit(input).await.map_err(|e| refused(&e))?;
    let made = list(api, &User::Admin(String::new()), &tenant)?.into_iter().find(|made| made.name == name);
    made.ok_or_else(|| Status::not_found(format!("reservation {name} was ended meanwhile")))
}

fn machines(request: &wire::ReserveRequest) -> Result<Machines, Status> {
    let wire::ReserveRequest { nodes, members, groupings, .. } = request;
    match (nodes.is_empty(), members.is_empty() && groupings.is_empty()) {
        (_, true) => Ok(Machines::Named(nodes.iter().cloned().collect())),
        (true, false) => group(members, groupings).map(Machines::Like),
        (false, false) => Err(Status::invalid_argument(
            "nodes: either name the machines, or say in members what they are like",
        )),
    }
}

/// `ListReservations`.
pub(super) fn list(api: &Api, user: &User, tenant: &str) -> Result<Vec<wire::Reservation>, Status> {
    let tenant = match user {
        User::Tenant(own) if !tenant.is_empty() && tenant != own => {
            return Err(Status::permission_denied(format!("tenant {own} sees its own only")));
        }
        User::Tenant(own) => own,
        User::Admin(_) => tenant,
    };
    Ok(api.0.published.read(|world| {
        let tenants = world.tenants.values().filter(|t| tenant.is_empty() || t.name == *tenant);
        tenants.flat_map(|t| t.reservations.iter().map(|r| view(world, t, r))).collect()
    }))
}

fn view(world: &World, tenant: &Tenant, reservation: &Reservation) -> wire::Reservation {
    let nodes = reservation.nodes.iter().filter_map(|id| world.nodes.get(*id));
    let like = reservation.like.as_ref();
    wire::Reservation {
        tenant: tenant.name.clone(),
        name: reservation.name.clone(),
        nodes: nodes.map(|node| node.spec.name.clone()).collect(),
        from_ms: reservation.from.0,
        length_s: reservation.length_ms / 1000,
        every_s: reservation.every.map_or(0, |every| every.ms.get() / 1000),
        until_ms: reservation.every.and_then(|every| every.until).map_or(0, |at| at.0),
        author: reservation.author.clone(),
        reason: reservation.reason.clone(),
        members: like.map_or_else(Vec::new, |group| group.members.iter().map(member).collect()),
        groupings: like
            .map_or_else(Vec::new, |group| group.groupings.iter().map(ToString::to_string).collect()),
        short: reservation.short,
        next_ms: reservation.window().next(world.meta.now.0).map_or(0, |(from, _)| from),
    }
}
