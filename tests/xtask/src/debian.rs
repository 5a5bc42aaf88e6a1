//! Packages of Debian and Ubuntu.

use anyhow::{Context as _, bail};
use std::process::Command;

/// Seconds for which another installation may hold the lock.
const LOCK: &str = "DPkg::Lock::Timeout=300";

/// Installs those that are not there.
///
/// # Errors
/// If some are missing and this is not root, or if apt-get fails.
pub fn install(packages: &[&str]) -> anyhow::Result<()> {
    let missing: Vec<_> = packages.iter().copied().filter(|p| !is_installed(p)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("--setup installs {} and has to be root for that", missing.join(", "));
    }
    eprintln!("==> setup: {}", missing.join(", "));
    run(Command::new("apt-get").args(["-o", LOCK, "update", "-q"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["-o", LOCK, "install", "-y", "-q", "--no-install-recommends"]);
    run(install.args(missing))
}

fn is_installed(package: &str) -> bool {
    let query = Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]).output();
    query.is_ok_and(|o| o.status.success() && o.stdout == b"installed")
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}
