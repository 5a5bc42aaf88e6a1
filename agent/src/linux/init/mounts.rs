//! The kernel's own file systems.

use rustix::mount::{MountFlags, mount};
use std::fs;
use std::path::Path;

/// What, of which type, with which options. Devices have to be there before the console can be opened.
const ESSENTIAL: [(&str, &str, &str); 6] = [
    ("/proc", "proc", ""),
    ("/sys", "sysfs", ""),
    ("/dev", "devtmpfs", "mode=0755"),
    ("/dev/pts", "devpts", "mode=0620,ptmxmode=0666"),
    ("/run", "tmpfs", "mode=0755"),
    ("/tmp", "tmpfs", "mode=1777"),
];

const EFI_VARIABLES: &str = "/sys/firmware/efi/efivars";

/// Mounts what every process needs; returns what went wrong, since there may be no console yet to say it on.
pub(super) fn essential() -> Vec<String> {
    ESSENTIAL.iter().filter_map(|(target, kind, options)| attach(target, kind, options).err()).collect()
}

/// Mounts what needs a driver first.
pub(super) fn late() {
    if Path::new(EFI_VARIABLES).exists()
        && let Err(problem) = attach(EFI_VARIABLES, "efivarfs", "")
    {
        tracing::warn!("{problem}");
    }
}

fn attach(target: &str, kind: &str, options: &str) -> Result<(), String> {
    // It may be there; if it cannot be made, the mount says why.
    let _ = fs::create_dir_all(target);
    let flags = MountFlags::NOSUID
        | if kind == "devtmpfs" || kind == "devpts" { MountFlags::empty() } else { MountFlags::NODEV };
    let options = (!options.is_empty()).then(|| std::ffi::CString::new(options).unwrap_or_default());
    match mount(kind, target, kind, flags, options.as_deref()) {
        // The kernel may have mounted devtmpfs by itself.
        Ok(()) | Err(rustix::io::Errno::BUSY) => Ok(()),
        Err(error) => Err(format!("cannot mount {kind} on {target}: {error}")),
    }
}
