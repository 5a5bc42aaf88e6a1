//! Identifiers. Each is a newtype over a small integer that the core gives out, so that a [`NodeId`] cannot be
//! passed for a [`LeaseId`].

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, " {}"), self.0)
            }
        }
    };
}

id!(
    /// A machine.
    NodeId, "node");
id!(
    /// A management controller. One may serve several nodes.
    BmcId, "bmc");
id!(
    /// A granted or queued request for a group of nodes.
    LeaseId, "lease");
id!(
    /// A project that leases.
    TenantId, "tenant");
id!(
    /// An image for one architecture.
    ImageId, "image");
id!(
    /// A named set of nodes.
    PoolId, "pool");
id!(
    /// One power-on or restart that the controller ordered, with all that follows of it.
    BootId, "boot");
id!(
    /// One execution of a payload on members of a lease.
    RunId, "run");
id!(
    /// Machines that are set aside for a tenant.
    ReservationId, "reservation");

/// The largest id that is given out, so that ids fit the signed 32-bit integers of other people's clients.
pub const MAX_ID: u32 = i32::MAX as u32;
