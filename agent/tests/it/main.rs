//! The agent against a controller that speaks the real protocol over loopback, on a machine with disks that are files.

mod deploy;
mod enrol;
mod files;
mod output;
mod processes;
mod session;
mod support;
mod wipe;
