//! The names of the methods.

use std::fmt;

/// What sanitizing does to the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Erases the cells, spare ones included. Quick.
    BlockErase,
    /// Forgets the key that everything is encrypted with. Quick, and what is read then is noise.
    Crypto,
    /// Writes everything once. Slow.
    Overwrite,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlockErase => "block erase",
            Self::Crypto => "crypto erase",
            Self::Overwrite => "overwrite",
        })
    }
}

/// How a device erases all of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraseMethod {
    /// NVMe Sanitize.
    NvmeSanitize(Action),
    /// NVMe Format NVM with a secure erase setting.
    NvmeFormat {
        /// Only of the key.
        crypto: bool,
    },
    /// SCSI SANITIZE.
    ScsiSanitize(Action),
    /// ATA SANITIZE DEVICE.
    AtaSanitize(Action),
    /// ATA SECURITY ERASE UNIT.
    AtaSecureErase {
        /// Reallocated sectors as well.
        enhanced: bool,
    },
}

impl EraseMethod {
    /// The name in reports, for example "nvme-sanitize".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NvmeSanitize(_) => "nvme-sanitize",
            Self::NvmeFormat { .. } => "nvme-format",
            Self::ScsiSanitize(_) => "scsi-sanitize",
            Self::AtaSanitize(_) => "ata-sanitize",
            Self::AtaSecureErase { .. } => "ata-secure-erase",
        }
    }
}

/// With what the name leaves open, for example "nvme-sanitize (block erase)".
impl fmt::Display for EraseMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.as_str();
        match self {
            Self::NvmeSanitize(action) | Self::ScsiSanitize(action) | Self::AtaSanitize(action) => {
                write!(f, "{name} ({action})")
            }
            Self::NvmeFormat { crypto: true } => write!(f, "{name} (crypto erase)"),
            Self::AtaSecureErase { enhanced: true } => write!(f, "{name} (enhanced)"),
            Self::NvmeFormat { crypto: false } | Self::AtaSecureErase { enhanced: false } => {
                f.write_str(name)
            }
        }
    }
}
