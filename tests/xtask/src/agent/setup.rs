//! The compilers, linkers and libraries that the builds need.

use super::target::Target;
use anyhow::{Context as _, bail};
use hostler_checkout::debian;
use std::path::Path;
use std::process::Command;

/// Installs what is missing, or says what is and how to get it.
pub(super) fn require(targets: &[&Target], install: bool) -> anyhow::Result<()> {
    let packages: Vec<String> = targets.iter().flat_map(|target| target.packages()).collect();
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    if install {
        debian::install(&packages)?;
    } else {
        let gccs = targets.iter().filter_map(|target| target.cross_gcc());
        let missing: Vec<String> = gccs.filter(|gcc| !runs(gcc)).collect();
        if !missing.is_empty() {
            bail!(
                "{} not found: `cargo xtask agent --setup` installs it on Debian and Ubuntu (apt-get install {})",
                missing.join(" and "),
                packages.join(" ")
            );
        }
    }
    let missing: Vec<&str> =
        targets.iter().map(|t| t.triple).filter(|triple| !has_standard_library(triple)).collect();
    match missing.as_slice() {
        [] => Ok(()),
        triples if install => add_targets(triples),
        triples => bail!(
            "rustc has no standard library for {}: `cargo xtask agent --setup` installs it (rustup target add {})",
            triples.join(" and "),
            triples.join(" ")
        ),
    }
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn has_standard_library(triple: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", triple]).output();
    output.is_ok_and(|o| Path::new(String::from_utf8_lossy(&o.stdout).trim()).is_dir())
}

fn add_targets(triples: &[&str]) -> anyhow::Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add"]).args(triples);
    let status = rustup.status().context("cannot start rustup, which adds standard libraries to rustc")?;
    if status.success() { Ok(()) } else { bail!("{rustup:?} ended with {status}") }
}
