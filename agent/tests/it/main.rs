//! The agent against a controller that speaks the real protocol over loopback, on a machine with disks that are files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ahead;
mod deploy;
mod device;
mod diskless;
mod enrol;
mod files;
mod output;
mod processes;
mod prove;
mod session;
mod support;
mod wipe;
