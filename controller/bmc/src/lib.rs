//! RMCP+ (IPMI 2.0 over LAN) for a controller of many machines.
//!
//! * [`Session`]: opens, asks, closes. [`operations`] is what it is used for, [`command`] what can be asked.
//! * [`Target`], [`Timing`], [`Permit`]: whom, how patiently, and for how long. [`Error`]: what a caller decides by.
//! * [`packet`], [`crypto`]: what is on the wire, for both ends.
//!
//! What it insists on, because networks lose packets and controllers lie:
//!
//! * Both sides prove that they know the password, each packet is authenticated and encrypted, and the algorithms are
//!   those that were asked for.
//! * Every datagram is repeated until it is answered, within a deadline; each repetition has a sequence number of its
//!   own. What must not happen twice is not repeated.
//! * An answer is believed once, and only for the request that it belongs to.
//! * A session is closed, also when its owner is cancelled.
//! * No datagram panics it.

pub mod command;
pub mod crypto;
pub mod operations;
pub mod packet;

mod credentials;
mod error;
mod link;
mod session;
mod suite;
mod target;

pub use command::{BootDevice, BootFlags, ChassisControl, ChassisStatus, DeviceId, SystemGuid};
pub use credentials::{InvalidCredential, Privilege, Secret, UserName};
pub use error::{AuthenticationFailure, Error};
pub use session::Session;
pub use suite::CipherSuite;
pub use target::{Permit, Target, Timing};
