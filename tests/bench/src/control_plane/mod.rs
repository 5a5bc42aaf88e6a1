//! The control-plane rate: leases and releases, each with everything that the controller does for it, on machines that
//! answer at once.
//!
//! * [`controller`] is the controller, in a process of its own.
//! * [`evidence`] is what it has in the place of machines: it answers each power attempt with the complete evidence of
//!   the boot, through the inbox that all inputs take.
//! * [`load`] is the clients, in this process.

pub mod controller;
pub mod evidence;
pub mod load;

use crate::engine::Engine;
use crate::figure::Figure;
use crate::process;
use controller::Controller;
use evidence::{INPUTS_PER_CYCLE, Pace};
use hostler_checkout::programs::Programs;
use load::{Load, Outcome};
use std::path::PathBuf;
use std::time::Duration;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the figures are of.
    pub bench: &'static str,
    /// Registered machines.
    pub nodes: u32,
    /// Concurrent clients, one measurement for each.
    pub clients: Vec<u32>,
    /// How long each measurement takes.
    pub span: Duration,
    /// How machines answer.
    pub pace: Pace,
    /// Where the controller keeps its state.
    pub engine: Engine,
    /// Where the controller's directory is made.
    pub dir: PathBuf,
}

/// Cycles per second of Duffy, a lease service of the same kind, on a computer of this size. Measured elsewhere, not
/// in this run; `docs/benchmarks.md` tells how.
const DUFFY: f64 = 2.0;

/// Before anything counts.
const WARM_UP: Duration = Duration::from_secs(2);

/// The name of this benchmark.
pub const BENCH: &str = "control-plane";

/// Measures; each number of clients gets a controller and a database of its own.
///
/// # Errors
/// If anything goes wrong: a rate with errors in it is none.
pub async fn run(options: &Options, binaries: &Programs) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for &clients in &options.clients {
        let dir = options.dir.join(format!("clients-{clients}"));
        let store = tokio::task::block_in_place(|| options.engine.store(&dir.join("server")))?;
        let url = store.url.as_deref();
        let controller = Controller::start(&dir, binaries, options.nodes, options.pace, url).await?;
        let load = Load { clients, warm_up: WARM_UP, span: options.span };
        let (nodes, span, engine) = (options.nodes, options.span, options.engine.name());
        eprintln!("control plane: {nodes} nodes, {clients} clients, {span:?}, {engine}");
        let before = Processors::now(controller.pid())?;
        let outcome = load.run(controller.tenant()).await?;
        let used = Processors::now(controller.pid())?.since(before);
        let peak = process::memory(controller.pid())?.peak;
        figures.extend(report(options, clients, &outcome, used, peak));
        controller.stop().await?;
    }
    Ok(figures)
}

fn report(options: &Options, clients: u32, outcome: &Outcome, used: Processors, peak: u64) -> Vec<Figure> {
    let (pace, engine) = (options.pace.suffix(), options.engine.suffix());
    let figure = |what: &str, value: f64, unit| {
        Figure::new(options.bench, format!("{what}, {clients} clients{pace}{engine}"), value, unit)
    };
    let rate = outcome.rate();
    let milliseconds = |p: f64| outcome.percentile(p).as_secs_f64() * 1e3;
    let per_cycle = |time: Duration| time.as_secs_f64() * 1e6 / outcome.all as f64;
    vec![
        figure("lease and release cycles", rate, "cycles/s").against("duffy", DUFFY),
        figure("inputs", rate * INPUTS_PER_CYCLE as f64, "inputs/s"),
        figure("cycle p50", milliseconds(0.50), "ms"),
        figure("cycle p99", milliseconds(0.99), "ms"),
        figure("processor time of hostlerd", per_cycle(used.controller), "µs/cycle"),
        figure("processor time of the clients", per_cycle(used.clients), "µs/cycle"),
        figure(
            "processors that others had",
            used.others().as_secs_f64() / (WARM_UP + options.span).as_secs_f64(),
            "processors",
        ),
        figure("peak memory of hostlerd", peak as f64 / f64::from(1 << 20), "MiB"),
    ]
}

/// Who had how much processor time.
#[derive(Clone, Copy, Debug)]
struct Processors {
    controller: Duration,
    clients: Duration,
    all: Duration,
}

impl Processors {
    /// Since each began.
    fn now(controller: u32) -> anyhow::Result<Self> {
        Ok(Self {
            controller: process::processor_time(controller)?,
            clients: process::processor_time(std::process::id())?,
            all: process::busy_time()?,
        })
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            controller: self.controller - earlier.controller,
            clients: self.clients - earlier.clients,
            all: self.all - earlier.all,
        }
    }

    /// What the benchmark did not have: the figures of a computer that does something else as well are lower bounds.
    fn others(self) -> Duration {
        self.all.saturating_sub(self.controller + self.clients)
    }
}
