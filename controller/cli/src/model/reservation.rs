//! Machines that are set aside.

use super::lease::Member;
use super::{optional, time};
use crate::text::clean;
use hostler_proto::node::v1 as pb;
use serde::Serialize;

/// Machines that only leases of a tenant that name it may have for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reservation {
    pub(crate) tenant: String,
    pub(crate) name: String,
    pub(crate) nodes: Vec<String>,
    /// What they are like, where they were not named.
    pub(crate) members: Vec<Member>,
    pub(crate) together: Vec<String>,
    /// Some of them have failed, and there are no others.
    pub(crate) short: bool,
    pub(crate) from_ms: u64,
    pub(crate) length_s: u64,
    /// After how long it comes back, if it does.
    pub(crate) every_s: Option<u64>,
    /// No later one begins after this.
    pub(crate) until_ms: Option<u64>,
    pub(crate) author: String,
    pub(crate) reason: Option<String>,
    /// The time that is, or comes next.
    pub(crate) next_ms: Option<u64>,
}

impl From<pb::Reservation> for Reservation {
    fn from(reservation: pb::Reservation) -> Self {
        Self {
            tenant: clean(&reservation.tenant),
            name: clean(&reservation.name),
            nodes: reservation.nodes.iter().map(|node| clean(node)).collect(),
            members: reservation.members.into_iter().map(Member::from).collect(),
            together: reservation.groupings.iter().map(|grouping| clean(grouping)).collect(),
            short: reservation.short,
            from_ms: reservation.from_ms,
            length_s: reservation.length_s,
            every_s: time(reservation.every_s),
            until_ms: time(reservation.until_ms),
            author: clean(&reservation.author),
            reason: optional(&reservation.reason),
            next_ms: time(reservation.next_ms),
        }
    }
}
