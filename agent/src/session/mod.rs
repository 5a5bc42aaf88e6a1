//! The session with the controller: one mTLS stream in each direction, opened again whenever it breaks.
//!
//! * [`dial`]: from nothing to a stream on which the controller has said Welcome.
//! * [`link`]: such a stream: heartbeats go out by themselves, stale commands do not come in.
//! * [`epoch`]: which controller leads, and [`memory`]: what is known of that after a restart.
//!
//! The session carries messages and repeats none. Each profile knows what its messages mean, and so what has to be
//! said again on a new link.

mod dial;
mod epoch;
mod link;
mod memory;

pub(crate) use dial::{Contact, Dialler};
pub(crate) use link::{Command, Down, Link};
pub(crate) use memory::Memory;
