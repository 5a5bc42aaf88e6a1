//! What leases refer to: tenants and images.

use crate::hardware::Arch;
use crate::ids::{ImageId, TenantId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A project that leases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Unique.
    pub name: String,
    /// Since when.
    pub added: Timestamp,
}

/// What nodes of one architecture are provisioned with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Unique together with the architecture among images that are not retired.
    pub name: String,
    /// For which machines.
    pub arch: Arch,
    /// Digest of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Whether new leases may use it.
    pub status: ImageStatus,
    /// Since when.
    pub added: Timestamp,
}

/// Whether new leases may use an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageStatus {
    /// Catalogued, not yet booted by anyone.
    Candidate,
    /// A node has booted it.
    Good,
    /// Replaced by a newer one of its name.
    Retired,
}

impl ImageStatus {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Good => "good",
            Self::Retired => "retired",
        }
    }
}
