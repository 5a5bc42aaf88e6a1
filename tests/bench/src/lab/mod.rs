//! Emulated machines with real firmware.
//!
//! * [`boots`]: from power-on to the agent, beside other servers; [`capture`] is what that put on the wire.
//! * [`leases`]: from a request to its payload, and how fast disks are written and wiped on the way, beside `dd`.
//! * [`agent`]: what the agent costs a machine that does nothing.
//!
//! Repeated measurements are told as [`spread`]: the median, and the range.

mod agent;
mod boots;
mod capture;
mod leases;
mod spread;

use crate::figure::Figure;
use hostler_checkout::programs::Programs;

const BENCH: &str = "lab";

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Boots, beside other servers.
    Boots,
    /// Leases, disks, and the agent at rest.
    Leases,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Only this.
    pub only: Option<Part>,
    /// Boots with each server.
    pub pairs: u32,
    /// Leases of each machine.
    pub leases: u32,
    /// Minutes for which the agent is watched.
    pub idle: u64,
}

/// Measures the default room.
///
/// # Errors
/// If a machine does not do what it is asked to.
pub fn run(options: &Options, programs: &Programs) -> anyhow::Result<Vec<Figure>> {
    let wanted = |part| options.only.is_none_or(|only| only == part);
    let mut figures = Vec::new();
    if wanted(Part::Boots) {
        figures.extend(boots::run(options.pairs, programs)?);
    }
    if wanted(Part::Leases) {
        figures.extend(leases::run(options, programs)?);
    }
    Ok(figures)
}
