//! The boot server as its clients see it.

mod dhcp;
mod http;
mod support;
mod tftp;
