//! Packages of Debian and Ubuntu.

use anyhow::{Context as _, bail};
use std::process::Command;

/// Installs those that are not there. `NAME=VERSION` is installed also where there is another version.
///
/// # Errors
/// If some are missing and this is not root, or if apt-get fails.
pub fn install<S: AsRef<str>>(packages: &[S]) -> anyhow::Result<()> {
    let missing: Vec<_> = packages.iter().map(AsRef::as_ref).filter(|p| !is_installed(p)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("--setup installs {} and has to be root for that", missing.join(", "));
    }
    eprintln!("==> setup: {}", missing.join(", "));
    update();
    run(apt().args(["install", "-y", "-q", "--no-install-recommends", "--allow-downgrades"]).args(missing))
}

/// Asks what can be had: what a host last heard of may be there no more. One list of many may be out of step with its
/// archive; what is really missing shows when it is asked for.
pub fn update() {
    if run(apt().args(["update", "-q"])).is_err() {
        eprintln!("==> setup: apt could not read every list; going on with those that it has");
    }
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    // Another apt may be at work on this host.
    apt.env("DEBIAN_FRONTEND", "noninteractive").args([
        "-o",
        "DPkg::Lock::Timeout=600",
        "-o",
        "Acquire::Retries=3",
    ]);
    apt
}

fn is_installed(package: &str) -> bool {
    let query = Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]).output();
    query.is_ok_and(|o| o.status.success() && o.stdout == b"installed")
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}
