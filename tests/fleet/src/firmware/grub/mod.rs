//! GRUB: what its configurations do, for the commands that Hostler's consist of.

mod files;
mod program;
mod shell;

pub(super) use shell::run;
