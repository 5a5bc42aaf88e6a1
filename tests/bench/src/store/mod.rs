//! What the store can do: the control-plane rate on each engine, and how long a start takes with much to remember.
//!
//! * [`start`] measures the start.

pub mod start;

use crate::control_plane::{self, evidence::Pace};
use crate::engine::Engine;
use crate::figure::Figure;
use hostler_checkout::programs::Programs;
use std::path::PathBuf;
use std::time::Duration;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// On which engines.
    pub engines: Vec<Engine>,
    /// Concurrent clients, one measurement for each.
    pub clients: Vec<u32>,
    /// Registered machines, for rates.
    pub nodes: u32,
    /// How long each measurement of a rate takes.
    pub span: Duration,
    /// What there is to remember at a start.
    pub memory: start::Memory,
    /// Where directories are made.
    pub dir: PathBuf,
}

/// Measures.
///
/// # Errors
/// If anything goes wrong: a rate with errors in it is none.
pub async fn run(options: &Options, binaries: &Programs) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for &engine in &options.engines {
        let dir = options.dir.join(engine.name());
        let rates = control_plane::Options {
            bench: "store",
            nodes: options.nodes,
            clients: options.clients.clone(),
            span: options.span,
            pace: Pace::AtOnce,
            engine,
            dir: dir.clone(),
        };
        figures.extend(control_plane::run(&rates, binaries).await?);
        figures.extend(start::run(engine, options.memory, &dir.join("start"), binaries).await?);
    }
    Ok(figures)
}
