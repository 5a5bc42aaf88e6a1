//! What a controller can be told, on top of the messages of `ipmi-rs-core`.

mod boot_device;
mod chassis;
mod controller;
mod session;
mod system_guid;

pub use boot_device::{AcknowledgeBootInfo, BootDevice, BootFlags, GetBootFlags, SetBootFlags};
pub use chassis::{ChassisControl, ChassisStatus, GetChassisStatus};
pub use controller::ColdReset;
pub use ipmi_rs_core::app::{DeviceId, GetDeviceId};
pub use session::{CloseSession, SetSessionPrivilege};
pub use system_guid::{GetSystemGuid, SystemGuid};

use ipmi_rs_core::connection::{IpmiCommand, NotEnoughData};
use std::fmt::Debug;

/// Whether a command may be sent again when no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Twice is as good as once, at any time.
    Freely,
    /// Twice in a row is as good as once, but a late copy must not come after another command: a "power off" that was
    /// held up must not undo the "power on" that followed it.
    InARow,
    /// Twice would be two. What happened is found out by looking.
    Never,
}

/// A command with what a session has to know of it.
pub trait Command: IpmiCommand<Error: Debug> {
    /// What errors call it.
    const NAME: &'static str;

    /// Whether this one may be sent again.
    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }
}

impl Command for GetDeviceId {
    const NAME: &'static str = "Get Device ID";
}

/// For commands that answer with nothing but "done".
const fn done(_: &[u8]) -> Result<(), NotEnoughData> {
    Ok(())
}
