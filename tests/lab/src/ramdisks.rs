//! Kernels and boot ramdisks of the machines.

use crate::command::run;
use crate::layout::{self, Layout, copy};
use crate::room::Arch;
use crate::setup::foreign::Foreign;
use anyhow::Context as _;
use hostler_checkout::programs::Programs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// Where a lab takes them from.
#[derive(Clone, Debug, Default)]
pub enum Ramdisks {
    /// `hostlerd ramdisk build` makes them from Debian's kernels and the agents in the target directory.
    #[default]
    Built,
    /// A directory that has `kernels/ARCH` and `ramdisks/ARCH`.
    Given(PathBuf),
}

impl Ramdisks {
    /// Puts them into `boot`.
    pub(crate) fn lay_out(
        &self,
        boot: &Path,
        archs: &[Arch],
        layout: &Layout,
        foreign: &Foreign,
        programs: &Programs,
    ) -> anyhow::Result<()> {
        let from = match self {
            Self::Given(dir) => dir.clone(),
            Self::Built => layout.cache().join("boot"),
        };
        for arch in archs {
            if matches!(self, Self::Built) {
                build(*arch, &from, layout, foreign, programs)?;
            }
            for name in ["kernels", "ramdisks"].map(|kind| format!("{kind}/{}", arch.name())) {
                copy(&from.join(&name), &boot.join(&name))?;
            }
        }
        Ok(())
    }
}

/// The directory with `kernels/ARCH` and `ramdisks/ARCH` of `arch`, which are built unless they are there.
///
/// # Errors
/// If a part is missing, or the build fails.
pub fn cached(arch: Arch, layout: &Layout, programs: &Programs) -> anyhow::Result<PathBuf> {
    let boot = layout.cache().join("boot");
    build(arch, &boot, layout, &Foreign::new(layout), programs)?;
    Ok(boot)
}

/// Builds those of one architecture, unless they are newer than all that they are made of.
fn build(
    arch: Arch,
    output: &Path,
    layout: &Layout,
    foreign: &Foreign,
    programs: &Programs,
) -> anyhow::Result<()> {
    let (agent, hostlerd) = (layout.agent(arch), programs.path("hostlerd"));
    layout::exists(&agent).context("the agents are made by `cargo xtask agent`")?;
    let (kernel, _) = foreign.kernel(arch)?;
    let made = output.join("ramdisks").join(arch.name());
    let newest = [&agent, &hostlerd, &kernel].into_iter().filter_map(|path| modified(path)).max();
    if modified(&made).is_some_and(|made| newest.is_some_and(|newest| made > newest)) {
        return Ok(());
    }
    crate::say(&format!("building the ramdisk of {}", arch.name()));
    let mut build = Command::new(hostlerd);
    build.args(["ramdisk", "build", "--arch", arch.name()]);
    build.arg("--root").arg(foreign.kernel_root(arch)).arg("--agent").arg(agent);
    build.arg("--output").arg(output).arg("--shell").arg(foreign.busybox(arch));
    if let Some(root) = foreign.kexec_root(arch) {
        build.arg("--kexec-root").arg(root);
    }
    run(&mut build).map(|_| ())
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}
