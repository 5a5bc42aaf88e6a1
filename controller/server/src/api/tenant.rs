//! What tenants may have, and what they have.

use super::Api;
use super::caller::User;
use super::lease_request::band;
use super::status::refused;
use hostler_core::catalogue::Tenant;
use hostler_core::hardware::Arch;
use hostler_core::input::Input;
use hostler_core::schedule;
use hostler_core::tenancy::{NodeHours, Setting, Standing};
use hostler_core::world::World;
use hostler_proto::node::v1 as wire;
use tonic::Status;

/// `GetTenant`.
pub(super) fn get(api: &Api, user: &User, name: &str) -> Result<wire::Tenant, Status> {
    let name = match user {
        User::Tenant(own) if !name.is_empty() && name != own => {
            return Err(Status::permission_denied(format!("tenant {own} sees itself only")));
        }
        User::Tenant(own) | User::Admin(own) if name.is_empty() => own,
        User::Tenant(_) | User::Admin(_) => name,
    };
    api.0
        .published
        .read(|w| w.tenant_named(name).map(|tenant| view(w, tenant)))
        .ok_or_else(|| no_tenant(name))
}

/// `SetTenant`.
pub(super) async fn set(
    api: &Api,
    author: &str,
    request: wire::SetTenantRequest,
) -> Result<wire::Tenant, Status> {
    let name = request.name.clone();
    let (author, settings) = (author.to_owned(), settings(request)?);
    let input = Input::SetTenant { author, name: name.clone(), settings };
    api.0.submit(input).await.map_err(|e| refused(&e))?;
    get(api, &User::Admin(String::new()), &name)
}

/// What a request sets.
fn settings(request: wire::SetTenantRequest) -> Result<Vec<Setting>, Status> {
    let limit = |seconds: u64| (seconds > 0).then(|| seconds.saturating_mul(1000));
    let mut settings = Vec::new();
    settings.extend(request.share.map(Setting::Share));
    if let Some(word) = &request.priority {
        settings.push(Setting::Priority(band(word)?));
    }
    for machines in request.max_machines {
        settings.push(match machines.arch.as_str() {
            "" => Setting::Machines(machines.most),
            word => Setting::MachinesOf(arch(word)?, machines.most),
        });
    }
    settings.extend(request.node_hours.map(|hours| {
        let wire::NodeHours { node_ms, window_s } = hours;
        let hours = NodeHours { node_ms, window_ms: window_s.saturating_mul(1000) };
        Setting::NodeHours((node_ms > 0 || window_s > 0).then_some(hours))
    }));
    settings.extend(request.max_duration_s.map(limit).map(Setting::Duration));
    settings.extend(request.max_extension_s.map(limit).map(Setting::Extension));
    settings.extend(request.max_hold_s.map(limit).map(Setting::Hold));
    Ok(settings)
}

fn arch(word: &str) -> Result<Arch, Status> {
    word.parse().map_err(|e| Status::invalid_argument(format!("max_machines: {e}")))
}

/// A tenant as it is shown.
pub(super) fn view(world: &World, tenant: &Tenant) -> wire::Tenant {
    let open = world.leases.values().filter(|l| l.tenant == tenant.id && !l.is_closed()).count();
    let allowance = &tenant.allowance;
    let of = allowance.machines_of.iter();
    let all = allowance.machines.map(|most| wire::MachineLimit { arch: String::new(), most: Some(most) });
    let of = of.map(|(arch, most)| wire::MachineLimit { arch: arch.to_string(), most: Some(*most) });
    let seconds = |ms: Option<u64>| ms.map(|ms| ms / 1000);
    wire::Tenant {
        name: tenant.name.clone(),
        open_leases: u32::try_from(open).unwrap_or(u32::MAX),
        added_ms: tenant.added.0,
        share: allowance.share,
        priority: allowance.priority.to_string(),
        max_machines: all.into_iter().chain(of).collect(),
        node_hours: allowance
            .node_hours
            .map(|hours| wire::NodeHours { node_ms: hours.node_ms, window_s: hours.window_ms / 1000 }),
        max_duration_s: seconds(allowance.duration_ms),
        max_extension_s: seconds(allowance.extension_ms),
        max_hold_s: seconds(allowance.hold_ms),
        usage: Some(usage(world, tenant)),
    }
}

fn usage(world: &World, tenant: &Tenant) -> wire::TenantUsage {
    let now = world.meta.now;
    let standing = Standing::of(world, tenant, now);
    let of = Arch::ALL.map(|arch| (arch.to_string(), standing.in_use.of[arch as usize]));
    wire::TenantUsage {
        machines: standing.in_use.all,
        machines_of: of.into_iter().filter(|(_, count)| *count > 0).collect(),
        granted_node_ms: standing.granted_node_ms,
        promised_machines: standing.promised.all,
        dominant_share: schedule::dominant_share(world, tenant, now),
    }
}

fn no_tenant(name: &str) -> Status {
    Status::not_found(format!("there is no tenant {name:?}; `hostler tenant list` shows them"))
}
