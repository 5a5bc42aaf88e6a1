//! One file for each command: its arguments, its help, what it does.

pub(crate) mod account;
pub(crate) mod apply;
pub(crate) mod completions;
mod confirm;
pub(crate) mod controller;
pub(crate) mod events;
pub(crate) mod image;
pub(crate) mod lease;
pub(crate) mod node;
pub(crate) mod pool;
mod private_file;
pub(crate) mod reservation;
pub(crate) mod run;
pub(crate) mod tenant;
