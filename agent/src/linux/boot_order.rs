//! The order in which UEFI firmware tries its boot entries, in the variables that `efivarfs` shows.

use super::load_option::LoadOption;
use super::names;
use crate::params::Mac;
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// `EFI_GLOBAL_VARIABLE`.
const VENDOR: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Each file begins with the variable's attributes: to be kept, and seen by firmware and system.
const ATTRIBUTES: usize = 4;
const KEPT_AND_SEEN: [u8; ATTRIBUTES] = [7, 0, 0, 0];

/// Puts the entry that boots over IPv4 from the interface that the machine was booted through first, and drops what the
/// system before this has ordered for the next start alone. Does nothing where the firmware is not UEFI.
///
/// # Errors
/// The first, when both have been tried: either could let the machine start what a tenant has left.
pub(super) fn restore(root: &Path, boot: Option<Mac>) -> io::Result<()> {
    let directory = root.join("sys/firmware/efi/efivars");
    if !directory.is_dir() {
        return Ok(());
    }
    let dropped = drop_next(&directory);
    let ordered = put_network_first(&directory, boot);
    if let (Err(_), Err(error)) = (&dropped, &ordered) {
        tracing::warn!("cannot put the network first in the firmware's boot order: {error}");
    }
    dropped.and(ordered)
}

fn drop_next(directory: &Path) -> io::Result<()> {
    let next = variable(directory, "BootNext");
    if !next.exists() {
        return Ok(());
    }
    make_mutable(&next);
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("cannot remove BootNext: {error}"));
    fs::remove_file(&next).map_err(failed)
}

fn put_network_first(directory: &Path, boot: Option<Mac>) -> io::Result<()> {
    let not_found = |why| io::Error::new(io::ErrorKind::NotFound, why);
    let mac = boot.ok_or_else(|| not_found("the kernel command line does not tell the boot interface"))?;
    let order_file = variable(directory, "BootOrder");
    let order = read_order(&order_file)?;
    let first = network_entry(&entries(directory), mac)
        .ok_or_else(|| not_found("the firmware has no entry that boots this interface over IPv4"))?;
    let wanted = with_first(&order, first);
    if wanted != order {
        make_mutable(&order_file);
        let numbers = wanted.iter().flat_map(|number| number.to_le_bytes());
        // The kernel takes a variable in one piece only.
        fs::write(&order_file, KEPT_AND_SEEN.into_iter().chain(numbers).collect::<Vec<u8>>())?;
        tracing::info!("the firmware tries Boot{first:04X} first again");
    }
    Ok(())
}

/// The entry to try first: over TFTP before the adapter's own program before HTTP, as the first is how the controller is
/// found.
fn network_entry(entries: &BTreeMap<u16, LoadOption>, Mac(mac): Mac) -> Option<u16> {
    let fits = |option: &LoadOption| option.active && !option.ipv6 && option.mac == Some(mac);
    let found = entries.iter().filter(|(_, option)| fits(option));
    found.min_by_key(|(number, option)| (option.http, !option.ipv4, **number)).map(|(number, _)| *number)
}

fn with_first(order: &[u16], first: u16) -> Vec<u16> {
    std::iter::once(first).chain(order.iter().copied().filter(|&number| number != first)).collect()
}

fn variable(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}-{VENDOR}"))
}

fn read_order(file: &Path) -> io::Result<Vec<u16>> {
    let data = match fs::read(file) {
        // Firmware that was reset to its defaults has none yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        data => data?,
    };
    let numbers = data.get(ATTRIBUTES..).unwrap_or_default().chunks_exact(2);
    Ok(numbers.map(|number| u16::from_le_bytes([number[0], number[1]])).collect())
}

fn entries(directory: &Path) -> BTreeMap<u16, LoadOption> {
    names(directory)
        .iter()
        .filter_map(|name| {
            let number = name.strip_prefix("Boot")?.strip_suffix(VENDOR)?.strip_suffix('-')?;
            let number = (number.len() == 4).then(|| u16::from_str_radix(number, 16).ok()).flatten()?;
            let data = fs::read(directory.join(name)).ok()?;
            Some((number, LoadOption::parse(data.get(ATTRIBUTES..)?)?))
        })
        .collect()
}

