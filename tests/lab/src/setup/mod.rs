//! What a lab needs of Debian or Ubuntu.
//!
//! * [`tools`] programs and firmware of this host.
//! * [`foreign`] kernels, busybox and loaders of other architectures, which are unpacked and never installed.

pub mod foreign;
pub mod tools;
