//! The controller of a lab: set up and run as an administrator would, on the ports that the protocols have.

use crate::command::run;
use crate::layout;
use crate::namespace::Namespace;
use crate::network::BOOT_BRIDGE;
use crate::process::{self, Process};
use crate::room::{Arch, SERVER};
use anyhow::Context as _;
use hostler_checkout::programs::Programs;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A controller's directory in a namespace.
#[derive(Clone, Debug)]
pub(crate) struct Controller {
    dir: PathBuf,
    namespace: Namespace,
    programs: Programs,
}

impl Controller {
    pub(crate) fn new(dir: PathBuf, namespace: Namespace, programs: Programs) -> Self {
        Self { dir, namespace, programs }
    }

    /// Makes the directory with `hostlerd init`, and changes `settings` of its configuration.
    pub(crate) fn create(&self, settings: &toml::Table) -> anyhow::Result<()> {
        let mut init = self.namespace.command(self.programs.path("hostlerd"));
        init.arg("init").arg(&self.dir);
        init.args(["--listen", &format!("{SERVER}:7443"), "--boot-server", &SERVER.to_string()]);
        run(&mut init)?;
        let path = self.config();
        let mut config: toml::Table = std::fs::read_to_string(&path)?.parse().context("hostlerd.toml")?;
        merge(&mut config, &own_settings());
        merge(&mut config, settings);
        layout::write(&path, config.to_string())
    }

    /// Starts `hostlerd` and waits until it answers.
    pub(crate) fn start(&self) -> anyhow::Result<()> {
        if self.process().is_some() {
            return Ok(());
        }
        let mut hostlerd = self.namespace.command(self.programs.path("hostlerd"));
        hostlerd.args(["serve", "--config"]).arg(self.config());
        let process = process::spawn(&mut hostlerd, &self.log())?;
        process.save(&self.record())?;
        crate::wait::until("hostlerd to answer", Duration::from_secs(60), || {
            anyhow::ensure!(process.is_alive(), "hostlerd ended; its log is {}", self.log().display());
            let asked = self.hostler(["--retry-for", "1s", "node", "list"]).output()?;
            Ok(asked.status.success().then_some(()))
        })
    }

    /// Ends it as the loss of power would.
    pub(crate) fn kill(&self) -> anyhow::Result<()> {
        self.process().map_or(Ok(()), Process::kill)
    }

    pub(crate) fn process(&self) -> Option<Process> {
        Process::load(&self.record()).filter(|process| process.is_alive())
    }

    /// The command line, as the administrator.
    pub(crate) fn hostler<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut hostler = self.namespace.command(self.programs.path("hostler"));
        hostler.args(args).env("HOSTLER_CREDENTIALS", self.dir.join("admin.toml"));
        hostler
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("hostlerd.log")
    }

    fn config(&self) -> PathBuf {
        self.dir.join("hostlerd.toml")
    }

    fn record(&self) -> PathBuf {
        self.dir.join("process.json")
    }
}

/// What an administrator of this room would change: DHCP is answered in the boot network only, and kernels write to
/// the consoles that are recorded.
fn own_settings() -> toml::Table {
    let consoles = Arch::ALL.map(|arch| (arch.name().to_owned(), toml::Value::from(arch.console())));
    let mut boot = toml::Table::new();
    boot.insert("interface".to_owned(), BOOT_BRIDGE.into());
    boot.insert("console".to_owned(), toml::Table::from_iter(consoles).into());
    toml::Table::from_iter([("boot".to_owned(), boot.into())])
}

/// Puts `changes` into `table`; tables in it are merged in turn.
fn merge(table: &mut toml::Table, changes: &toml::Table) {
    for (key, change) in changes {
        match (table.get_mut(key), change) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            _ => {
                table.insert(key.clone(), change.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_changed_one_by_one() {
        let mut table: toml::Table = "[boot]\nserver = \"a\"\nretry_s = 10\n".parse().unwrap();
        merge(&mut table, &"[boot]\nretry_s = 1\n[timing]\nsilence_ms = 5\n".parse().unwrap());
        let expected: toml::Table =
            "[boot]\nserver = \"a\"\nretry_s = 1\n[timing]\nsilence_ms = 5\n".parse().unwrap();
        assert_eq!(table, expected);
    }
}
