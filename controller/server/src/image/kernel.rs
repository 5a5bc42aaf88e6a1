//! The kernel of an image for machines that start without a disk: for which machines it is, and whether it is all
//! there.

use super::broken;
use crate::ramdisk::elf::Elf;
use crate::ramdisk::kernel::architecture;
use crate::ramdisk::unpack::is_gzip;
use anyhow::{Context as _, bail};
use flate2::read::MultiGzDecoder;
use hostler_core::hardware::Arch;
use std::borrow::Cow;
use std::io::Read as _;

/// The largest kernel that machines load.
pub(super) const MOST: u64 = 256 << 20;

/// Looks at a kernel as a boot loader would.
///
/// # Errors
/// If it is something else, for another architecture, or truncated.
pub(super) fn examine(file: &[u8], arch: Arch) -> anyhow::Result<()> {
    let kernel = unpacked(file)?;
    let found = if kernel.starts_with(b"\x7fELF") {
        let found = Elf::parse(&kernel).context("it is damaged or truncated")?.arch;
        // Only POWER's firmware has no other form.
        if found == Some(arch) && arch != Arch::Ppc64le {
            bail!(
                "it is a vmlinux, which is not what {arch} machines start; take what is called vmlinuz or Image"
            );
        }
        found
    } else {
        architecture(&kernel)
    };
    match found {
        Some(found) if found == arch => {}
        Some(found) => bail!("it is for {found} and not for {arch}"),
        None => bail!("it is not a kernel for {arch}"),
    }
    match announced(&kernel) {
        Some(size) if size > kernel.len() as u64 => {
            bail!("its header announces {size} bytes, and there are {}: it is truncated", kernel.len())
        }
        _ => Ok(()),
    }
}

/// Kernels of POWER and Arm are often compressed as a whole.
fn unpacked(file: &[u8]) -> anyhow::Result<Cow<'_, [u8]>> {
    if !is_gzip(file) {
        return Ok(file.into());
    }
    let mut kernel = Vec::new();
    MultiGzDecoder::new(file).take(MOST + 1).read_to_end(&mut kernel).map_err(broken)?;
    if kernel.len() as u64 > MOST {
        bail!("it has more than {} MiB unpacked", MOST >> 20);
    }
    Ok(kernel.into())
}

/// The size that the headers tell at least. An ELF file is read to its end anyway.
fn announced(kernel: &[u8]) -> Option<u64> {
    // Documentation/arch/x86/boot.rst: 512-byte sectors of set-up code, then units of 16 bytes.
    if kernel.get(0x202..0x206) == Some(b"HdrS") {
        let sectors = match kernel.get(0x1f1)? {
            0 => 4,
            count => u64::from(*count),
        };
        return Some((sectors + 1) * 512 + u64::from(word(kernel, 0x1f4)?) * 16);
    }
    if !kernel.starts_with(b"MZ") {
        return None;
    }
    // The PE format: the COFF header, the optional one, and the sections.
    let pe = usize::try_from(word(kernel, 0x3c)?).ok()?;
    let half = |at: usize| Some(u16::from_le_bytes(*kernel.get(at..)?.first_chunk()?));
    let (count, optional) = (half(pe.checked_add(6)?)?, half(pe.checked_add(20)?)?);
    let table = pe.checked_add(24)?.checked_add(usize::from(optional))?;
    let end = |section: usize| {
        let at = table + section * 40;
        Some(u64::from(word(kernel, at + 16)?) + u64::from(word(kernel, at + 20)?))
    };
    (0..usize::from(count)).filter_map(end).max()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    /// The head of an x86 kernel with one sector of set-up code, and 64 bytes after it.
    pub(in crate::image) fn bz_image() -> Vec<u8> {
        let mut kernel = vec![0; 1024 + 64];
        kernel[0x1f1] = 1;
        kernel[0x1f4] = 4;
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x236] = 1;
        kernel
    }

    /// The head of an Arm kernel, which is a PE program with one section.
    fn arm_image() -> Vec<u8> {
        let mut kernel = vec![0; 0x200];
        kernel[..2].copy_from_slice(b"MZ");
        kernel[56..60].copy_from_slice(b"ARM\x64");
        kernel[0x3c] = 0x40;
        kernel[0x40..0x48].copy_from_slice(b"PE\0\0\x64\xaa\x01\0");
        kernel[0x40 + 24 + 16..][..8].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        kernel
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn kernels_are_for_the_machines_that_they_say() {
        for (kernel, arch) in
            [(bz_image(), Arch::X86_64), (arm_image(), Arch::Aarch64), (gzip(&arm_image()), Arch::Aarch64)]
        {
            examine(&kernel, arch).unwrap();
        }
        let half = |kernel: Vec<u8>| kernel[..kernel.len() - 1].to_vec();
        for (kernel, arch, expected) in [
            (bz_image(), Arch::Ppc64le, "it is for x86_64 and not for ppc64le"),
            (arm_image(), Arch::X86_64, "it is for aarch64 and not for x86_64"),
            (b"some text".to_vec(), Arch::X86_64, "it is not a kernel for x86_64"),
            (Vec::new(), Arch::X86_64, "it is not a kernel for x86_64"),
            (b"\x7fELF\x02\x01\x01".to_vec(), Arch::Ppc64le, "it is damaged or truncated"),
            (half(bz_image()), Arch::X86_64, "announces 1088 bytes, and there are 1087: it is truncated"),
            (half(arm_image()), Arch::Aarch64, "announces 512 bytes, and there are 511: it is truncated"),
            (half(gzip(&arm_image())), Arch::Aarch64, "it ends in the middle"),
        ] {
            let text = format!("{:#}", examine(&kernel, arch).unwrap_err());
            assert!(text.contains(expected), "{expected:?} is not in {text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(
            start in 0_usize..4,
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..1200)
        ) {
            let bz_image = bz_image();
            let head = [&b""[..], b"MZ", b"\x7fELF\x02\x01\x01", &bz_image[..0x238]][start];
            let _ = examine(&[head, &bytes].concat(), Arch::X86_64);
        }
    }
}
