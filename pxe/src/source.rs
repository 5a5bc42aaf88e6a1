//! What the boot server asks of the controller, and what it tells it.

use hostler_core::boot::{BootPlan, NetworkEvidence};
use hostler_core::hardware::{Arch, Firmware, Mac};
use hostler_core::ids::{BootId, NodeId};
use std::net::Ipv4Addr;
use std::time::Duration;

/// A machine as the boot server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The registered node.
    pub node: NodeId,
    /// Its name; becomes its host name (option 12) as far as it is one.
    pub name: String,
    /// The interface that it boots from.
    pub mac: Mac,
    /// The address reserved for that interface.
    pub address: Ipv4Addr,
    /// As registered. What firmware says about itself is believed only where it fits.
    pub arch: Arch,
    /// As registered.
    pub firmware: Firmware,
}

/// Something that a machine was seen to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it is evidence of.
    pub kind: NetworkEvidence,
    /// Bytes of content that were handed over; 0 for DHCP.
    pub bytes: u64,
    /// From the request to the end of the transfer, which is now; zero for DHCP.
    pub elapsed: Duration,
    /// True if the machine got all that it asked for. An aborted transfer is normal: UEFI opens each file once only
    /// to learn its size. Over TFTP it is told of only when the server has given it up, seven seconds later.
    pub complete: bool,
    /// For people: the file, or the DHCP message and its answer.
    pub detail: String,
}

/// The controller as the boot server sees it: it decides and records, the boot server renders and observes.
///
/// Every method is called on the path of a packet. None may block or wait: they read a published snapshot, or put
/// something into a bounded queue.
pub trait BootSource: Send + Sync + 'static {
    /// The machine with this Ethernet address.
    fn by_mac(&self, mac: Mac) -> Option<Client>;

    /// The machine for which this address is reserved.
    fn by_address(&self, address: Ipv4Addr) -> Option<Client>;

    /// What `client` is to boot now.
    fn plan(&self, client: &Client) -> BootPlan;

    /// Kernel arguments that make the ramdisk of `boot` this machine's: identity and one-time token. Secret: they are
    /// rendered into what is sent to the address of `client`, and nowhere else.
    fn kernel_args(&self, client: &Client, boot: BootId) -> Vec<String>;

    /// Takes note of what was seen of `client`.
    fn observe(&self, client: &Client, seen: Observation);

    /// Takes note that a machine asked that is not registered. Anyone on the segment can cause this, at any rate.
    fn unknown(&self, mac: Mac);
}

/// Knows nobody; whoever asks boots the ramdisk with this one kernel argument.
#[cfg(test)]
pub(crate) struct OneArgument(pub(crate) &'static str);

#[cfg(test)]
impl BootSource for OneArgument {
    fn by_mac(&self, _: Mac) -> Option<Client> {
        None
    }

    fn by_address(&self, _: Ipv4Addr) -> Option<Client> {
        None
    }

    fn plan(&self, client: &Client) -> BootPlan {
        BootPlan::Ramdisk { boot: BootId(17), arch: client.arch }
    }

    fn kernel_args(&self, _: &Client, _: BootId) -> Vec<String> {
        vec![self.0.to_owned()]
    }

    fn observe(&self, _: &Client, _: Observation) {}

    fn unknown(&self, _: Mac) {}
}
