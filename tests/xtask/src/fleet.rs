//! The simulated room, in a process of its own.

use crate::installation::Ports;
use anyhow::{Context as _, bail};
use hostler_checkout::programs::Programs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// `hostler-fleet`, running.
#[derive(Debug)]
pub struct Fleet {
    dir: PathBuf,
    process: Child,
}

impl Fleet {
    /// Starts it and waits until its machines' BMCs answer. Unless it is to be kept, it ends when this process does,
    /// whose end of the pipe it watches.
    ///
    /// # Errors
    /// If it cannot be started or ends at once.
    pub fn start(
        binaries: &Programs,
        dir: &Path,
        machines: u32,
        ports: Ports,
        keep: bool,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let process = Command::new(binaries.path("hostler-fleet"))
            .arg("--dir")
            .arg(dir)
            .args(["--machines", &machines.to_string(), "--server", "127.0.0.1"])
            .args(["--dhcp", &ports.dhcp.to_string(), "--tftp", &ports.tftp.to_string()])
            .stdin(if keep { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(File::create(dir.join("fleet.log"))?)
            .spawn()
            .context("cannot start hostler-fleet")?;
        let mut fleet = Self { dir: dir.to_owned(), process };
        fleet.wait_until_ready()?;
        Ok(fleet)
    }

    /// Its first line says that it is ready.
    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        use std::io::BufRead as _;
        let output = self.process.stdout.take().context("no output")?;
        let mut line = String::new();
        std::io::BufReader::new(output).read_line(&mut line)?;
        if line.is_empty() {
            let log = std::fs::read_to_string(self.dir.join("fleet.log")).unwrap_or_default();
            bail!("hostler-fleet ended: {log}");
        }
        Ok(())
    }

    /// What `hostler apply -f` takes.
    #[must_use]
    pub fn apply_file(&self) -> PathBuf {
        self.dir.join("machines.toml")
    }

    /// The backing files of a machine's disks.
    ///
    /// # Errors
    /// If there is no such machine.
    pub fn disks(&self, node: &str) -> anyhow::Result<Vec<PathBuf>> {
        let dir = self.dir.join(node);
        let entries = std::fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
        let paths = entries.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
        Ok(paths.into_iter().filter(|p| p.extension().is_some_and(|e| e == "disk")).collect())
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Leaves it running; returns its process id.
    #[must_use]
    pub fn keep(self) -> u32 {
        self.process.id()
    }
}
