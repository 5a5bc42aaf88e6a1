//! The demo: what a new user runs first. It starts processes and calls the command line; each step goes through
//! production code.

mod board;
mod phases;
mod residue;
mod script;

use anyhow::Context as _;
use board::Board;
use clap::Parser;
use hostler_checkout::programs::Programs;
use phases::Phases;
use script::{Cli, say};
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use xtask::artefacts::{self, Scale};
use xtask::fleet::Fleet;
use xtask::installation::{Installation, Waits};

/// What the demo leases.
const GROUP: [&str; 3] = ["server=2:x86_64", "arm=1:aarch64", "power=1:ppc64le"];

/// How long the room may take to be ready, and the lease to become active.
const PATIENCE: &str = "15m";

#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Simulated machines; 12 have every kind that the demo leases.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(4..=2000))]
    machines: u32,
    /// Leave everything running, and print the commands to explore with.
    #[arg(long)]
    keep: bool,
    /// Print one line of JSON at the end, and nothing else on standard output.
    #[arg(long)]
    json: bool,
    /// Use this directory, which must be new, instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Use optimised programs; they take longer to build.
    #[arg(long)]
    release: bool,
}

/// Runs it; true if everything went well.
pub(crate) fn run(args: &Args) -> anyhow::Result<bool> {
    say("building");
    let binaries = Programs::build(args.release)?;
    let started = Instant::now();
    let (dir, temporary) = directory(args)?;
    let mut demo = Demo::start(args, &dir, &binaries)?;
    let outcome = demo.play();
    let ok = match &outcome {
        Ok(story) => story.ok(),
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            eprintln!("the log of the controller is {}", demo.installation.log().display());
            false
        }
    };
    if args.json {
        println!("{}", outcome.map_or_else(|_| json!({"ok": false}), |s| s.json(args.machines, started)));
    } else if ok {
        say(&format!("all went well, in {:.1} s", started.elapsed().as_secs_f64()));
    }
    if args.keep {
        demo.leave_running();
    } else {
        demo.end()?;
    }
    if ok && !args.keep {
        drop(temporary);
    } else if let Some(temporary) = temporary {
        eprintln!("kept: {}", temporary.keep().display());
    }
    Ok(ok)
}

fn directory(args: &Args) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    match &args.dir {
        Some(dir) => Ok((std::path::absolute(dir)?, None)),
        None => {
            let temporary = tempfile::Builder::new().prefix("hostler-demo-").tempdir()?;
            Ok((temporary.path().to_owned(), Some(temporary)))
        }
    }
}

/// The processes of the demo.
struct Demo {
    installation: Installation,
    fleet: Fleet,
    admin: Cli,
    tenant: Cli,
    live: bool,
    quiet: bool,
}

/// What happened.
struct Story {
    leased: Vec<(String, String)>,
    passed: u64,
    failed: u64,
    clean: bool,
    phases: Phases,
}

impl Demo {
    fn start(args: &Args, dir: &Path, binaries: &Programs) -> anyhow::Result<Self> {
        say(&format!("starting hostlerd in {}", dir.display()));
        let mut installation =
            Installation::create(&dir.join("controller"), binaries, Waits::default(), Scale::Demo)?;
        installation.start()?;
        say(&format!("starting {} simulated machines", args.machines));
        let fleet =
            Fleet::start(binaries, &dir.join("fleet"), args.machines, installation.ports(), args.keep)?;
        let credential = dir.join("ci.toml");
        let admin = Cli::new(&installation, &installation.admin());
        let tenant = Cli::new(&installation, &credential);
        admin.quiet(["tenant", "add", "ci", "--write", &credential.to_string_lossy()])?;
        for (arch, path) in artefacts::images(dir, Scale::Demo)? {
            admin.quiet(["image", "add", "--name", "demo", "--arch", arch, &path.to_string_lossy()])?;
        }
        let live = std::io::stderr().is_terminal() && !args.json;
        Ok(Self { installation, fleet, admin, tenant, live, quiet: args.json })
    }

