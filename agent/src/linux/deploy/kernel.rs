//! Having the running kernel load the next one.

use super::boot::Entry;
use super::tree::Tree;
use super::{arch, machine_arch};
use flate2::read::MultiGzDecoder;
use rustix::fs::{MemfdFlags, memfd_create};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::process::Command;

/// Where the ramdisk has the program for kernels that were built without `kexec_file_load`.
const PROGRAM: &str = "/usr/sbin/kexec";

/// Bounds on what is read into memory.
const LARGEST_KERNEL: u64 = 256 << 20;
const LARGEST_INITRD: u64 = 1 << 30;

/// Why a kernel could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(in crate::linux) enum LoadError {
    #[error("cannot read {path} of the image")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot hold {what} in memory")]
    Memory {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{path} of the image is a kernel for {found}, and this machine is {}", machine_arch())]
    OtherArch { path: String, found: &'static str },
    #[error("the kernel's command line has a zero in it")]
    CommandLine,
    #[error("the running kernel does not load it")]
    Refused(#[source] io::Error),
    #[error("the running kernel does not load it ({system}), and {PROGRAM} failed: {program}")]
    ProgramRefused { system: io::Error, program: String },
}

impl LoadError {
    /// What the system said, if that is what went wrong.
    pub(super) const fn source_of(&self) -> Option<&io::Error> {
        match self {
            Self::Read { source, .. } | Self::Memory { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The consoles that this kernel was started with are those that somebody looks at.
pub(super) fn console_arguments() -> String {
    let line = super::super::line("/proc/cmdline");
    let consoles = line.split_ascii_whitespace().filter(|word| word.starts_with("console="));
    consoles.map(|word| format!(" {word}")).collect()
}

/// Loads an entry's kernel, for `reboot(LINUX_REBOOT_CMD_KEXEC)`.
pub(super) fn load(tree: &Tree, entry: &Entry) -> Result<(), LoadError> {
    let path = format!("/{}", entry.kernel);
    let kernel = tree.read(&entry.kernel, LARGEST_KERNEL).and_then(unpack);
    let kernel = checked(kernel, &path)?;
    let initrd = if entry.initrds.is_empty() { None } else { Some(join_initrds(tree, &entry.initrds)?) };
    load_files(&kernel, initrd.as_ref(), &entry.arguments)
}

/// Loads a kernel that is unpacked.
pub(super) fn load_files(kernel: &File, initrd: Option<&File>, arguments: &str) -> Result<(), LoadError> {
    let command_line = CString::new(arguments).map_err(|_| LoadError::CommandLine)?;
    let loaded = hostler_sys::kexec::load(kernel.as_fd(), initrd.map(File::as_fd), &command_line);
    match loaded {
        Err(system) if Path::new(PROGRAM).exists() => {
            tracing::info!("kexec_file_load: {system}; tries {PROGRAM}");
            load_by_program(kernel, initrd, arguments)
                .map_err(|program| LoadError::ProgramRefused { system, program })
        }
        loaded => loaded.map_err(LoadError::Refused),
    }
}

/// A kernel as it was fetched, unpacked.
pub(super) fn from_memory(mut fetched: File) -> Result<File, LoadError> {
    let mut data = Vec::new();
    let read = fetched.rewind().and_then(|()| fetched.read_to_end(&mut data));
    drop(fetched);
    checked(read.and_then(|_| unpack(data)), "the kernel")
}

fn checked(unpacked: io::Result<Vec<u8>>, path: &str) -> Result<File, LoadError> {
    let data = unpacked.map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    if let Some(found) = arch::of(&data).filter(|found| *found != machine_arch()) {
        return Err(LoadError::OtherArch { path: path.to_owned(), found });
    }
    in_memory("kernel", |file| file.write_all(&data))
}

/// A file that no file system has.
fn in_memory(what: &'static str, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<File, LoadError> {
    let create = || {
        let mut file = File::from(memfd_create(what, MemfdFlags::CLOEXEC)?);
        write(&mut file)?;
        Ok(file)
    };
    create().map_err(|source| LoadError::Memory { what, source })
}

/// Several ramdisks are one behind the other, as a boot loader has them: each begins at a multiple of four bytes.
fn join_initrds(tree: &Tree, paths: &[String]) -> Result<File, LoadError> {
    let mut failed = None;
    let joined = in_memory("initrd", |file| {
        let mut length: u64 = 0;
        for path in paths {
            let mut append = || {
                file.write_all(&[0; 3][..(length.next_multiple_of(4) - length) as usize])?;
                let room = LARGEST_INITRD.saturating_sub(length);
                let copied = io::copy(&mut tree.open_file(path)?.take(room), file)?;
                if copied == room { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(copied) }
            };
            match append() {
                Ok(copied) => length = length.next_multiple_of(4) + copied,
                Err(source) => {
                    failed = Some(LoadError::Read { path: format!("/{path}"), source });
                    break;
                }
            }
        }
        Ok(())
    });
    match failed {
        Some(error) => Err(error),
        None => joined,
    }
}

/// Kernels that boot loaders unpack, and the system call does not: compressed as a whole (ppc64le, aarch64 of
/// Debian's relatives), or in a wrapper that is an EFI program (aarch64 of Fedora's relatives,
/// `drivers/firmware/efi/libstub/zboot-header.S`).
fn unpack(data: Vec<u8>) -> io::Result<Vec<u8>> {
    let word = |at: usize| {
        let bytes = data.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    if data.starts_with(&[0x1f, 0x8b]) {
        return gunzip(&data);
    }
    if data.get(4..8) != Some(b"zimg") || !data.starts_with(b"MZ") {
        return Ok(data);
    }
    let payload = word(8).zip(word(12)).and_then(|(at, length)| data.get(at..at.checked_add(length)?));
    let payload = payload.ok_or_else(|| invalid("its payload is beyond its end"))?;
    let kind = data.get(24..56).unwrap_or_default();
    let kind = String::from_utf8_lossy(kind.split(|&byte| byte == 0).next().unwrap_or_default());
    match &*kind {
        "gzip" => gunzip(payload),
        kind if kind.starts_with("zstd") => bounded(zstd::stream::read::Decoder::new(payload)?),
        other => Err(invalid(&format!("it is compressed with {other:?}, which this version does not know"))),
    }
}

fn gunzip(data: &[u8]) -> io::Result<Vec<u8>> {
    bounded(MultiGzDecoder::new(data))
}

fn bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    from.take(LARGEST_KERNEL + 1).read_to_end(&mut data)?;
    if data.len() as u64 > LARGEST_KERNEL { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(data) }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The program's own words on failure.
fn load_by_program(kernel: &File, initrd: Option<&File>, arguments: &str) -> Result<(), String> {
    let path = |file: &File| format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let mut command = Command::new(PROGRAM);
    command.arg("-l").arg(path(kernel)).arg(format!("--command-line={arguments}"));
    command.args(initrd.map(|initrd| format!("--initrd={}", path(initrd))));
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stderr, output.stdout].concat();
    let text = String::from_utf8_lossy(&text);
    Err(format!("{}: {}", output.status, text.trim().chars().take(500).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::Image;
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::os::unix::fs::FileExt as _;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn wrapped(kind: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut data = vec![0; 64];
        data[..2].copy_from_slice(b"MZ");
        data[4..8].copy_from_slice(b"zimg");
        data[8..12].copy_from_slice(&64_u32.to_le_bytes());
        data[12..16].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        data[24..24 + kind.len()].copy_from_slice(kind);
        data.extend_from_slice(payload);
        data.extend_from_slice(b"signature");
        data
    }

    #[test]
    fn kernels_as_distributions_pack_them() {
        let kernel = b"\x7fELF and so on".to_vec();
        let zstd = zstd::bulk::compress(&kernel, 3).unwrap();
        for packed in
            [kernel.clone(), gzip(&kernel), wrapped(b"gzip", &gzip(&kernel)), wrapped(b"zstd22", &zstd)]
        {
            assert_eq!(unpack(packed).unwrap(), kernel);
        }
        let bz_image = b"MZ\0\0\0\0\0\0not zimg".to_vec();
        assert_eq!(unpack(bz_image.clone()).unwrap(), bz_image);
        assert!(unpack(wrapped(b"xzkern", b"x")).unwrap_err().to_string().contains("\"xzkern\""));
        let mut beyond = wrapped(b"gzip", b"x");
        beyond[8..12].copy_from_slice(&[0xff; 4]);
        assert!(unpack(beyond).is_err());
        assert!(unpack(gzip(&kernel)[..10].to_vec()).is_err());
    }

    #[test]
    fn ramdisks_are_joined_at_multiples_of_four() {
        let image = Image::new();
        image.file("a", "abcde");
        image.file("b", "fgh");
        let joined = join_initrds(&image.tree(), &["a".to_owned(), "b".to_owned()]).unwrap();
        let mut data = vec![0; usize::try_from(joined.metadata().unwrap().len()).unwrap()];
        joined.read_exact_at(&mut data, 0).unwrap();
        assert_eq!(data, b"abcde\0\0\0fgh");
        let missing = join_initrds(&image.tree(), &["a".to_owned(), "c".to_owned()]).unwrap_err();
        assert_eq!(missing.to_string(), "cannot read /c of the image");
    }
}
