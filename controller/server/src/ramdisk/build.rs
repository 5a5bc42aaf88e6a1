//! `hostlerd ramdisk build`.

use super::cpio::Archive;
use super::elf::Elf;
use super::kernel::Kernel;
use super::modules::{Library, Selection};
use super::{drivers, program, unpack};
use crate::digest::Sha256;
use anyhow::{Context as _, bail};
use hostler_core::hardware::Arch;
use hostler_proto::RAMDISK_MODULES;
use hostler_proto::ramdisk::v1::ModuleIndex;
use prost::Message as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Every machine fetches and unpacks it at every boot, and it is made once: what is above costs many times the time
/// for a few per cent.
const LEVEL: i32 = 12;

/// Which kernel, for which machines, with what in its ramdisk.
#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// Of the machines: x86_64, aarch64 or ppc64le.
    #[arg(long)]
    pub(super) arch: Arch,
    /// Root of an unpacked kernel package, or of an installed system: it has boot/ and lib/modules/.
    #[arg(long, value_name = "DIR")]
    pub(super) root: PathBuf,
    /// Version of the kernel, if the root has several.
    #[arg(long, value_name = "VERSION")]
    pub(super) kernel: Option<String>,
    /// The static hostler-agent for that architecture, as `cargo xtask agent` builds it.
    #[arg(long, value_name = "FILE")]
    pub(super) agent: PathBuf,
    /// The directory of boot files. Written are kernels/ARCH and ramdisks/ARCH in it.
    #[arg(long, value_name = "DIR")]
    pub(super) output: PathBuf,
    /// A module to include besides those for common servers. May be given several times.
    #[arg(long = "driver", value_name = "NAME")]
    pub(super) drivers: Vec<String>,
    /// Root of a system with sbin/kexec and its libraries, for kernels that cannot load another by a single call
    /// (CONFIG_KEXEC_FILE).
    #[arg(long, value_name = "DIR")]
    pub(super) kexec_root: Option<PathBuf>,
    /// A static busybox to open a shell with, on the consoles of machines whose kernel command line has
    /// hostler.debug=1. Not for machines of tenants: whoever reaches the console is root.
    #[arg(long, value_name = "BUSYBOX")]
    pub(super) shell: Option<PathBuf>,
}

/// Builds it and prints what it made.
pub(super) fn run(args: &BuildArgs) -> anyhow::Result<()> {
    let built = build(args)?;
    println!("{built}");
    Ok(())
}

/// What was made.
#[derive(Debug)]
pub(super) struct Built {
    arch: Arch,
    version: String,
    kernel: Output,
    ramdisk: Output,
    unpacked: u64,
    selection: Selection,
    firmware: usize,
    kexec: Option<usize>,
    shell: bool,
}

#[derive(Debug)]
struct Output {
    path: PathBuf,
    size: usize,
    sha256: String,
}

/// Builds it.
///
/// # Errors
/// If something is not there, or is for another architecture.
pub(super) fn build(args: &BuildArgs) -> anyhow::Result<Built> {
    let kernel = Kernel::find(&args.root, args.kernel.as_deref())?;
    let image = kernel.load(args.arch)?;
    let library = Library::open(&kernel.modules)?;
    let defaults = [drivers::ALWAYS, drivers::DEFAULT].concat();
    let mut selection = library.select(args.arch, &defaults, &args.drivers)?;
    // What somebody has named may be for no device that there is.
    selection.load_always(drivers::ALWAYS.iter().copied().chain(args.drivers.iter().map(String::as_str)));
    let mut archive = skeleton();
    archive.file("init", 0o755, static_program(&args.agent, args.arch)?);
    add_modules(&mut archive, &kernel.version, &selection);
    let firmware = add_firmware(&mut archive, &args.root, &selection)?;
    let kexec =
        args.kexec_root.as_deref().map(|root| add_kexec(&mut archive, root, args.arch)).transpose()?;
    if let Some(busybox) = &args.shell {
        archive.file("bin/busybox", 0o755, static_program(busybox, args.arch)?);
        archive.link("bin/sh", "busybox");
    }
    let mut packer = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
    let unpacked = archive.write(&mut packer)?;
    let packed = packer.finish()?;
    let output =
        |folder: &str, bytes: &[u8]| publish(&args.output.join(folder).join(args.arch.as_str()), bytes);
    Ok(Built {
        arch: args.arch,
        version: kernel.version,
        kernel: output("kernels", &image)?,
        ramdisk: output("ramdisks", &packed)?,
        unpacked,
        selection,
        firmware,
        kexec,
        shell: args.shell.is_some(),
    })
}

