//! What lies in the directory of boot files, held against what it is served for. A kernel or ramdisk for another
//! architecture would end in a panic on every machine, each of which climbs the whole ladder before it tells.

use super::cpio::{HEAD, Head, is_newc};
use super::{elf, kernel, unpack};
use hostler_core::hardware::Arch;
use hostler_pxe::names;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Kernels are told by less.
const KERNEL_HEAD: usize = 64 << 10;

/// What comes before the first process in a ramdisk of ours are directories and small files.
const BEFORE_INIT: usize = 1 << 20;

/// What is wrong with the kernels and ramdisks below `dir`. Those that are not there, or of a kind that is not known
/// here, are left to whoever put them there.
pub(crate) fn problems(dir: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    for arch in Arch::ALL {
        let (kernel, ramdisk) = (dir.join(names::kernel(arch)), dir.join(names::ramdisk(arch)));
        let kernel_for = head(&kernel).ok().and_then(|head| kernel::architecture(&head));
        let ramdisk_for = head(&ramdisk).ok().and_then(|head| of_init(&head));
        for (what, path, found) in [("kernel", kernel, kernel_for), ("ramdisk", ramdisk, ramdisk_for)] {
            if let Some(found) = found.filter(|found| *found != arch) {
                problems.push(format!("{} is a {what} for {found}, not for {arch}", path.display()));
            }
        }
    }
    problems
}

/// The beginning of a file, unpacked.
fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    unpack::reader(File::open(path)?)?.take((KERNEL_HEAD + BEFORE_INIT) as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The architecture of the first process of a ramdisk, by "newc" of cpio(5).
fn of_init(archive: &[u8]) -> Option<Arch> {
    let mut rest = archive;
    while is_newc(rest) {
        let Head { size, name_size } = Head::parse(rest.first_chunk()?)?;
        let (size, name_end) = (size as usize, HEAD + name_size as usize);
        let data = name_end.next_multiple_of(4);
        if rest.get(HEAD..name_end)? == b"init\0" {
            return elf::architecture(rest.get(data..)?);
        }
        rest = rest.get((data + size).next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ramdisk::cpio::Archive;
    use proptest::prelude::*;
    use std::fs;

    /// A ramdisk whose first process is for the machine of this number in ELF.
    fn ramdisk(machine: u8) -> Vec<u8> {
        let mut archive = Archive::default();
        archive.file("etc/hosts", 0o644, b"127.0.0.1 localhost\n".to_vec());
        let mut program = b"\x7fELF\x02\x01\x01".to_vec();
        program.resize(18, 0);
        program.extend([machine, 0]);
        program.resize(4000, 1);
        archive.file("init", 0o755, program);
        let mut bytes = Vec::new();
        archive.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn files_for_machines_of_another_architecture_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let mut arm_kernel = vec![0; 64];
        arm_kernel[56..].copy_from_slice(b"ARM\x64\0\0\0\0");
        put("kernels/aarch64", &arm_kernel);
        put("kernels/x86_64", b"something of somebody else");
        put("ramdisks/x86_64", &zstd::encode_all(&ramdisk(62)[..], 1).unwrap());
        put("ramdisks/aarch64", &ramdisk(183));
        assert_eq!(problems(dir.path()), Vec::<String>::new());
        put("kernels/ppc64le", &arm_kernel);
        put("ramdisks/x86_64", &zstd::encode_all(&ramdisk(183)[..], 1).unwrap());
        let found = problems(dir.path()).join("\n").replace(&dir.path().display().to_string(), "");
        assert_eq!(
            found,
            "/ramdisks/x86_64 is a ramdisk for aarch64, not for x86_64\n\
             /kernels/ppc64le is a kernel for aarch64, not for ppc64le"
        );
    }

    proptest! {
        #[test]
        fn no_archive_panics(at in 0_usize..400, bytes in prop::collection::vec(any::<u8>(), 0..16), length in 0_usize..5000) {
            let mut archive = ramdisk(62);
            for (place, byte) in archive.iter_mut().skip(at).zip(bytes) {
                *place = byte;
            }
            archive.truncate(length);
            let _ = of_init(&archive);
        }
    }
}
