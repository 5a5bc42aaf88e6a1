//! One whole machine: controller, chassis, mainboard, firmware, disks, and the real agent.
//!
//! ```text
//!            BMC ----> chassis ----> mainboard: while the power is on
//!                                        firmware -- kernel --> agent in the ramdisk
//!                                           |  ^                     | kexec
//!                                  disk     |  | restart             v
//!                                           +--------------> agent of the deployed system
//! ```
//!
//! Whatever runs is dropped the moment the power goes, at any point; only what is on the disks and in the controller
//! survives.

mod console;
mod impostor;
mod life;
mod mainboard;
mod plug;
mod sim;
mod stage;

pub use console::Console;
pub use impostor::Impostor;
pub use sim::{SimMachine, Site};
pub use stage::Stage;