/// What the kernel and the agent expect to find.
fn skeleton() -> Archive {
    let mut archive = Archive::default();
    for dir in ["dev", "proc", "sys", "run", "tmp", "etc", "root"] {
        archive.directory(dir);
    }
    // The first process begins with them, before it mounts anything.
    archive.character_device("dev/console", 0o600, 5, 1);
    archive.character_device("dev/null", 0o666, 1, 3);
    archive.file("etc/hosts", 0o644, b"127.0.0.1 localhost\n".to_vec());
    archive
}

/// There is nothing in a ramdisk that a dynamic one could be linked with.
fn static_program(path: &Path, arch: Arch) -> anyhow::Result<Vec<u8>> {
    let what = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {what}"))?;
    let elf = Elf::parse(&bytes).with_context(|| format!("{what} is no program"))?;
    elf.must_be_for(arch, &what)?;
    if let Some(interpreter) = elf.interpreter {
        bail!("{what} is not static: it asks for {interpreter}");
    }
    Ok(bytes)
}

fn add_modules(archive: &mut Archive, version: &str, selection: &Selection) {
    let dir = RAMDISK_MODULES.trim_start_matches('/');
    for packed in selection.modules.values() {
        archive.file(&format!("{dir}/{}", packed.module.file), 0o644, packed.bytes.clone());
    }
    let modules = selection.modules.values().map(|packed| packed.module.clone()).collect();
    let index = ModuleIndex { kernel: version.to_owned(), modules };
    archive.file(&format!("{dir}/index"), 0o644, index.encode_to_vec());
}

/// Adds what the drivers may load into their devices, as far as it is there: the drivers name every version that they
/// ever knew. Returns how many files that are.
fn add_firmware(archive: &mut Archive, root: &Path, selection: &Selection) -> anyhow::Result<usize> {
    let mut count = 0;
    for name in selection.modules.values().flat_map(|packed| &packed.firmware) {
        let target = format!("lib/firmware/{name}");
        let endings = ["", ".xz", ".zst"].map(|ending| format!("{target}{ending}"));
        let files = endings.iter().flat_map(|file| [root.join(file), root.join("usr").join(file)]);
        if let Some(file) = files.into_iter().find(|file| file.is_file())
            && !archive.contains(&target)
        {
            archive.file(&target, 0o644, unpack::read(&file)?);
            count += 1;
        }
    }
    Ok(count)
}

fn add_kexec(archive: &mut Archive, root: &Path, arch: Arch) -> anyhow::Result<usize> {
    let candidates = ["sbin/kexec", "usr/sbin/kexec", "usr/bin/kexec"];
    Ok(program::add(archive, root, &candidates, "usr/sbin/kexec", arch)?.len())
}

/// Replaces a file at once: the boot server may be reading it.
fn publish(path: &Path, bytes: &[u8]) -> anyhow::Result<Output> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(dir)?;
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    let mut digest = Sha256::new();
    digest.update(bytes);
    Ok(Output { path: path.to_owned(), size: bytes.len(), sha256: digest.finish() })
}

impl std::fmt::Display for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Selection { modules, builtin, missing } = &self.selection;
        writeln!(f, "Linux {} for {}", self.version, self.arch)?;
        writeln!(f, "  {:<9}{:>10}  {:<64}  FILE", "", "SIZE", "SHA-256")?;
        for (name, output) in [("kernel", &self.kernel), ("ramdisk", &self.ramdisk)] {
            let Output { path, size, sha256 } = output;
            writeln!(f, "  {name:<9}{:>10}  {sha256}  {}", mebibytes(*size as u64), path.display())?;
        }
        writeln!(f, "  unpacked {:>10}", mebibytes(self.unpacked))?;
        write!(f, "  {} modules, {} drivers built in, ", modules.len(), builtin.len())?;
        write!(f, "{} not in this kernel; {} firmware files", missing.len(), self.firmware)?;
        if let Some(libraries) = self.kexec {
            write!(f, "; kexec with {libraries} libraries")?;
        }
        if self.shell {
            write!(f, "; with a shell")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
