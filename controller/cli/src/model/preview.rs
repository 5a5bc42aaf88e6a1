//! What would come of a request.

use super::{all, optional, time};
use crate::text::clean;
use hostler_proto::lease::v1 as pb;
use serde::Serialize;

/// What would come of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Preview {
    /// The free machines make up a group, whoever else waits for them.
    pub(crate) fits_now: bool,
    /// Why no registered machines could ever serve it.
    pub(crate) never: Option<String>,
    pub(crate) waits_for: Option<String>,
    /// When it would probably start; none where that cannot be said.
    pub(crate) expected_start_ms: Option<u64>,
    /// Leases that are in the queue already.
    pub(crate) queued: u32,
    pub(crate) roles: Vec<Role>,
    /// The single changes that would help.
    pub(crate) relaxations: Vec<Relaxation>,
}

/// The machines for one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Role {
    pub(crate) role: String,
    /// Those that it would get now.
    pub(crate) gets: Vec<String>,
    /// Those that could serve it and are free.
    pub(crate) free: Vec<String>,
    /// Those that could serve it later.
    pub(crate) busy: Vec<Busy>,
}

/// A machine that is not free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Busy {
    pub(crate) name: String,
    pub(crate) state: String,
}

/// A change that would help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Relaxation {
    pub(crate) change: String,
    /// The free machines would do; else it would start sooner, or could be had at all.
    pub(crate) now: bool,
    /// When it would probably start then; none where that cannot be said.
    pub(crate) expected_start_ms: Option<u64>,
}

impl From<pb::LeasePreview> for Preview {
    fn from(preview: pb::LeasePreview) -> Self {
        Self {
            fits_now: preview.fits_now,
            never: optional(&preview.never),
            waits_for: optional(&preview.waits_for),
            expected_start_ms: time(preview.expected_start_ms),
            queued: preview.queued,
            roles: all(preview.roles),
            relaxations: all(preview.relaxations),
        }
    }
}

impl From<pb::RolePreview> for Role {
    fn from(role: pb::RolePreview) -> Self {
        let names = |names: &[String]| names.iter().map(|name| clean(name)).collect();
        Self {
            role: clean(&role.role),
            gets: names(&role.gets),
            free: names(&role.free),
            busy: all(role.busy),
        }
    }
}

impl From<pb::BusyNode> for Busy {
    fn from(node: pb::BusyNode) -> Self {
        Self { name: clean(&node.name), state: clean(&node.state) }
    }
}

impl From<pb::Relaxation> for Relaxation {
    fn from(relaxation: pb::Relaxation) -> Self {
        let pb::Relaxation { change, now, expected_start_ms } = relaxation;
        Self { change: clean(&change), now, expected_start_ms: time(expected_start_ms) }
    }
}
