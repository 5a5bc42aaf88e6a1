//! For which machines a kernel is, by its first bytes.

/// Where a PE header's offset stands (PE format, section "MS-DOS Stub").
const PE_OFFSET: usize = 0x3c;

/// The architecture of an unpacked kernel as `uname -m` prints it; none if it does not tell.
///
/// ELF (its `e_machine`), Linux's boot protocol for x86 (`HdrS` at 0x202) and for Arm (`ARM\x64` at 56), or the PE
/// header of an EFI program.
pub(super) fn of(kernel: &[u8]) -> Option<&'static str> {
    let half = |at: usize| kernel.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b));
    if kernel.starts_with(b"\x7fELF") {
        return match half(18)? {
            62 => Some("x86_64"),
            183 => Some("aarch64"),
            21 => Some("ppc64le"),
            _ => Some("another architecture"),
        };
    }
    if kernel.get(0x202..0x206) == Some(b"HdrS") {
        return Some("x86_64");
    }
    if kernel.get(56..60) == Some(b"ARM\x64") {
        return Some("aarch64");
    }
    let pe = usize::from(half(PE_OFFSET)?);
    if !kernel.starts_with(b"MZ") || kernel.get(pe..pe + 4) != Some(b"PE\0\0") {
        return None;
    }
    match half(pe + 4)? {
        0x8664 => Some("x86_64"),
        0xaa64 => Some("aarch64"),
        _ => Some("another architecture"),
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    fn at(offset: usize, bytes: &[u8]) -> Vec<u8> {
        let mut kernel = vec![0; 0x210];
        kernel[offset..offset + bytes.len()].copy_from_slice(bytes);
        kernel
    }

    #[test]
    fn kernels_say_for_which_machines_they_are() {
        let elf = |machine: u8| [&b"\x7fELF\x02\x01\x01"[..], &[0; 11], &[machine, 0]].concat();
        let mut pe = at(0x40, b"PE\0\0\x64\xaa");
        pe[..2].copy_from_slice(b"MZ");
        pe[super::PE_OFFSET] = 0x40;
        for (kernel, expected) in [
            (elf(62), Some("x86_64")),
            (elf(183), Some("aarch64")),
            (elf(21), Some("ppc64le")),
            (elf(243), Some("another architecture")),
            (at(0x202, b"HdrS"), Some("x86_64")),
            (at(56, b"ARM\x64"), Some("aarch64")),
            (pe, Some("aarch64")),
            (b"\x7fELF".to_vec(), None),
            (vec![0; 0x210], None),
            (Vec::new(), None),
        ] {
            assert_eq!(of(&kernel), expected);
        }
    }
}
