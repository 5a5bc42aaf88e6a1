//! The core's scheduler on a workload under virtual time, beside what others do.
//!
//! * [`workload`]: what is asked for. [`simulate`]: time passes. [`mod@metrics`]: what came of it.
//! * [`ours`]: the core's scheduler, as it is. [`peers`]: what others do, here only.
//! * [`passes`]: what a pass costs. [`decisions`]: what it costs with the world around it.

pub mod decisions;
pub mod metrics;
pub mod ours;
pub mod passes;
pub mod peers;
pub mod simulate;
pub mod workload;

use crate::figure::Figure;
use hostler_core::schedule::Policy;
use metrics::Metrics;
use ours::Ours;
use peers::{Peer, Reference};
use simulate::Discipline;
use workload::{Job, MACHINES};

const BENCH: &str = "schedule";

/// Workloads that are shaken, where that is asked for.
const SHAKEN: u64 = 10;

/// What is to be found out.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is asked for, at any load.
    pub jobs: Vec<Job>,
    /// Offered loads of the busiest architecture.
    pub loads: Vec<f64>,
    /// Also with shaken workloads.
    pub full: bool,
    /// Also what others do.
    pub peers: bool,
    /// How many machines passes are timed with.
    pub nodes: Vec<u32>,
}

/// Lets the workload through at each load, with the limits as they are and with none to speak of.
///
/// # Errors
/// If the core refuses what it is measured with.
pub fn run(options: &Options) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (prefix, jobs) in [("", options.jobs.clone()), ("flat6h/", workload::flat(&options.jobs))] {
        for load in &options.loads {
            let name = format!("{prefix}load{load:.2}");
            println!("{name}");
            figures.extend(one_load(&name, &workload::at_load(&jobs, *load), options.peers));
            if options.full {
                figures.extend(shaken(&name, &jobs, *load));
            }
        }
    }
    for nodes in &options.nodes {
        println!("passes with {nodes} nodes");
        figures.extend(passes::figures(BENCH, &options.jobs, *nodes));
        figures.extend(decisions::figures(BENCH, &options.jobs, *nodes)?);
    }
    Ok(figures)
}

fn metrics(jobs: &[Job], discipline: &mut dyn Discipline) -> Metrics {
    Metrics::of(jobs, &simulate::run(jobs, discipline))
}

fn one_load(name: &str, jobs: &[Job], with_peers: bool) -> Vec<Figure> {
    let policy = Policy::default();
    let ours = metrics(jobs, &mut Ours::new(policy, MACHINES));
    let free = metrics(jobs, &mut Ours::new(Policy { promises: 0, ..policy }, MACHINES));
    let equal = Policy { fairness: 0.0, further: 0.0, ..policy };
    let mut peers = vec![("without shares", metrics(jobs, &mut Ours::new(equal, MACHINES)))];
    for peer in Peer::ALL.into_iter().filter(|_| with_peers) {
        println!("  {}", peer.name());
        peers.push((peer.name(), metrics(jobs, &mut Reference::new(peer))));
    }
    let mut figures = Vec::new();
    for (index, (metric, value, unit)) in ours.named().into_iter().enumerate() {
        let figure = Figure::new(BENCH, format!("{name}/{metric}"), value, unit);
        // Nobody else promises anything, and of nothing there is no ratio.
        let others = peers.iter().map(|(peer, metrics)| (*peer, metrics.named()[index].1));
        let others: Vec<_> =
            others.filter(|(_, value)| metric != "promises_kept_pct" && *value > 0.0).collect();
        if others.is_empty() {
            figures.push(figure);
        } else {
            figures.extend(others.iter().map(|(peer, value)| figure.clone().against(peer, *value)));
        }
    }
    let cost = 100.0 * (ours.mean_wait_h / free.mean_wait_h - 1.0);
    figures.push(Figure::new(BENCH, format!("{name}/promises_cost_pct_of_mean"), cost, "%"));
    figures
}

/// The means over shaken workloads, and the worst of the longest waits.
fn shaken(name: &str, jobs: &[Job], load: f64) -> Vec<Figure> {
    let all: Vec<Metrics> = (1..=SHAKEN)
        .map(|seed| workload::at_load(&workload::perturbed(jobs, seed), load))
        .map(|jobs| metrics(&jobs, &mut Ours::new(Policy::default(), MACHINES)))
        .collect();
    let mut figures = Vec::new();
    for (index, (metric, _, unit)) in Metrics::default().named().into_iter().enumerate() {
        let values: Vec<f64> = all.iter().map(|metrics| metrics.named()[index].1).collect();
        figures.push(Figure::new(BENCH, format!("{name}/shaken/{metric}"), metrics::mean(&values), unit));
    }
    let worst = all.iter().map(|metrics| metrics.max_wait_h).fold(0.0, f64::max);
    figures.push(Figure::new(BENCH, format!("{name}/shaken/worst_max_wait_h"), worst, "h"));
    figures
}