    fn play(&mut self) -> anyhow::Result<Story> {
        let mut phases = Phases::default();
        say("registering them: hostler apply -f machines.toml");
        self.admin.quiet(["apply", "-f", &self.fleet.apply_file().to_string_lossy()])?;
        Board::new(self.live).until_all_ready(&self.admin)?;
        phases.add_nodes(&self.admin.json(["node", "list"])?);

        say(&format!("as a CI job: hostler lease request {} --image demo --wait", GROUP.join(" ")));
        let lease = self.lease()?;
        let id = lease["id"].as_u64().context("the lease has no id")?.to_string();
        let leased = leased(&lease);

        say(&format!("hostler run {id} --script payload.sh --junit '*.xml'"));
        let (passed, failed) = self.payload(&id)?;
        let soiled = residue::search(&self.fleet, leased.iter().map(|(node, _)| node.as_str()))?;
        phases.add_lease(&self.tenant.json(["lease", "show", &id])?);

        say(&format!("hostler lease release {id}"));
        self.tenant.quiet(["lease", "release", &id])?;
        Board::new(self.live).until_all_ready(&self.admin)?;
        phases.add_leased_nodes(&self.admin.json(["node", "list"])?, &leased);
        let left = residue::search(&self.fleet, leased.iter().map(|(node, _)| node.as_str()))?;
        let clean = soiled == leased.len() && left == 0;
        say(&format!("the tenant's pattern was on {soiled} disks before the wipe, and is on {left} now"));
        if !self.quiet {
            print!("\n{}", phases.table());
        }
        Ok(Story { leased, passed, failed, clean, phases })
    }

    fn lease(&self) -> anyhow::Result<Value> {
        let key = format!("demo-{}", std::process::id());
        let request =
            ["lease", "request", "--image", "demo", "--max-wait", PATIENCE, "--idempotency-key", &key];
        self.tenant.shown(request.iter().chain(&GROUP).chain(&["--wait"]), self.quiet)?;
        // The same key is the same lease: this only asks for it in a form for programs.
        let lease = self.tenant.json(request.iter().chain(&GROUP))?;
        let id = lease["id"].as_u64().context("the lease has no id")?.to_string();
        self.tenant.json(["lease", "show", &id])
    }

    /// Tests that passed and failed, by the JUnit files that came back.
    fn payload(&self, lease: &str) -> anyhow::Result<(u64, u64)> {
        let script = self.installation.dir().join("payload.sh");
        std::fs::write(&script, include_str!("payload.sh"))?;
        let (script, results) = (script.to_string_lossy(), self.installation.dir().join("results"));
        let results = results.to_string_lossy();
        let run = ["run", lease, "--script", &script, "--junit", "*.xml", "--idempotency-key", "demo"];
        self.tenant.shown(run.iter().chain(&["--results", &results]), self.quiet)?;
        let finished = self.tenant.last_json_line(run)?;
        let tasks = finished["run"]["tasks"].as_array().cloned().unwrap_or_default();
        let sum = |key: &str| tasks.iter().filter_map(|t| t["junit"][key].as_u64()).sum::<u64>();
        let failed = sum("failures") + sum("errors");
        Ok((sum("tests") - failed, failed))
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.fleet.stop()?;
        self.installation.stop()?;
        Ok(())
    }

    fn leave_running(mut self) {
        let controller = self.installation.pid().unwrap_or(0);
        let fleet = self.fleet.keep();
        let hostler = self.installation.binaries().path("hostler");
        eprintln!("\neverything is left running; explore with");
        eprintln!("  export HOSTLER_CREDENTIALS={}", self.installation.admin().display());
        for command in ["node list", "node list --watch", "node show r1-n01", "events", "lease list --all"] {
            eprintln!("  {} {command}", hostler.display());
        }
        eprintln!("  {} lease request 3:x86_64 --image demo --wait", hostler.display());
        eprintln!("and end it with\n  kill {controller} {fleet}");
        self.installation.keep();
    }
}

impl Story {
    fn ok(&self) -> bool {
        self.clean && self.leased.len() == 4 && self.passed > 0 && self.failed == 0
    }

    fn json(&self, machines: u32, started: Instant) -> Value {
        let leased: Vec<_> =
            self.leased.iter().map(|(node, arch)| json!({"node": node, "arch": arch})).collect();
        json!({
            "ok": self.ok(),
            "machines": machines,
            "leased": leased,
            "payload": {"passed": self.passed, "failed": self.failed},
            "phases": self.phases.json(),
            "total_s": (started.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        })
    }
}

fn leased(lease: &Value) -> Vec<(String, String)> {
    let text = |node: &Value, key: &str| node[key].as_str().unwrap_or_default().to_owned();
    lease["nodes"].as_array().into_iter().flatten().map(|n| (text(n, "name"), text(n, "arch"))).collect()
}
