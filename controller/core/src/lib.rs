//! The decisions of Hostler. Pure and synchronous: no I/O, no clock, no randomness.

pub mod boot;
pub mod hardware;
pub mod ids;
