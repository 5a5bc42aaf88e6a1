//! What machines load. Simulated machines do not run it, they fetch and hash every byte: so it is generated, seeded
//! and incompressible.

use anyhow::Context as _;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Loaders by the names under which the boot server serves them.
const LOADERS: [&str; 6] = [
    "loaders/x86_64-bios.kpxe",
    "loaders/x86_64-uefi.efi",
    "loaders/x86_64-uefi-disk.efi",
    "loaders/aarch64-uefi.efi",
    "loaders/aarch64-uefi-disk.efi",
    "loaders/ppc64le-openfirmware.elf",
];

/// What Debian's network GRUB for Arm loads before it can use HTTP.
const GRUB_HTTP: &str = "grub/arm64-efi/http.mod";

/// The architectures for which there are artefacts.
pub const ARCHES: [&str; 3] = ["x86_64", "aarch64", "ppc64le"];

/// How much of everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Kernels of 2 MiB, ramdisks of 4 MiB, images of 8 MiB.
    Demo,
    /// A sixteenth of that, for tests that boot the same machines again and again.
    Small,
}

impl Scale {
    const fn of(self, size: usize) -> usize {
        match self {
            Self::Demo => size,
            Self::Small => size / 16,
        }
    }
}

/// Writes loaders (256 KiB), GRUB's module, kernels and ramdisks into the directory of boot files.
///
/// # Errors
/// If the file system refuses.
pub fn boot_files(dir: &Path, scale: Scale) -> anyhow::Result<()> {
    for name in LOADERS {
        generate(&dir.join(name), 256 * KIB)?;
    }
    generate(&dir.join(GRUB_HTTP), 16 * KIB)?;
    for arch in ARCHES {
        generate(&dir.join("kernels").join(arch), scale.of(2 * MIB))?;
        generate(&dir.join("ramdisks").join(arch), scale.of(4 * MIB))?;
    }
    Ok(())
}

/// Writes an image for each architecture; returns architecture and path.
///
/// # Errors
/// If the file system refuses.
pub fn images(dir: &Path, scale: Scale) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let image = |arch| {
        let path = dir.join(format!("demo-{arch}.img"));
        generate(&path, scale.of(8 * MIB)).map(|()| (arch, path))
    };
    ARCHES.into_iter().map(image).collect()
}

/// What is checked of a file: of an image that it has a partition table, of a program that it is PE for UEFI or 32-bit
/// big-endian ELF for Open Firmware.
fn head(name: &str) -> Vec<u8> {
    let machine: u16 = match name {
        _ if name.ends_with(".img") => return partition_table(),
        _ if name.ends_with(".elf") => return [b"\x7fELF\x01\x02\x01", &[0; 11][..], &[0, 20]].concat(),
        _ if !name.ends_with(".efi") => return Vec::new(),
        _ if name.starts_with("aarch64") => 0xaa64,
        _ => 0x8664,
    };
    let mut head = b"MZ".to_vec();
    head.resize(0x3c, 0);
    head.extend_from_slice(&[0x40, 0, 0, 0, b'P', b'E', 0, 0]);
    head.extend_from_slice(&machine.to_le_bytes());
    head
}

/// What is looked at of a kernel for x86_64 or aarch64.
#[must_use]
pub fn kernel_head(arch: &str) -> Vec<u8> {
    let mut head = vec![0; 4 * KIB];
    if arch == "x86_64" {
        head[0x202..0x206].copy_from_slice(b"HdrS");
        head[0x236] = 1;
    } else {
        head[56..60].copy_from_slice(b"ARM\x64");
    }
    head
}

/// A ramdisk with an /init of so many bytes, which nothing runs: cpio's "newc" format.
#[must_use]
pub fn initrd(size: usize) -> Vec<u8> {
    let entry = |name: &str, size: usize| {
        let fields = [1, 0o100_755, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() + 1, 0];
        let fields: String = fields.iter().map(|field| format!("{field:08X}")).collect();
        let mut entry = format!("070701{fields}{name}\0").into_bytes();
        entry.resize(entry.len().next_multiple_of(4), 0);
        entry
    };
    let mut archive = entry("init", size);
    archive.resize((archive.len() + size).next_multiple_of(4), b'#');
    archive.extend(entry("TRAILER!!!", 0));
    archive
}

/// An MBR with one Linux partition of 64 KiB.
#[must_use]
pub fn partition_table() -> Vec<u8> {
    let mut sector = vec![0; 512];
    sector[446..462].copy_from_slice(&[0, 0, 0, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 128, 0, 0, 0]);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// Bytes that depend on the file's name only.
fn generate(path: &Path, size: usize) -> anyhow::Result<()> {
    let seed = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let folder =
        path.parent().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut state = seed
        .bytes()
        .chain(folder.bytes())
        .fold(0x9e37_79b9_7f4a_7c15_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut write = || -> std::io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let mut file = BufWriter::with_capacity(MIB, fs::File::create(path)?);
        let head = head(&seed);
        file.write_all(&head)?;
        for _ in 0..(size - head.len()) / 8 {
            // xorshift64*: fast, and no compressor finds anything in it.
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            file.write_all(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes())?;
        }
        file.flush()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
