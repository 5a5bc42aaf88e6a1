//! `lab`: boots of emulated machines, beside dnsmasq.

use clap::Parser;
use hostler_bench::{figure, lab};
use hostler_checkout::programs::Programs;
use std::process::ExitCode;

#[derive(Debug, Parser)]
struct Args {
    /// Boots with each server.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    figure::print(&lab::run(args.pairs, &Programs::build(true)?)?)
}
