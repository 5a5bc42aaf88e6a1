//! What the end-to-end tests share.

pub mod bad_network;
pub mod peers;
