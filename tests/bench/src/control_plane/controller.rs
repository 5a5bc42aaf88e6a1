//! The controller under load: this program again, as its command `controller`, with the directory of an installation.

use super::evidence::{Evidence, Pace};
use anyhow::{Context as _, bail};
use hostler_checkout::programs::Programs;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use xtask::artefacts::Scale;
use xtask::installation::{Installation, Waits};

/// Nobody is silent in this benchmark, and nothing that is slow is broken.
const PATIENT: Waits =
    Waits { firmware_ms: 3_600_000, step_ms: 3_600_000, silence_ms: 3_600_000, bmc_ms: 6_000 };

/// A controller with nodes that are all ready.
#[derive(Debug)]
pub struct Controller {
    process: Child,
    pid: u32,
    tenant: PathBuf,
}

/// The hidden commands of programs that measure it.
#[derive(Debug, clap::Subcommand)]
pub enum Part {
    /// The controller that is measured.
    #[command(hide = true)]
    Controller {
        /// Its configuration.
        config: PathBuf,
        /// Machines wait until each piece of evidence is stored.
        #[arg(long)]
        step_by_step: bool,
    },
}

impl Part {
    /// Works until it is ended.
    ///
    /// # Errors
    /// If the controller cannot work.
    pub fn run(&self) -> anyhow::Result<()> {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
        let Self::Controller { config, step_by_step } = self;
        hostlerd::serve_with(config, Evidence::new(Pace::of(*step_by_step)))
    }
}

impl Controller {
    /// Starts it, with its state in the store of this URL or in the default, and registers `nodes` machines.
    ///
    /// # Errors
    /// If any of that does not succeed.
    pub async fn start(
        dir: &Path,
        binaries: &Programs,
        nodes: u32,
        pace: Pace,
        store: Option<&str>,
    ) -> anyhow::Result<Self> {
        let installation = Installation::create(dir, binaries, PATIENT, Scale::Small)?;
        if let Some(url) = store {
            installation.use_store(url)?;
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("controller").arg(installation.config());
        if pace == Pace::StepByStep {
            command.arg("--step-by-step");
        }
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(installation.log())?)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the controller")?;
        let pid = process.id().context("the controller ended at once")?;
        let tenant = dir.join("ci.toml");
        tokio::task::block_in_place(|| furnish(&installation, &tenant, nodes))?;
        Ok(Self { process, pid, tenant })
    }

    /// Its process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// The credentials of a tenant.
    #[must_use]
    pub fn tenant(&self) -> &Path {
        &self.tenant
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }
}

/// A tenant, an image, and nodes.
fn furnish(installation: &Installation, tenant: &Path, nodes: u32) -> anyhow::Result<()> {
    hostler(installation, &["tenant", "add", "ci", "--write", &tenant.to_string_lossy()])?;
    let (image, machines) = (installation.dir().join("image"), installation.dir().join("machines.toml"));
    let mut disk = xtask::artefacts::partition_table();
    // As far as its partition goes.
    disk.resize(256 << 10, 0);
    std::fs::write(&image, disk)?;
    hostler(
        installation,
        &["image", "add", "--name", "bench", "--arch", "x86_64", &image.to_string_lossy()],
    )?;
    std::fs::write(&machines, registration(nodes)?)?;
    hostler(installation, &["apply", "-f", &machines.to_string_lossy()])?;
    until_ready(installation)
}

fn hostler(installation: &Installation, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = installation.hostler().args(arguments).output().context("cannot start hostler")?;
    if !output.status.success() {
        bail!("hostler {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

fn until_ready(installation: &Installation) -> anyhow::Result<()> {
    loop {
        let nodes: serde_json::Value =
            serde_json::from_slice(&hostler(installation, &["node", "list", "--output", "json"])?)?;
        let nodes = nodes.as_array().context("the list of nodes is no list")?;
        if nodes.iter().all(|n| n["state"] == "ready") {
            return Ok(());
        }
        if let Some(failed) = nodes.iter().find(|n| n["state"] == "failed") {
            bail!("a node failed: {failed}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn registration(nodes: u32) -> anyhow::Result<String> {
    let mut text = String::new();
    for n in 1..=nodes {
        let (high, low) = (n / 250, n % 250 + 1);
        write!(
            text,
            r#"[[node]]
name = "n{n}"
arch = "x86_64"
firmware = "uefi"
mac = "52:54:00:00:{high:02x}:{low:02x}"
address = "127.1.{high}.{low}"
serial = "S{n}"
bmc = {{ address = "127.2.{high}.{low}:623", user = "admin", password = "none" }}

"#
        )?;
    }
    Ok(text)
}
