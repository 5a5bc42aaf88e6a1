//! One file for each command: its arguments, its help, what it does.

pub(crate) mod apply;
mod confirm;
pub(crate) mod events;
pub(crate) mod image;
pub(crate) mod lease;
pub(crate) mod node;
pub(crate) mod run;
pub(crate) mod tenant;
