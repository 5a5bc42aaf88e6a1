//! A room with one machine of each kind, and the servers that it may meet.

pub(crate) mod dnsmasq;
pub(crate) mod hostler;
pub(crate) mod room;
