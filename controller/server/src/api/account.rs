//! Where the time of leases went.

use super::Api;
use super::caller::User;
use super::lease_view;
use super::status::internal;
use super::streams::{self, Gone, Outbox, Stream};
use hostler_core::ids::{LeaseId, MAX_ID, TenantId};
use hostler_core::lease::{Lease, LeaseState};
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use hostler_proto::lease::v1 as wire;
use tonic::Status;

/// Leases that are read at a time.
const PAGE: u32 = 500;

/// No lease that was requested so long before a period reaches into it: 30 days ahead of its earliest start, 30 in the
/// queue, 30 in use, 7 held, and a month for machines that do not become clean.
const REACH_MS: u64 = 130 * 24 * 3_600_000;

/// Which leases are wanted.
struct Wanted {
    tenant: Option<TenantId>,
    since: Timestamp,
    until: Timestamp,
}

/// `AccountLeases`.
pub(super) fn follow(
    api: &Api,
    user: &User,
    request: &wire::AccountLeasesRequest,
) -> Result<Stream<wire::LeaseAccount>, Status> {
    let until = if request.until_ms == 0 { u64::MAX } else { request.until_ms };
    if until <= request.since_ms {
        return Err(Status::invalid_argument("until_ms: later than since_ms"));
    }
    let tenant = tenant(api, user, &request.tenant)?;
    let wanted = Wanted { tenant, since: Timestamp(request.since_ms), until: Timestamp(until) };
    let api = api.clone();
    let (tasks, stop) = (api.0.tasks.clone(), api.0.stop.clone());
    Ok(streams::begin(&tasks, &stop, |outbox| send(api, wanted, outbox)))
}

/// Whose leases are wanted; none for everybody's.
fn tenant(api: &Api, user: &User, name: &str) -> Result<Option<TenantId>, Status> {
    let name = match user {
        User::Tenant(own) if !name.is_empty() && name != own => {
            return Err(Status::permission_denied(format!("tenant {own} sees its own account")));
        }
        User::Tenant(own) => own.as_str(),
        User::Admin(_) if name.is_empty() => return Ok(None),
        User::Admin(_) => name,
    };
    let known = api.0.published.read(|w| w.tenant_named(name).map(|t| t.id));
    known.map(Some).ok_or_else(|| Status::not_found(format!("there is no tenant {name}")))
}

/// Reads page after page, the newest first, until nothing older can reach into the period.
async fn send(api: Api, wanted: Wanted, outbox: Outbox<wire::LeaseAccount>) -> Result<(), Gone> {
    let mut before = LeaseId(MAX_ID);
    loop {
        let tenant = wanted.tenant;
        let page = match api.0.history(move |h| h.leases_before(tenant, before, PAGE)).await {
            Ok(page) => page,
            Err(error) => {
                outbox.fail(internal("leases", &error)).await;
                return Err(Gone);
            }
        };
        let Some(oldest) = page.last() else { return Ok(()) };
        before = oldest.id;
        let over = oldest.requested.0.saturating_add(REACH_MS) < wanted.since.0;
        let accounts: Vec<_> = api
            .0
            .published
            .read(|w| page.iter().filter(|lease| wanted.has(lease)).map(|lease| account(w, lease)).collect());
        for account in accounts {
            outbox.send(account).await?;
        }
        if over {
            return Ok(());
        }
    }
}

impl Wanted {
    /// True if some part of the lease lies within the period.
    fn has(&self, lease: &Lease) -> bool {
        let ended = match &lease.state {
            LeaseState::Closed { at, .. } => Some(*at),
            _ => None,
        };
        lease.requested < self.until && ended.is_none_or(|at| at >= self.since)
    }
}

fn account(world: &World, lease: &Lease) -> wire::LeaseAccount {
    wire::LeaseAccount {
        id: lease.id.0,
        tenant: world.tenants.get(lease.tenant).map(|t| t.name.clone()).unwrap_or_default(),
        state: lease_view::state(lease).into(),
        close_reason: lease_view::close_reason(lease).into(),
        times: Some(lease_view::times(lease)),
        machines: lease_view::machines(world, lease.group_or_former()),
        part_time: lease_view::part_time(world, lease.group_or_former(), &lease.course.departures),
        wanted_machines: lease.spec.members.iter().map(|m| m.count).fold(0, u32::saturating_add),
        duration_ms: lease.spec.duration_ms,
        purpose: lease.spec.purpose.clone(),
        interruptions: lease_view::interruptions(world, lease),
    }
}
