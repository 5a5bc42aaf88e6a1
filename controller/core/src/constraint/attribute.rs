//! What can be asked about a machine.

use super::error::{SyntaxError, nearest};
use std::fmt;
use std::ops::Range;

/// A property of a machine. Of disks and network interfaces a machine has several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// Instruction set.
    Arch,
    /// What its firmware is.
    BootMethod,
    /// Cores of all processors together.
    CpuCores,
    /// As the processor calls itself.
    CpuModelName,
    /// Logical processors: cores times threads.
    CpuProcessors,
    /// Packages.
    CpuSockets,
    /// Disks of its own: none that is reached over a network or by several paths.
    DiskCount,
    /// As the disk calls itself.
    DiskModelName,
    /// True for spinning disks.
    DiskRotational,
    /// Of one disk.
    DiskSize,
    /// The node's name.
    Hostname,
    /// What its system can use.
    Memory,
    /// Ethernet interfaces.
    NetworkCount,
    /// Of one interface, as negotiated with its switch.
    NetworkSpeed,
    /// The pool that it is registered in.
    Pool,
    /// Where it stands, as registered.
    Rack,
    /// What it is cabled to, as registered.
    Switch,
    /// As its maker calls it.
    SystemModelName,
    /// Its maker.
    SystemVendorName,
    /// What was written about it in its registration.
    Label(String),
}

/// What values an attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Count,
    /// A size with a unit.
    Bytes,
    /// Bits in a second, with a unit.
    Rate,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
}

/// What the name of a label begins with.
const LABEL: &str = "label.";

/// Bytes of a label's name.
pub(crate) const MAX_LABEL: usize = 63;

const NAMED: [(Attribute, &str, Kind); 19] = [
    (Attribute::Arch, "arch", Kind::Word(&["x86_64", "aarch64", "ppc64le"])),
    (Attribute::BootMethod, "boot.method", Kind::Word(&["bios", "uefi", "openfirmware"])),
    (Attribute::CpuCores, "cpu.cores", Kind::Count),
    (Attribute::CpuModelName, "cpu.model-name", Kind::Text),
    (Attribute::CpuProcessors, "cpu.processors", Kind::Count),
    (Attribute::CpuSockets, "cpu.sockets", Kind::Count),
    (Attribute::DiskCount, "disk.count", Kind::Count),
    (Attribute::DiskModelName, "disk.model-name", Kind::Text),
    (Attribute::DiskRotational, "disk.rotational", Kind::Flag),
    (Attribute::DiskSize, "disk.size", Kind::Bytes),
    (Attribute::Hostname, "hostname", Kind::Text),
    (Attribute::Memory, "memory", Kind::Bytes),
    (Attribute::NetworkCount, "network.count", Kind::Count),
    (Attribute::NetworkSpeed, "network.speed", Kind::Rate),
    (Attribute::Pool, "pool", Kind::Text),
    (Attribute::Rack, "rack", Kind::Text),
    (Attribute::Switch, "switch", Kind::Text),
    (Attribute::SystemModelName, "system.model-name", Kind::Text),
    (Attribute::SystemVendorName, "system.vendor-name", Kind::Text),
];

impl Attribute {
    /// All of them but the labels, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMED.into_iter().map(|(attribute, _, _)| attribute)
    }

    /// What values it has.
    #[must_use]
    pub fn kind(&self) -> Kind {
        NAMED.iter().find(|(known, _, _)| known == self).map_or(Kind::Text, |(_, _, kind)| *kind)
    }

    /// True if a machine has at most one value of it.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        !matches!(self, Self::DiskModelName | Self::DiskRotational | Self::DiskSize | Self::NetworkSpeed)
    }

    /// Reads a name, which stands at `span` of its text.
    ///
    /// # Errors
    /// If there is no such attribute, with the nearest one.
    pub(super) fn named(name: &str, span: Range<usize>) -> Result<Self, SyntaxError> {
        if let Some(label) = name.strip_prefix(LABEL) {
            return if is_label(label) {
                Ok(Self::Label(label.to_owned()))
            } else {
                Err(SyntaxError::new(span, format!("`{label}` is no name of a label"))
                    .hint("1 to 63 lower-case letters, digits, `-`, `_` and `.`, as in label.gpu"))
            };
        }
        match NAMED.iter().find(|(_, known, _)| *known == name) {
            Some((attribute, _, _)) => Ok(attribute.clone()),
            None => {
                let known = NAMED.iter().map(|(_, known, _)| *known).chain(["label.NAME"]);
                let error = SyntaxError::new(span, format!("there is no attribute `{name}`"));
                Err(error.hint(nearest(name, known)))
            }
        }
    }
}

/// True for what a label may be called.
pub(crate) fn is_label(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    (1..=MAX_LABEL).contains(&name.len()) && name.chars().all(legal)
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(name) => write!(f, "{LABEL}{name}"),
            _ => {
                f.write_str(NAMED.iter().find(|(known, _, _)| known == self).map_or("", |(_, name, _)| name))
            }
        }
    }
}
