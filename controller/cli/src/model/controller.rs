//! Controllers, of which one leads.

use super::{all, time};
use crate::text::clean;
use hostler_proto::controller::v1 as pb;
use serde::Serialize;

/// All controllers of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Controllers {
    pub(crate) controllers: Vec<Controller>,
    pub(crate) answered_by: String,
    pub(crate) epoch: u64,
    /// By the database's clock.
    pub(crate) leads_since_ms: Option<u64>,
    /// Absent with one controller, which renews nothing.
    pub(crate) renewed_ms_ago: Option<u64>,
    /// Whether the leader may command machines now; it alone knows.
    pub(crate) acts: Option<bool>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Controller {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) role: Role,
    pub(crate) seen_ms_ago: u64,
}

/// What another host joins with.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Invitation {
    /// Secret.
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) expires_ms: u64,
    pub(crate) addresses: Vec<String>,
    pub(crate) ca_sha256: String,
}

/// What a controller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    Leads,
    StandsBy,
    /// Nothing was heard of it for a while.
    Away,
    /// A newer controller has a word that this program does not know.
    Unknown,
}

impl From<pb::ListControllersResponse> for Controllers {
    fn from(response: pb::ListControllersResponse) -> Self {
        Self {
            controllers: all(response.controllers),
            answered_by: clean(&response.answered_by),
            epoch: response.epoch,
            leads_since_ms: time(response.leads_since_ms),
            renewed_ms_ago: response.renewed_ms_ago,
            acts: response.acts,
        }
    }
}

impl From<pb::Controller> for Controller {
    fn from(controller: pb::Controller) -> Self {
        let role = match controller.role() {
            pb::Role::Leads => Role::Leads,
            pb::Role::StandsBy => Role::StandsBy,
            pb::Role::Away => Role::Away,
            pb::Role::Unspecified => Role::Unknown,
        };
        let (name, address) = (clean(&controller.name), clean(&controller.address));
        Self { name, address, role, seen_ms_ago: controller.seen_ms_ago }
    }
}

impl From<pb::InviteResponse> for Invitation {
    fn from(response: pb::InviteResponse) -> Self {
        let pb::InviteResponse { code, name, expires_ms, addresses, ca_sha256 } = response;
        let addresses = addresses.iter().map(|address| clean(address)).collect();
        Self { code: clean(&code), name: clean(&name), expires_ms, addresses, ca_sha256: clean(&ca_sha256) }
    }
}
