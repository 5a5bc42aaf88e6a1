//! The hardware that the agent library sees.
//!
//! * [`SimHost`]: one machine behind a cable, with disks, an inventory that can lie, and a clock that can be wrong.
//! * [`SimDisk`]: a sparse file that a payload can really soil, with [`Faults`] as disks have them.
//!
//! Nothing of it is lost when the machine loses power. [`SimHost::lose_power`] waits for what was under way in the
//! disks, so that nothing of the life before reaches into the next.

mod disk;
mod faults;
mod orders;
mod simhost;
mod spec;
mod system;

pub use disk::SimDisk;
pub use faults::{Erase, Faults};
pub use orders::Order;
pub use simhost::SimHost;
pub use spec::{DiskSpec, HostSpec};
