//! `hostler-lab`: what a lab's own processes call.

use clap::{Parser, Subcommand, ValueEnum};
use hostler_lab::layout::Layout;
use hostler_lab::machine::{Machine, chassis};
use hostler_lab::room::Arch;
use hostler_lab::setup::foreign::Foreign;
use hostler_lab::{guard, image};
use std::path::PathBuf;
use std::process::ExitCode;

/// Helpers of the emulated lab. People use `cargo xtask lab`.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Press the buttons of a machine; BMCs call this.
    Chassis {
        /// The machine's directory.
        dir: PathBuf,
        /// `get WHAT…` or `set WHAT VALUE…`.
        #[arg(trailing_var_arg = true, required = true)]
        words: Vec<String>,
    },
    /// Build an image for the machines of a lab.
    Image {
        /// Which.
        kind: ImageKind,
        #[arg(long, value_parser = Arch::parse)]
        arch: Arch,
        /// Where to; compressed if the name ends in .zst.
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Take a lab down when standard input ends.
    Guard {
        /// Its name.
        lab: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ImageKind {
    /// Busybox and a kernel.
    Tiny,
    /// The same in a ramdisk, which needs no disk; the kernel is that of the package in the cache.
    Live,
    /// Debian with systemd; x86_64 only.
    Debian,
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostler-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Chassis { dir, words } => {
            print!("{}", chassis::control(&Machine::load(&dir)?, &words)?);
            Ok(())
        }
        Command::Image { kind, arch, output } => {
            let kind = match kind {
                ImageKind::Tiny => image::Kind::Tiny,
                ImageKind::Live => image::Kind::Live,
                ImageKind::Debian => image::Kind::Debian,
            };
            image::build(&Foreign::new(&Layout::new()), kind, arch, &std::path::absolute(output)?)
        }
        Command::Guard { lab } => guard::keep_watch(&lab),
    }
}
