//! Kernels, busybox and loaders of all three architectures, and nginx. They are unpacked into the cache and never installed.

use super::tools::versions;
use crate::command::run;
use crate::layout::{self, Layout};
use crate::room::Arch;
use anyhow::{Context as _, bail};
use hostler_checkout::debian;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What was unpacked.
#[derive(Clone, Debug)]
pub struct Foreign {
    dir: PathBuf,
}

impl Foreign {
    /// In the cache.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self { dir: layout.cache().join("packages") }
    }

    /// The root of an unpacked kernel package: `boot/vmlinu?-VERSION` and `lib/modules/VERSION`.
    #[must_use]
    pub fn kernel_root(&self, arch: Arch) -> PathBuf {
        self.dir.join(format!("kernel-{}", arch.name()))
    }

    /// A static busybox.
    #[must_use]
    pub fn busybox(&self, arch: Arch) -> PathBuf {
        self.dir.join(format!("busybox-{}", arch.name())).join("bin/busybox")
    }

    /// For this host, with libraries that are on every Debian.
    #[must_use]
    pub fn nginx(&self) -> PathBuf {
        self.dir.join("nginx-x86_64/usr/sbin/nginx")
    }

    /// GRUB's modules for a platform, such as `arm64-efi`.
    #[must_use]
    pub fn grub(&self, platform: &str) -> PathBuf {
        match platform {
            "arm64-efi" => self.dir.join("grub-aarch64/usr/lib/grub/arm64-efi"),
            "powerpc-ieee1275" => self.dir.join("grub-ppc64le/usr/lib/grub/powerpc-ieee1275"),
            here => Path::new("/usr/lib/grub").join(here),
        }
    }

    /// The version of the GRUB with modules for a platform, which one of them says.
    ///
    /// # Errors
    /// If it is not there.
    pub fn grub_version(&self, platform: &str) -> anyhow::Result<String> {
        let file = self.grub(platform).join("normal.mod");
        let module = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let texts = module.split(|byte| !byte.is_ascii_graphic()).filter_map(|t| std::str::from_utf8(t).ok());
        let version = |text: &&str| text.starts_with(|c: char| c.is_ascii_digit()) && text.contains("-");
        texts.filter(|text| text.len() > 5).find(version).map(str::to_owned).context("GRUB names no version")
    }

    /// A root with `kexec` and its libraries, for ramdisks of architectures whose kernels need it.
    #[must_use]
    pub fn kexec_root(&self, arch: Arch) -> Option<PathBuf> {
        needs_kexec(arch).then(|| self.dir.join(format!("kexec-{}", arch.name())))
    }

    /// The kernel in [`Self::kernel_root`], and its version.
    ///
    /// # Errors
    /// If there is none.
    pub fn kernel(&self, arch: Arch) -> anyhow::Result<(PathBuf, String)> {
        let boot = self.kernel_root(arch).join("boot");
        for entry in fs::read_dir(&boot).with_context(|| format!("cannot read {}", boot.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(version) = name.strip_prefix("vmlinuz-").or_else(|| name.strip_prefix("vmlinux-")) {
                return Ok((entry.path(), version.to_owned()));
            }
        }
        bail!("{} has no kernel", boot.display())
    }

    /// Says what `room` would need and is not there.
    #[must_use]
    pub fn missing(&self, archs: &[Arch]) -> Vec<String> {
        let all = archs.iter().flat_map(|arch| parts(*arch));
        all.filter(|part| !self.is_complete(part)).map(|part| part.dir).collect()
    }

    /// Fetches and unpacks what is not there.
    ///
    /// # Errors
    /// If apt has no such package, or the disk is full.
    pub fn fetch(&self, archs: &[Arch]) -> anyhow::Result<()> {
        let parts: Vec<_> = archs.iter().flat_map(|arch| parts(*arch)).collect();
        let missing: Vec<_> = parts.into_iter().filter(|part| !self.is_complete(part)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        know_architectures(archs)?;
        for part in missing {
            crate::say(&format!("fetching {} for {}", part.package, part.arch.name()));
            self.fetch_part(&part).with_context(|| format!("{} for {}", part.package, part.arch.name()))?;
        }
        Ok(())
    }

    fn fetch_part(&self, part: &Part) -> anyhow::Result<()> {
        let (dir, fetched) = (self.dir.join(&part.dir), self.dir.join("fetched"));
        // What an interrupted run left.
        let _ = fs::remove_dir_all(&dir);
        let _ = fs::remove_dir_all(&fetched);
        layout::make_dir(&fetched)?;
        download(part, &fetched)?;
        for entry in fs::read_dir(&fetched)? {
            run(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(&dir))?;
        }
        if part.package.starts_with("linux-image") {
            let (_, version) = self.kernel(part.arch)?;
            // The package leaves this to its installation.
            run(Command::new("depmod").arg("-b").arg(&dir).arg(version).env("PATH", crate::PATH))?;
        }
        fs::remove_dir_all(&fetched)?;
        fs::write(self.complete(part), "")?;
        Ok(())
    }

    fn is_complete(&self, part: &Part) -> bool {
        self.complete(part).exists()
    }

    fn complete(&self, part: &Part) -> PathBuf {
        self.dir.join(format!("{}.complete", part.dir))
    }
}

/// One package and where it is unpacked.
struct Part {
    package: &'static str,
    arch: Arch,
    dir: String,
}

fn parts(arch: Arch) -> Vec<Part> {
    let (kernel, (what, more)) = match arch {
        Arch::X86_64 => ("linux-image-amd64", ("nginx", "nginx")),
        Arch::Aarch64 => ("linux-image-arm64", ("grub", "grub-efi-arm64-bin")),
        Arch::Ppc64le => ("linux-image-powerpc64le", ("grub", "grub-ieee1275-bin")),
    };
    let part = |what: &str, package| Part { package, arch, dir: format!("{what}-{}", arch.name()) };
    let mut parts = vec![part("kernel", kernel), part("busybox", "busybox-static"), part(what, more)];
    parts.extend(needs_kexec(arch).then(|| part("kexec", KEXEC)));
    parts
}

const KEXEC: &str = "kexec-tools";

/// Debian's kernels can load another kernel by one system call (`CONFIG_KEXEC_FILE`) on x86_64 only.
const fn needs_kexec(arch: Arch) -> bool {
    !matches!(arch, Arch::X86_64)
}

/// Lets apt know the packages of other architectures.
fn know_architectures(archs: &[Arch]) -> anyhow::Result<()> {
    let known = run(Command::new("dpkg").arg("--print-foreign-architectures"))?;
    let own = run(Command::new("dpkg").arg("--print-architecture"))?;
    for name in archs.iter().map(|arch| arch.debian()) {
        if own.trim() != name && !known.lines().any(|line| line == name) {
            run(Command::new("dpkg").args(["--add-architecture", name]))?;
        }
    }
    debian::update();
    Ok(())
}

fn download(part: &Part, dir: &Path) -> anyhow::Result<()> {
    let debian = part.arch.debian();
    let packages = match part.package {
        kernel if kernel.starts_with("linux-image") => vec![image_of(kernel, debian)?],
        "grub-ieee1275-bin" if has_broken_grub(debian)? => return download_working_grub(debian, dir),
        KEXEC => with_libraries(KEXEC, debian)?,
        package => vec![package.to_owned()],
    };
    let names = packages.iter().map(|package| format!("{package}:{debian}"));
    run(Command::new("apt-get").current_dir(dir).args(["download", "-q"]).args(names)).map(|_| ())
}

/// The names of what a package depends on.
fn depends(package: &str, debian: &str) -> anyhow::Result<Vec<String>> {
    let lines = run(Command::new("apt-cache").args(["depends", &format!("{package}:{debian}")]))?;
    let names = lines.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    Ok(names.map(|name| name.split(':').next().unwrap_or(name).to_owned()).collect())
}

/// A package and all libraries that it depends on, directly or not.
fn with_libraries(package: &str, debian: &str) -> anyhow::Result<Vec<String>> {
    let (mut found, mut next) = (vec![package.to_owned()], 0);
    while let Some(package) = found.get(next).cloned() {
        for name in depends(&package, debian)? {
            // zlib1g is the one whose name begins otherwise.
            if (name.starts_with("lib") || name.starts_with("zlib")) && !found.contains(&name) {
                found.push(name);
            }
        }
        next += 1;
    }
    Ok(found)
}

/// The package that the package with the kernel's constant name depends on.
fn image_of(meta: &str, debian: &str) -> anyhow::Result<String> {
    let images = depends(meta, debian)?;
    let image = images.into_iter().find(|name| name.starts_with("linux-image-"));
    image.with_context(|| format!("apt knows no {meta}:{debian}"))
}

/// Under SLOF, this version sees no network card, and the one before it does.
const BROKEN_GRUB: &str = "2.06-13+deb12u2";
const WORKING_GRUB: &str = "2.06-13+deb12u1";

fn has_broken_grub(debian: &str) -> anyhow::Result<bool> {
    Ok(versions(&format!("grub-ieee1275-bin:{debian}"))?.first().is_some_and(|v| v == BROKEN_GRUB))
}

/// The older version is in the pool beside that of this host's architecture, which apt still lists.
fn download_working_grub(debian: &str, dir: &Path) -> anyhow::Result<()> {
    let own = run(Command::new("dpkg").arg("--print-architecture"))?;
    let package = format!("grub-ieee1275-bin={WORKING_GRUB}");
    let line = run(Command::new("apt-get").args(["download", "--print-uris", "-q", &package]))?;
    let url = line.trim_start_matches('\'').split('\'').next().unwrap_or_default();
    let url = url.replace(&format!("_{}.deb", own.trim()), &format!("_{debian}.deb"));
    let file = dir.join("grub.deb");
    run(Command::new("/usr/lib/apt/apt-helper").args(["download-file", &url]).arg(file)).map(|_| ())
}
