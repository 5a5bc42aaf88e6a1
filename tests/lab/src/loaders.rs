//! The boot server's directory: loaders from the packages of Debian, or made of their parts.

use crate::command::run;
use crate::layout::{self, copy, write};
use crate::room::Arch;
use crate::setup::foreign::Foreign;
use anyhow::Context as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Fills `boot` with everything that machines of `archs` load before their kernel.
///
/// # Errors
/// If something is missing, or GRUB's builder fails.
pub(crate) fn lay_out(boot: &Path, archs: &[Arch], foreign: &Foreign) -> anyhow::Result<()> {
    for arch in archs {
        match arch {
            Arch::X86_64 => x86_64(boot, foreign)?,
            Arch::Aarch64 => aarch64(boot, foreign)?,
            Arch::Ppc64le => ppc64le(boot, foreign)?,
        }
    }
    Ok(())
}

fn x86_64(boot: &Path, foreign: &Foreign) -> anyhow::Result<()> {
    let loaders = boot.join("loaders");
    copy(Path::new("/usr/lib/ipxe/undionly.kpxe"), &loaders.join("x86_64-bios.kpxe"))?;
    copy(Path::new("/usr/lib/ipxe/ipxe.efi"), &loaders.join("x86_64-uefi.efi"))?;
    disk_loader(foreign, "x86_64-efi", "BOOTX64.EFI", &loaders.join("x86_64-uefi-disk.efi"))
}

fn aarch64(boot: &Path, foreign: &Foreign) -> anyhow::Result<()> {
    let (modules, loaders) = (foreign.grub("arm64-efi"), boot.join("loaders"));
    copy(&modules.join("monolithic/grubnetaa64.efi"), &loaders.join("aarch64-uefi.efi"))?;
    // What the monolithic image lacks, HTTP for one, it loads as modules.
    let entries = fs::read_dir(&modules).with_context(|| format!("cannot read {}", modules.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "mod") {
            copy(&entry.path(), &boot.join("grub/arm64-efi").join(entry.file_name()))?;
        }
    }
    disk_loader(foreign, "arm64-efi", "BOOTAA64.EFI", &loaders.join("aarch64-uefi-disk.efi"))
}

/// GRUB for SLOF, which has to find its configuration by itself. `net_bootp` asks anew for what the firmware asked
/// before: GRUB does not learn it from SLOF.
const POWER_CONFIG: &str = "net_bootp
configfile (tftp,$net_default_server)/boot/grub.cfg
echo The boot server did not answer.
sleep 10
reboot
";

const POWER_MODULES: &str = "ofnet net tftp http gzio normal configfile linux echo test minicmd sleep search \
                             search_label ext2 part_gpt part_msdos boot reboot halt ls";

fn ppc64le(boot: &Path, foreign: &Foreign) -> anyhow::Result<()> {
    let image = boot.join("loaders/ppc64le-openfirmware.elf");
    make_grub(foreign, "powerpc-ieee1275", POWER_CONFIG, POWER_MODULES, &image)
}

/// A program that starts the loader on the disk, because iPXE cannot.
fn disk_loader(foreign: &Foreign, platform: &str, loader: &str, image: &Path) -> anyhow::Result<()> {
    let config = format!(
        "search --no-floppy --file /EFI/BOOT/{loader} --set root\nchainloader /EFI/BOOT/{loader}\nboot\n"
    );
    let modules = "normal echo search search_fs_file chain boot part_gpt part_msdos fat";
    make_grub(foreign, platform, &config, modules, image)
}

/// Makes a GRUB of `modules` that runs `config`.
pub(crate) fn make_grub(
    foreign: &Foreign,
    platform: &str,
    config: &str,
    modules: &str,
    image: &Path,
) -> anyhow::Result<()> {
    let embedded = image.with_extension("cfg");
    write(&embedded, config)?;
    let mut mkimage = Command::new("grub-mkimage");
    mkimage.args(["-O", platform, "-p", "/boot/grub", "-d"]).arg(foreign.grub(platform));
    mkimage.arg("-c").arg(&embedded).arg("-o").arg(image).args(modules.split_whitespace());
    run(&mut mkimage)?;
    fs::remove_file(&embedded)?;
    layout::exists(image)
}
