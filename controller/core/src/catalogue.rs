//! What leases refer to: tenants and images.

use crate::attempt::Purpose;
use crate::calendar::Reservation;
use crate::hardware::Arch;
use crate::ids::{ImageId, TenantId};
use crate::schedule::Past;
use crate::tenancy::{Allowance, Usage};
use crate::time::Timestamp;
use crate::trust::Trust;
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
    /// How long its last leases took.
    #[serde(default)]
    pub past: Past,
    /// What it may have.
    #[serde(default)]
    pub allowance: Allowance,
    /// What it had.
    #[serde(default)]
    pub usage: Usage,
    /// Machines that are set aside for it.
    #[serde(default)]
    pub reservations: Vec<Reservation>,
}

impl Tenant {
    /// Its reservation of this name.
    #[must_use]
    pub fn reservation_named(&self, name: &str) -> Option<&Reservation> {
        self.reservations.iter().find(|reservation| reservation.name == name)
    }
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
    /// What speaks for it, and against it.
    #[serde(default)]
    pub trust: Trust,
}

/// The bytes of an image, as they are stored and served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Digest, lower-case hexadecimal.
    pub sha256: String,
    /// How many bytes are stored.
    pub size_bytes: u64,
    /// What becomes of them on a machine.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What becomes of an image on a machine. The two are told apart by their fields: disk images were stored before there
/// were others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Kind {
    /// It is written to a disk, and the system starts from there.
    Disk {
        /// What has to be undone while the bytes are written.
        encoding: Encoding,
        /// How many bytes that makes on the disk.
        disk_bytes: u64,
    },
    /// A kernel, and behind it the ramdisk that the whole system is in. No disk is written.
    Diskless {
        /// How many of the bytes are the kernel.
        kernel_bytes: u64,
        /// The kernel's command line.
        arguments: String,
    },
}

impl Content {
    /// Bytes that are written to a disk as they are.
    #[must_use]
    pub const fn raw(sha256: String, size_bytes: u64) -> Self {
        let kind = Kind::Disk { encoding: Encoding::Raw, disk_bytes: size_bytes };
        Self { sha256, size_bytes, kind }
    }

    /// What a boot is for that deploys it.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        match self.kind {
            Kind::Disk { .. } => Purpose::Deploy,
            Kind::Diskless { .. } => Purpose::DeployDiskless,
        }
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
    /// Catalogued, and not yet deployed often enough to be trusted.
    Candidate,
    /// Machines have run it.
    Good,
    /// It failed on several good machines: nobody gets it until it is cleared or replaced.
    Suspect,
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
            Self::Suspect => "suspect",
            Self::Retired => "retired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of stores that know disk images only.
    #[test]
    fn images_are_read_as_they_always_were_stored() {
        let disk = r#"{"sha256":"ab","size_bytes":7,"encoding":"zstd","disk_bytes":9}"#;
        let diskless = r#"{"sha256":"cd","size_bytes":9,"kernel_bytes":4,"arguments":"quiet"}"#;
        let kinds = [
            (disk, Kind::Disk { encoding: Encoding::Zstd, disk_bytes: 9 }),
            (diskless, Kind::Diskless { kernel_bytes: 4, arguments: "quiet".into() }),
        ];
        for (stored, kind) in kinds {
            let content: Content = serde_json::from_str(stored).unwrap();
            assert_eq!(content.kind, kind);
            assert_eq!(serde_json::to_string(&content).unwrap(), stored);
        }
    }
}
