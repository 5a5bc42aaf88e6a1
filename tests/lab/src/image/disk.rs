//! A disk with a GUID partition table, a boot loader for each firmware of its architecture, and an ext4 root.

use crate::command::run;
use crate::loaders::make_grub;
use crate::room::Arch;
use crate::setup::foreign::Foreign;
use anyhow::{Context as _, bail};
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

const MIB: u64 = 1 << 20;
const SECTOR: usize = 512;
/// MiB of the EFI system partition, and of Power's PReP partition.
const LOADER_MIB: u64 = 8;

const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
const EFI_SYSTEM: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const PREP: &str = "9E1A2D38-C612-4316-AA26-8B49521E5A8B";
const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

/// The loader finds the root file system by its label.
const CONFIG: &str = "search --no-floppy --label root --set root\n\
                      set prefix=($root)/boot/grub\n\
                      configfile /boot/grub/grub.cfg\n";

const MODULES: &str = "normal configfile linux echo test search search_label ext2 part_gpt gzio ls sleep minicmd boot \
                       reboot halt";

/// A partition: where it begins and how long it is, in MiB, what it is for, and what is written into it.
struct Partition<'a> {
    start: u64,
    mib: u64,
    kind: &'static str,
    name: &'static str,
    content: Option<&'a Path>,
}

/// Makes the disk `output` of the root file system in `tree`.
pub(super) fn assemble(
    foreign: &Foreign,
    arch: Arch,
    work: &Path,
    tree: &Path,
    output: &Path,
) -> anyhow::Result<()> {
    let root = work.join("root.img");
    let root_mib = file_system(tree, &root)?;
    let (loader, core) = (work.join("loader.img"), work.join("core.img"));
    let part = |start, mib, kind, name, content| Partition { start, mib, kind, name, content };
    let esp = part(2, LOADER_MIB, EFI_SYSTEM, "esp", Some(&*loader));
    let linux = part(2 + LOADER_MIB, root_mib, LINUX, "root", Some(&*root));
    let partitions = match arch {
        Arch::X86_64 => {
            efi_loader(foreign, "x86_64-efi", "BOOTX64.EFI", work, &loader)?;
            // BIOS machines get a terminal on the serial line; UEFI ones have it from their firmware.
            let config = format!("serial --unit=0 --speed=115200\nterminal_output serial\n{CONFIG}");
            make_grub(foreign, "i386-pc", &config, &format!("biosdisk serial terminal {MODULES}"), &core)?;
            vec![part(1, 1, BIOS_BOOT, "bios", None), esp, linux]
        }
        Arch::Aarch64 => {
            efi_loader(foreign, "arm64-efi", "BOOTAA64.EFI", work, &loader)?;
            vec![esp, linux]
        }
        Arch::Ppc64le => {
            make_grub(foreign, "powerpc-ieee1275", CONFIG, &format!("ofnet {MODULES}"), &loader)?;
            vec![part(2, LOADER_MIB, PREP, "prep", Some(&*loader)), linux]
        }
    };
    write_table(output, &partitions)?;
    for partition in &partitions {
        if let Some(content) = partition.content {
            put(content, output, partition.start * MIB)?;
        }
    }
    if arch == Arch::X86_64 {
        install_bios_loader(&foreign.grub("i386-pc").join("boot.img"), &core, output, MIB)?;
    }
    Ok(())
}

/// Makes an ext4 file system of `tree`; returns its size in MiB. Features that GRUB 2.06 does not know are left out;
/// older versions of mke2fs do not know the second of them themselves.
fn file_system(tree: &Path, image: &Path) -> anyhow::Result<u64> {
    let used = run(Command::new("du").args(["-sm", "--apparent-size"]).arg(tree))?;
    let used: u64 = used.split_whitespace().next().unwrap_or_default().parse().context("du")?;
    let mib = used * 115 / 100 + 24;
    let make = |features: &str| {
        let mut mke2fs = Command::new("mke2fs");
        mke2fs.env("PATH", crate::PATH).args(["-q", "-F", "-t", "ext4", "-L", "root", "-O", features, "-d"]);
        run(mke2fs.arg(tree).arg(image).arg(format!("{mib}M")))
    };
    make("^metadata_csum_seed,^orphan_file").or_else(|_| make("^metadata_csum_seed"))?;
    Ok(mib)
}

/// Makes a FAT file system with GRUB where UEFI looks for a program on a disk that it does not know.
fn efi_loader(
    foreign: &Foreign,
    platform: &str,
    name: &str,
    work: &Path,
    image: &Path,
) -> anyhow::Result<()> {
    let program = work.join("boot.efi");
    make_grub(foreign, platform, CONFIG, &format!("fat {MODULES}"), &program)?;
    let mut format = Command::new("mkfs.vfat");
    format.env("PATH", crate::PATH).args(["-C", "-n", "ESP"]).arg(image);
    run(format.arg((LOADER_MIB << 10).to_string()))?;
    let mtools = |tool| {
        let mut command = Command::new(tool);
        command.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(image);
        command
    };
    run(mtools("mmd").args(["::/EFI", "::/EFI/BOOT"]))?;
    run(mtools("mcopy").arg(program).arg(format!("::/EFI/BOOT/{name}"))).map(|_| ())
}

