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
    /// Its bytes.
    pub content: Content,
    /// Whether new leases may use it.
    pub status: ImageStatus,
    /// Since when.
    pub added: Timestamp,
}

/// The bytes of an image, as they are stored and served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Digest, lower-case hexadecimal.
    pub sha256: String,
    /// How many bytes are stored.
    pub size_bytes: u64,
    /// What has to be undone while they are written to a disk.
    pub encoding: Encoding,
    /// How many bytes that makes on the disk.
    pub disk_bytes: u64,
}

impl Content {
    /// Bytes that are written as they are.
    #[must_use]
    pub const fn raw(sha256: String, size_bytes: u64) -> Self {
        Self { sha256, size_bytes, encoding: Encoding::Raw, disk_bytes: size_bytes }
    }
}

/// How the bytes of an image are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Not at all.
    Raw,
    /// Zstandard (RFC 8878).
    Zstd,
    /// gzip (RFC 1952).
    Gzip,
}

impl Encoding {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
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
