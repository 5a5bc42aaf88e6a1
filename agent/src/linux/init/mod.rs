//! From the kernel to a running agent: what a distribution's init, udev and network scripts do elsewhere.
//!
//! ```text
//!   pid 1 (run)            mounts, console, sysctls; starts the agent; reaps; restarts the machine if the agent fails
//!    `- agent (bring_up)   drivers for what is there, the network; then enrols and works
//! ```
//!
//! All of it is for one process that has the machine for itself; agents of which many share a process have no need of
//! it. The agent is a child, so that whoever waits for any process at all is not the one who waits for certain ones, and
//! so that an agent that crashes does not take the kernel with it.
//!
//! * [`supervisor`]: the first process.
//! * [`mounts`], [`console`]: what every process expects to find.
//! * [`drivers`], [`index`], [`alias`], [`uevents`]: kernel modules for the devices that are there or appear.
//! * [`network`]: the interface that the kernel command line names.

mod alias;
mod console;
mod drivers;
mod index;
mod mounts;
mod network;
mod supervisor;
mod uevents;

pub use supervisor::{is_first_of_ramdisk, run};

use crate::params::Network;
use std::time::Duration;

/// How long drivers may take to find their devices before the agent looks at what there is.
const SETTLE: Duration = Duration::from_secs(60);

/// Why the machine could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum BringUpError {
    /// No thread for drivers.
    #[error("cannot look for devices")]
    Devices(#[source] std::io::Error),
    /// No network.
    #[error("cannot set up the network")]
    Network(#[from] network::NetworkError),
}

/// Loads drivers for what the machine has, and sets up the network. Drivers for devices that appear later are loaded
/// by a thread that stays.
///
/// # Errors
/// If the network cannot be set up: nothing can be told to the controller then.
pub fn bring_up(network: Option<&Network>) -> Result<(), BringUpError> {
    let settled = drivers::start().map_err(BringUpError::Devices)?;
    match network {
        Some(network) => network::bring_up(network)?,
        None => tracing::warn!("the kernel command line has no hostler.mac=: the network stays as it is"),
    }
    // A disk that a driver has yet to find must not be missed by a wipe.
    if settled.recv_timeout(SETTLE).is_err() {
        tracing::warn!("devices are still appearing after {} s; goes on", SETTLE.as_secs());
    }
    mounts::late();
    Ok(())
}
