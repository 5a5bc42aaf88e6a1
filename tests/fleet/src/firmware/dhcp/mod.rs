//! The DHCP clients of firmware and loaders.

mod client;
mod packet;
mod profile;

pub use client::{Lease, lease};
pub use profile::Profile;
