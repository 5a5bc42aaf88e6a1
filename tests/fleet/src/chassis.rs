//! The chassis: what the BMC switches and the machine runs on.

use std::sync::Arc;
use tokio::sync::watch;

/// Where the firmware looks for something to boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootDevice {
    /// As set up in the firmware: the network, then the disk.
    #[default]
    None,
    /// The network.
    Network,
    /// The first local disk.
    Disk,
}

/// The state of a chassis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Power {
    /// True while the mainboard has power.
    pub on: bool,
    /// Counts power-ons and resets: the mainboard starts anew whenever it changes while `on`.
    pub starts: u64,
    /// What was ordered for the next start.
    pub boot_device: BootDevice,
    /// True if the order holds for every start, false if the next one uses it up.
    pub persistent: bool,
}

/// Shared between the BMC, which switches it, and the mainboard, which runs while it is on.
#[derive(Clone, Debug, Default)]
pub struct Chassis(Arc<watch::Sender<Power>>);

impl Chassis {
    /// A chassis that is off.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The present state.
    #[must_use]
    pub fn power(&self) -> Power {
        *self.0.borrow()
    }

    /// Follows the state.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Power> {
        self.0.subscribe()
    }

    /// Power on; nothing if it is on.
    pub fn on(&self) {
        self.0.send_if_modified(|p| {
            let changed = !p.on;
            if changed {
                p.on = true;
                p.starts += 1;
            }
            changed
        });
    }

    /// Power off, hard.
    pub fn off(&self) {
        self.0.send_if_modified(|p| std::mem::replace(&mut p.on, false));
    }

    /// Off and on again, or a reset: the mainboard starts anew. Nothing if it is off.
    pub fn restart(&self) {
        self.0.send_if_modified(|p| {
            if p.on {
                p.starts += 1;
            }
            p.on
        });
    }

    /// Where the next start looks for something to boot, or every one.
    pub fn set_boot_device(&self, device: BootDevice, persistent: bool) {
        self.0.send_modify(|p| (p.boot_device, p.persistent) = (device, persistent));
    }

    /// What the firmware does when it starts: it reads the order, which is used up unless it is persistent.
    #[must_use]
    pub fn take_boot_device(&self) -> BootDevice {
        let mut taken = BootDevice::None;
        self.0.send_if_modified(|p| {
            taken = p.boot_device;
            if !p.persistent {
                p.boot_device = BootDevice::None;
            }
            false
        });
        taken
    }
}
