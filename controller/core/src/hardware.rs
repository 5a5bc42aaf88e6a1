//! What a machine is, as far as decisions depend on it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Instruction set architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit Arm.
    Aarch64,
    /// 64-bit little-endian POWER.
    Ppc64le,
}

impl Arch {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::X86_64, Self::Aarch64, Self::Ppc64le];

    /// The name that `uname -m` prints.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Ppc64le => "ppc64le",
        }
    }
}

/// What starts a machine before any operating system does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// PC BIOS with a PXE option ROM.
    Bios,
    /// UEFI (EDK2 and its descendants).
    Uefi,
    /// Open Firmware: SLOF, PowerVM.
    OpenFirmware,
}

impl Firmware {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bios, Self::Uefi, Self::OpenFirmware];

    /// The name used in files and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
            Self::OpenFirmware => "openfirmware",
        }
    }

    /// True if machines of `arch` exist with this firmware.
    #[must_use]
    pub const fn exists_on(self, arch: Arch) -> bool {
        matches!(
            (self, arch),
            (Self::Bios, Arch::X86_64)
                | (Self::Uefi, Arch::X86_64 | Arch::Aarch64)
                | (Self::OpenFirmware, Arch::Ppc64le)
        )
    }
}

/// A word that is none of those expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is one of {expected}, not {found:?}")]
pub struct UnknownWord {
    what: &'static str,
    expected: &'static str,
    found: String,
}

impl FromStr for Arch {
    type Err = UnknownWord;

    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|a| a.as_str() == s).ok_or_else(|| UnknownWord {
            what: "architecture",
            expected: "x86_64, aarch64, ppc64le",
            found: s.chars().take(32).collect(),
        })
    }
}

impl FromStr for Firmware {
    type Err = UnknownWord;

    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|a| a.as_str() == s).ok_or_else(|| UnknownWord {
            what: "firmware",
            expected: "bios, uefi, openfirmware",
            found: s.chars().take(32).collect(),
        })
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

/// Text that is no Ethernet address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an Ethernet address is six pairs of hexadecimal digits such as 52:54:00:12:34:56, not {0:?}")]
pub struct NotAMac(String);

impl FromStr for Mac {
    type Err = NotAMac;

    /// Accepts `:` or `-` between the pairs.
    fn from_str(s: &str) -> Result<Self, NotAMac> {
        let error = || NotAMac(s.chars().take(32).collect());
        let mut octets = [0; 6];
        let mut parts = s.split([':', '-']);
        for octet in &mut octets {
            // `from_str_radix` would take a sign.
            let pair = |p: &&str| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit());
            let part = parts.next().filter(pair).ok_or_else(error)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| error())?;
        }
        if parts.next().is_some() { Err(error()) } else { Ok(Self(octets)) }
    }
}

impl TryFrom<String> for Mac {
    type Error = NotAMac;

    fn try_from(s: String) -> Result<Self, NotAMac> {
        s.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
