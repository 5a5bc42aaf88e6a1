//! Programs that firmware starts: what it checks of them, and samples that pass.

use super::download::Download;
use super::error::FirmwareError;
use super::machine::Kind;

/// A PXE program has to fit between its load address and the end of conventional memory.
const BIOS_LIMIT: u64 = 0x9_0000;
const PE_POINTER: usize = 0x3c;
const MACHINE_X86_64: u16 = 0x8664;
const MACHINE_AARCH64: u16 = 0xaa64;
const ELF_MACHINE: usize = 18;
const ELF_POWERPC: u16 = 20;

/// Checks that firmware of `kind` would start what was loaded from `path`.
pub(super) fn check(kind: Kind, path: &str, loaded: &Download) -> Result<(), FirmwareError> {
    let head = loaded.head();
    let checked = match kind {
        Kind::Bios if loaded.bytes() == 0 => Err("it is empty"),
        Kind::Bios if loaded.bytes() > BIOS_LIMIT => Err("it does not fit into conventional memory"),
        Kind::Bios => Ok(()),
        Kind::UefiX86 => check_pe(head, MACHINE_X86_64),
        Kind::UefiArm => check_pe(head, MACHINE_AARCH64),
        Kind::Slof => check_elf(head),
    };
    checked.map_err(|reason| FirmwareError::BadLoader { path: path.to_owned(), reason })
}

fn check_pe(head: &[u8], machine: u16) -> Result<(), &'static str> {
    let pointer = head.get(PE_POINTER..PE_POINTER + 4).filter(|_| head.starts_with(b"MZ"));
    let pointer = pointer.and_then(|bytes| bytes.try_into().ok()).ok_or("it is no UEFI program")?;
    let pe = usize::try_from(u32::from_le_bytes(pointer)).map_err(|_| "it is no UEFI program")?;
    match head.get(pe..).unwrap_or_default() {
        [b'P', b'E', 0, 0, low, high, ..] if u16::from_le_bytes([*low, *high]) == machine => Ok(()),
        [b'P', b'E', 0, 0, ..] => Err("it is a UEFI program for another architecture"),
        _ => Err("it is no UEFI program"),
    }
}

/// Big-endian 32-bit ELF, as Open Firmware loads it.
fn check_elf(head: &[u8]) -> Result<(), &'static str> {
    let machine = head.get(ELF_MACHINE..ELF_MACHINE + 2).and_then(|bytes| bytes.try_into().ok());
    match machine.map(u16::from_be_bytes) {
        Some(ELF_POWERPC) if head.starts_with(b"\x7fELF\x01\x02") => Ok(()),
        _ => Err("it is no 32-bit ELF program for PowerPC"),
    }
}

/// `length` bytes that firmware of `kind` takes for a loader: enough headers and a filler.
#[must_use]
pub fn sample(kind: Kind, length: usize) -> Vec<u8> {
    match kind {
        Kind::Bios => filled(Vec::new(), length),
        Kind::UefiX86 => pe(MACHINE_X86_64, length),
        Kind::UefiArm => pe(MACHINE_AARCH64, length),
        Kind::Slof => {
            let mut head = b"\x7fELF\x01\x02\x01".to_vec();
            head.resize(ELF_MACHINE, 0);
            head.extend(ELF_POWERPC.to_be_bytes());
            filled(head, length)
        }
    }
}

/// `length` bytes that iPXE takes for a UEFI program which starts the local disk.
#[must_use]
pub fn disk_sample(length: usize) -> Vec<u8> {
    pe(MACHINE_X86_64, length)
}

fn pe(machine: u16, length: usize) -> Vec<u8> {
    let mut head = b"MZ".to_vec();
    head.resize(PE_POINTER, 0);
    head.extend(64u32.to_le_bytes());
    head.extend(b"PE\0\0");
    head.extend(machine.to_le_bytes());
    filled(head, length)
}

/// A filler that is different in every block, so that a block in the wrong place changes the hash.
fn filled(mut head: Vec<u8>, length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    while head.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        head.extend(state.to_be_bytes());
    }
    head.truncate(length);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_takes_its_own_loader_only() {
        for kind in Kind::ALL {
            for other in Kind::ALL {
                let mut download = Download::new(Download::HEADERS);
                download.take(&sample(other, 2000));
                // A BIOS jumps into whatever it has loaded.
                let fits = kind == other || kind == Kind::Bios;
                assert_eq!(check(kind, "loader", &download).is_ok(), fits, "{kind:?} with {other:?}");
            }
        }
    }
}
