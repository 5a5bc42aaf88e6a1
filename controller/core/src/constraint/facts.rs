//! What is known of a machine.

use super::attribute::{Attribute, Kind};
use super::value::number_text;
use crate::node::{Inventory, Node};

/// One value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact<'a> {
    /// A number, bytes, or bits per second.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// A text.
    Text(&'a str),
}

impl Fact<'_> {
    /// With its unit.
    pub(crate) fn print(self, kind: Kind) -> String {
        match self {
            Self::Number(number) => number_text(number, kind),
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => text.to_owned(),
        }
    }
}

/// Bits per second in a megabit.
const MEGABIT: u64 = 1_000_000;

impl Attribute {
    /// Shows each known value to `see`. True if these are all that the machine has; what was never measured, or what its
    /// firmware does not tell, may be anything.
    pub(crate) fn look_at<'a>(&self, node: &'a Node, see: &mut dyn FnMut(Fact<'a>)) -> bool {
        let spec = &node.spec;
        let registered = match self {
            Self::Arch => Some(spec.arch.as_str()),
            Self::BootMethod => Some(spec.firmware.as_str()),
            Self::Hostname => Some(spec.name.as_str()),
            Self::Pool => Some(spec.pool.as_str()),
            Self::Rack => spec.rack.as_deref(),
            Self::Switch => spec.switch.as_deref(),
            Self::Label(name) => spec.labels.get(name).map(String::as_str),
            _ => return node.inventory.as_ref().is_some_and(|inventory| self.measured(inventory, see)),
        };
        registered.map(Fact::Text).into_iter().for_each(see);
        // A label that was not given is known not to be there; a rack is somewhere.
        registered.is_some() || matches!(self, Self::Label(_))
    }

    /// The value of an attribute of which a machine has one; none if it is not known.
    pub(crate) fn value<'a>(&self, node: &'a Node) -> Option<Fact<'a>> {
        let mut value = None;
        self.look_at(node, &mut |fact| value = Some(fact));
        value
    }

    fn measured<'a>(&self, inventory: &'a Inventory, see: &mut dyn FnMut(Fact<'a>)) -> bool {
        let number = |number: u64| (number > 0).then_some(Fact::Number(number));
        let text = |text: &'a String| (!text.is_empty()).then_some(Fact::Text(text));
        let count = |count: usize| Some(Fact::Number(u64::try_from(count).unwrap_or(u64::MAX)));
        let one = match self {
            Self::CpuCores => number(inventory.cpu_cores.into()),
            Self::CpuModelName => text(&inventory.cpu_model),
            Self::CpuProcessors => number(inventory.cpus.into()),
            Self::CpuSockets => number(inventory.cpu_sockets.into()),
            Self::Memory => number(inventory.memory_bytes),
            Self::SystemModelName => text(&inventory.product),
            Self::SystemVendorName => text(&inventory.manufacturer),
            Self::DiskCount => count(inventory.own_disks().count()),
            Self::NetworkCount => count(inventory.nics.len()),
            Self::DiskModelName => return each(inventory.own_disks().map(|disk| text(&disk.model)), see),
            Self::DiskRotational => {
                return each(inventory.own_disks().map(|disk| Some(Fact::Flag(disk.rotational))), see);
            }
            Self::DiskSize => return each(inventory.own_disks().map(|disk| number(disk.size_bytes)), see),
            // An interface without a link has no speed that could be told.
            Self::NetworkSpeed => {
                return each(
                    inventory.nics.iter().map(|nic| number(u64::from(nic.speed_mbps) * MEGABIT)),
                    see,
                );
            }
            _ => None,
        };
        each(std::iter::once(one), see)
    }
}

fn each<'a>(facts: impl Iterator<Item = Option<Fact<'a>>>, see: &mut dyn FnMut(Fact<'a>)) -> bool {
    let mut complete = true;
    for fact in facts {
        match fact {
            Some(fact) => see(fact),
            None => complete = false,
        }
    }
    complete
}
