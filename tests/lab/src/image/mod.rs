//! Images for the machines of a lab, built without loop devices and mounts: nothing of a build can be left behind but
//! files.
//!
//! * [`tiny`] busybox and a kernel: seconds to build, seconds to write.
//! * [`live`] the same in a ramdisk, for machines that start without a disk.
//! * [`debian`] a real distribution with systemd.
//! * [`disk`] partitions and boot loaders.

mod debian;
mod disk;
mod initrd;
mod live;
mod tiny;
mod tree;

use crate::command::run;
use crate::layout::{self, Layout};
use crate::room::Arch;
use crate::setup::foreign::Foreign;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What an image has on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Busybox, and the agent once it was deployed.
    Tiny,
    /// A ramdisk that has all of `Tiny`; its kernel is that of the package.
    Live,
    /// Debian with systemd, networkd and sshd. x86_64 only: other architectures would have to be configured under
    /// emulation, which takes half an hour.
    Debian,
}

/// An image in the cache, which is built unless it is there.
///
/// # Errors
/// If it cannot be built.
pub fn cached(layout: &Layout, kind: Kind, arch: Arch) -> anyhow::Result<PathBuf> {
    let name = match kind {
        Kind::Tiny => format!("tiny-{}.raw.zst", arch.name()),
        Kind::Live => format!("live-{}.cpio.gz", arch.name()),
        Kind::Debian => format!("debian-{}.raw.zst", arch.name()),
    };
    // What an image is made of is in this program.
    let program = std::env::current_exe()?;
    let image = layout.cache().join("images").join(name);
    let modified = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let fresh = kind == Kind::Debian || modified(&image) > modified(&program);
    if !image.exists() || !fresh {
        build(&Foreign::new(layout), kind, arch, &image)?;
    }
    Ok(image)
}

/// Builds an image; compressed if its name ends in `.zst`.
///
/// # Errors
/// If a part is missing or a program fails.
pub fn build(foreign: &Foreign, kind: Kind, arch: Arch, output: &Path) -> anyhow::Result<()> {
    crate::say(&format!("building {}", output.display()));
    let name = output.file_name().context("the image has no name")?.to_string_lossy().into_owned();
    let work = output.with_file_name(format!(".{name}.work"));
    // What an interrupted build left.
    let _ = std::fs::remove_dir_all(&work);
    layout::make_dir(&work)?;
    let built = build_in(foreign, kind, arch, &work, output);
    std::fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    built
}

fn build_in(foreign: &Foreign, kind: Kind, arch: Arch, work: &Path, output: &Path) -> anyhow::Result<()> {
    let (tree, raw, done) = (work.join("tree"), work.join("image.raw"), work.join("image.done"));
    match kind {
        Kind::Tiny => tiny::fill(foreign, arch, work, &tree)?,
        Kind::Live => {
            live::build(foreign, arch, &tree, &done)?;
            return put_in_place(&done, output);
        }
        Kind::Debian if arch == Arch::X86_64 => debian::fill(&tree)?,
        Kind::Debian => bail!("the Debian image is for x86_64 only"),
    }
    disk::assemble(foreign, arch, work, &tree, &raw)?;
    if output.extension().is_some_and(|extension| extension == "zst") {
        run(Command::new("zstd").args(["-q", "-3", "-T0", "-f"]).arg(&raw).arg("-o").arg(&done))?;
    } else {
        std::fs::rename(&raw, &done)?;
    }
    put_in_place(&done, output)
}

/// Whoever looks for it meanwhile sees the old one or the new one.
fn put_in_place(done: &Path, output: &Path) -> anyhow::Result<()> {
    std::fs::rename(done, output).with_context(|| format!("cannot make {}", output.display()))
}