fn write_table(disk: &Path, partitions: &[Partition<'_>]) -> anyhow::Result<()> {
    let end = partitions.iter().map(|p| p.start + p.mib).max().unwrap_or_default();
    // The second copy of the table takes the last sectors.
    File::create(disk)?.set_len((end + 1) * MIB)?;
    let mut script = "label: gpt\n".to_owned();
    for Partition { start, mib, kind, name, .. } in partitions {
        script += &format!("start={start}MiB, size={mib}MiB, type={kind}, name={name}\n");
    }
    let mut sfdisk = Command::new("sfdisk");
    sfdisk.env("PATH", crate::PATH).arg("-q").arg(disk).stdin(Stdio::piped());
    let mut child = sfdisk.spawn().context("cannot start sfdisk")?;
    child.stdin.take().context("no input")?.write_all(script.as_bytes())?;
    let status = child.wait()?;
    anyhow::ensure!(status.success(), "sfdisk ended with {status}");
    Ok(())
}

/// Copies a file into the disk; what is zero stays a hole.
fn put(from: &Path, disk: &Path, offset: u64) -> anyhow::Result<()> {
    let mut from = File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
    let mut to = File::options().write(true).open(disk)?;
    let (mut piece, mut offset) = (vec![0; MIB as usize], offset);
    loop {
        let length = from.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        if piece[..length].iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(offset))?;
            to.write_all(&piece[..length])?;
        }
        offset += length as u64;
    }
}

/// Does what `grub-bios-setup` does, which wants a block device: puts GRUB's `core` at `offset`, and its first sector
/// into the master boot record, where they find each other.
fn install_bios_loader(boot: &Path, core: &Path, disk: &Path, offset: u64) -> anyhow::Result<()> {
    let (mut boot, mut core) = (fs::read(boot)?, fs::read(core)?);
    let sector = offset / SECTOR as u64;
    point_to_core(&mut boot, &mut core, sector)?;
    let mut disk = File::options().write(true).open(disk)?;
    disk.write_all(&boot[..BOOT_CODE])?;
    disk.seek(SeekFrom::Start(offset))?;
    Ok(disk.write_all(&core)?)
}

/// Bytes of the boot record that are code; the disk's signature and partitions follow.
const BOOT_CODE: usize = 440;
/// In the boot record, `kernel_sector` of GRUB's boot.S: where the core begins.
const KERNEL_SECTOR: usize = 0x5c;
/// `boot_drive`: which disk; 0xff is the one that the BIOS started.
const BOOT_DRIVE: usize = 0x64;
/// A jump that stands in the way of the drive that the BIOS names; two NOPs take its place.
const DRIVE_CHECK: usize = 0x66;
/// In the first sector of the core, the last list of blocks of diskboot.S: where the rest begins, how many sectors it
/// has, and the segment that it is loaded to.
const BLOCK_LIST: usize = 500;
const SEGMENT: u16 = 0x820;

fn point_to_core(boot: &mut [u8], core: &mut Vec<u8>, sector: u64) -> anyhow::Result<()> {
    if boot.len() < SECTOR || core.len() < SECTOR {
        bail!("GRUB's boot sector or core is too short");
    }
    boot[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&sector.to_le_bytes());
    boot[BOOT_DRIVE] = 0xff;
    boot[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&[0x90, 0x90]);
    core.resize(core.len().next_multiple_of(SECTOR), 0);
    let rest = u16::try_from(core.len() / SECTOR - 1).context("GRUB's core is too long")?;
    let list = &mut core[BLOCK_LIST..];
    list[..8].copy_from_slice(&(sector + 1).to_le_bytes());
    list[8..10].copy_from_slice(&rest.to_le_bytes());
    list[10..12].copy_from_slice(&SEGMENT.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_sector_and_core_find_each_other() {
        let (mut boot, mut core) = (vec![0; 512], vec![1; 1300]);
        point_to_core(&mut boot, &mut core, 2048).unwrap();
        assert_eq!(boot[0x5c..0x64], 2048_u64.to_le_bytes());
        assert_eq!(core.len(), 1536);
        assert_eq!(core[500..512], [1, 8, 0, 0, 0, 0, 0, 0, 2, 0, 0x20, 8]);
        assert!(point_to_core(&mut boot, &mut vec![0; 100], 1).is_err());
    }

    #[test]
    fn zeros_stay_holes() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (from, disk) = (dir.path().join("from"), dir.path().join("disk"));
        fs::write(&from, [vec![0; 3 << 20], b"end".to_vec()].concat()).unwrap();
        File::create(&disk).unwrap().set_len(16 << 20).unwrap();
        put(&from, &disk, MIB).unwrap();
        let written = fs::read(&disk).unwrap();
        assert_eq!(&written[4 << 20..(4 << 20) + 3], b"end");
        assert!(fs::metadata(&disk).unwrap().blocks() * 512 < 2 << 20);
    }
}
