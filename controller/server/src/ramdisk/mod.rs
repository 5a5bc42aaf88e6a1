//! `hostlerd ramdisk`: the kernel and the ramdisk that machines are booted with.
//!
//! * [`build`]: puts a ramdisk together.
//! * [`kernel`]: finds a distribution's kernel and knows its kinds of file.
//! * [`modules`], [`drivers`]: which of its modules are wanted, with what they need.
//! * [`program`]: a program with its shared libraries.
//! * [`served`]: whether what is served is for the machines that it is served to.
//! * [`elf`], [`unpack`], [`cpio`]: the formats.

mod build;
pub(crate) mod cpio;
mod drivers;
pub(crate) mod elf;
pub(crate) mod kernel;
mod modules;
mod program;
mod served;
#[cfg(test)]
mod tests;
pub(crate) mod unpack;

pub(crate) use served::problems;

use clap::Subcommand;

/// What can be done with ramdisks.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make kernel and ramdisk for the machines of one architecture.
    #[command(after_help = "Examples:
  hostlerd ramdisk build --arch x86_64 --root / --agent hostler-agent-x86_64 --output /etc/hostler/boot
  dpkg-deb -x linux-image-6.1.0-50-arm64_*.deb arm64 && \\
    hostlerd ramdisk build --arch aarch64 --root arm64 --agent hostler-agent-aarch64 --output /etc/hostler/boot")]
    Build(build::BuildArgs),
}

/// Does it.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Build(args) => build::run(args),
    }
}