/// The kernel protects variables that it does not know from being removed by accident. If it cannot be lifted, writing
/// will say so.
fn make_mutable(file: &Path) {
    let Ok(file) = File::open(file) else { return };
    if let Ok(flags) = ioctl_getflags(&file)
        && flags.contains(IFlags::IMMUTABLE)
        && let Err(error) = ioctl_setflags(&file, flags - IFlags::IMMUTABLE)
    {
        tracing::warn!("a variable of the firmware is protected: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::load_option::tests::{MAC_ADDRESS, adapter, disk, http, pxe, pxe6};
    use super::*;

    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 9];

    struct Firmware(tempfile::TempDir);

    impl Firmware {
        fn new(entries: &[(u16, Vec<u8>)], order: &[u16]) -> Self {
            let firmware = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(firmware.directory()).unwrap();
            for (number, data) in entries {
                firmware.set(&format!("Boot{number:04X}"), data);
            }
            firmware.set("BootOrder", &order.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>());
            firmware
        }

        fn directory(&self) -> PathBuf {
            self.0.path().join("sys/firmware/efi/efivars")
        }

        fn set(&self, name: &str, data: &[u8]) {
            fs::write(variable(&self.directory(), name), [&KEPT_AND_SEEN, data].concat()).unwrap();
        }

        fn restore(&self) -> io::Result<()> {
            restore(self.0.path(), Some(Mac(MAC_ADDRESS)))
        }

        fn order(&self) -> Vec<u16> {
            read_order(&variable(&self.directory(), "BootOrder")).unwrap()
        }
    }

    #[test]
    fn the_network_entry_of_the_boot_interface_goes_first() {
        let entries = [
            (0x0001, http(MAC_ADDRESS)),
            (0x0002, pxe6(MAC_ADDRESS)),
            (0x0003, pxe(OTHER)),
            (0x0004, pxe(MAC_ADDRESS)),
            (0x000a, disk()),
        ];
        let firmware = Firmware::new(&entries, &[0x000a, 0x0001, 0x0002, 0x0003, 0x0004]);
        firmware.set("BootNext", &[0x0a, 0]);
        firmware.restore().unwrap();
        assert_eq!(firmware.order(), [0x0004, 0x000a, 0x0001, 0x0002, 0x0003]);
        assert!(!variable(&firmware.directory(), "BootNext").exists());
        let data = fs::read(variable(&firmware.directory(), "BootOrder")).unwrap();
        assert_eq!(data[..6], [7, 0, 0, 0, 4, 0]);
    }

    #[test]
    fn an_entry_that_somebody_took_out_of_the_order_comes_back() {
        let firmware = Firmware::new(&[(0x0001, http(MAC_ADDRESS)), (0x000a, disk())], &[0x000a]);
        firmware.restore().unwrap();
        assert_eq!(firmware.order(), [0x0001, 0x000a]);
    }

    #[test]
    fn an_adapters_own_program_is_better_than_http() {
        let entries = [(0x0001, http(MAC_ADDRESS)), (0x0002, adapter(MAC_ADDRESS)), (0x000a, disk())];
        let firmware = Firmware::new(&entries, &[0x000a, 0x0001, 0x0002]);
        firmware.restore().unwrap();
        assert_eq!(firmware.order(), [0x0002, 0x000a, 0x0001]);
    }

    #[test]
    fn without_such_an_entry_the_order_stays_and_there_is_an_error() {
        let entries = [(0x0003, pxe(OTHER)), (0x0004, pxe6(MAC_ADDRESS)), (0x0005, vec![1, 2, 3])];
        let firmware = Firmware::new(&entries, &[0x0005, 0x0003]);
        let error = firmware.restore().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(firmware.order(), [0x0005, 0x0003]);
    }

    #[test]
    fn without_a_boot_interface_nothing_is_changed() {
        let firmware = Firmware::new(&[(0x0004, pxe(MAC_ADDRESS))], &[0x0005, 0x0004]);
        let error = restore(firmware.0.path(), None).unwrap_err();
        assert_eq!(error.to_string(), "the kernel command line does not tell the boot interface");
        assert_eq!(firmware.order(), [0x0005, 0x0004]);
    }

    #[test]
    fn without_uefi_there_is_nothing_to_do() {
        restore(tempfile::tempdir().unwrap().path(), Some(Mac(MAC_ADDRESS))).unwrap();
    }

    /// A directory in its place stands for a variable that the firmware does not let go.
    #[test]
    fn the_order_is_restored_although_the_next_start_cannot_be() {
        let firmware = Firmware::new(&[(0x0004, pxe(MAC_ADDRESS)), (0x000a, disk())], &[0x000a, 0x0004]);
        fs::create_dir(variable(&firmware.directory(), "BootNext")).unwrap();
        let error = firmware.restore().unwrap_err().to_string();
        assert!(error.starts_with("cannot remove BootNext: "), "{error}");
        assert_eq!(firmware.order(), [0x0004, 0x000a]);
    }
}
