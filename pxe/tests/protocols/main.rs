//! The boot server as its clients see it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dhcp;
mod http;
mod recorded;
mod support;
mod tftp;
