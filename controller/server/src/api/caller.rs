//! Authorisation: each call begins by asking who is calling.

use super::Api;
use super::status::refused;
use crate::pki::Identity;
use crate::tls::Caller;
use hostler_core::ids::{LeaseId, TenantId};
use hostler_core::input::{Input, Reply};
use hostler_core::lease::Lease;
use hostler_core::world::World;
use tonic::{Request, Status};

/// A person or a CI job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum User {
    /// May do everything.
    Admin(String),
    /// Sees and touches its own leases.
    Tenant(String),
}

impl User {
    /// Who is calling.
    pub(super) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        match request.extensions().get::<Caller>().and_then(|c| c.identity.clone()) {
            Some(Identity::Admin(name)) => Ok(Self::Admin(name)),
            Some(Identity::Tenant(name)) => Ok(Self::Tenant(name)),
            Some(Identity::Agent { .. }) => Err(Status::permission_denied("this is not for agents")),
            None => Err(Status::unauthenticated(
                "show a client certificate: `hostler --help` tells about credentials",
            )),
        }
    }

    /// The administrator who is calling.
    pub(super) fn admin<T>(request: &Request<T>) -> Result<String, Status> {
        match Self::of(request)? {
            Self::Admin(name) => Ok(name),
            Self::Tenant(name) => {
                Err(Status::permission_denied(format!("tenant {name} is no administrator")))
            }
        }
    }

    /// For the record.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Admin(name) => format!("admin {name}"),
            Self::Tenant(name) => format!("tenant {name}"),
        }
    }

    /// True if the lease is this caller's to see and to touch.
    pub(super) fn may_touch(&self, world: &World, lease: &Lease) -> bool {
        match self {
            Self::Admin(_) => true,
            Self::Tenant(name) => world.tenants.get(lease.tenant).is_some_and(|t| t.name == *name),
        }
    }
}

impl Api {
    /// The tenant for which `user` acts. An administrator's own leases belong to a tenant of the same name.
    pub(super) async fn tenant(&self, user: &User) -> Result<TenantId, Status> {
        let name = match user {
            User::Admin(name) | User::Tenant(name) => name.clone(),
        };
        if let Some(id) = self.0.published.read(|w| w.tenant_named(&name).map(|t| t.id)) {
            return Ok(id);
        }
        match user {
            User::Tenant(_) => Err(Status::permission_denied(format!("there is no tenant {name} any more"))),
            User::Admin(_) => {
                match self.0.submit(Input::AddTenant { name }).await.map_err(|e| refused(&e))? {
                    Reply::Tenant(id) => Ok(id),
                    _ => Err(Status::internal("no tenant")),
                }
            }
        }
    }

    /// Checks that a lease in memory is the caller's. Others are not told that it exists.
    pub(super) fn check_lease(&self, user: &User, id: LeaseId) -> Result<(), Status> {
        let mine = self.0.published.read(|w| w.leases.get(id).is_some_and(|l| user.may_touch(w, l)));
        if mine { Ok(()) } else { Err(no_lease(id)) }
    }
}

pub(super) fn no_lease(id: LeaseId) -> Status {
    Status::not_found(format!("you have no lease {id}; `hostler lease list` shows yours"))
}
