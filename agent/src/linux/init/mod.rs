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
//! * [`search`]: what is heard of that.
//! * [`network`]: the interface that the kernel command line names.

mod alias;
mod console;
mod drivers;
mod index;
mod mounts;
mod network;
mod search;
mod supervisor;
mod uevents;

pub use search::{Search, SearchEnded};
pub use supervisor::{is_first_of_ramdisk, run};

use crate::params::Network;
use std::time::Duration;

/// How long drivers may take to find their devices before the agent speaks to the controller. It says nothing of disks
/// before the search is over.
const SETTLE: Duration = Duration::from_secs(60);

/// Why the machine could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum BringUpError {
    /// No thread for drivers.
    #[error("cannot look for devices")]
    Devices(#[source] std::io::Error),
    /// Nobody loads drivers any more.
    #[error(transparent)]
    Search(#[from] SearchEnded),
    /// No network.
    #[error("cannot set up the network")]
    Network(#[from] network::NetworkError),
}

/// Loads drivers for what the machine has, and sets up the network. Drivers for devices that appear later are loaded
/// by a thread that stays.
///
/// # Errors
/// If the network cannot be set up: nothing can be told to the controller then. Or if devices cannot be looked for.
pub fn bring_up(network: Option<&Network>) -> Result<Search, BringUpError> {
    let search = drivers::start().map_err(BringUpError::Devices)?;
    let connected = match network {
        Some(network) => network::bring_up(network, &search),
        None => {
            tracing::warn!("the kernel command line has no hostler.mac=: the network stays as it is");
            Ok(())
        }
    };
    // That drivers are not looked for may be why there is no network.
    search.wait(Duration::ZERO)?;
    connected?;
    if !search.wait(SETTLE)? {
        tracing::warn!("devices are still appearing after {} s", SETTLE.as_secs());
    }
    mounts::late();
    Ok(search)
}
