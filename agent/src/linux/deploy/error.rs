//! Why an image did not become a system, and whether it is to blame.

use super::{kernel, system};
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;

/// Why the image did not become a system.
#[derive(Debug, thiserror::Error)]
pub(in crate::linux) enum InstallError {
    #[error("cannot open the disk")]
    Open(#[source] io::Error),
    #[error("cannot read the partition table")]
    Partitions(#[source] io::Error),
    #[error(
        "the image has a partition table for sectors of 512 bytes, which means nothing on this disk with larger ones"
    )]
    OtherSectors,
    #[error("no partition of the image has a root file system: {0}")]
    NoRoot(String),
    #[error("this version cannot deploy images whose root is on {0}")]
    Unsupported(&'static str),
    #[error("cannot mount the root file system, {file_system} on {}", .device.display())]
    Mount {
        device: PathBuf,
        file_system: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("cannot read the agent's own program")]
    Program(#[source] io::Error),
    #[error(transparent)]
    Write(#[from] system::WriteError),
    #[error("cannot store what was written to the root file system")]
    Sync(#[source] io::Error),
    #[error("cannot put what this node has of its own behind the ramdisk of the image")]
    Archive(#[source] io::Error),
    #[error(transparent)]
    Kernel(kernel::LoadError),
}

impl InstallError {
    /// [`io::ErrorKind::InvalidData`] if the image itself is what no machine like this one can start from.
    pub(in crate::linux) fn kind(&self) -> io::ErrorKind {
        let image = match self {
            Self::OtherSectors | Self::NoRoot(_) | Self::Unsupported(_) => true,
            Self::Mount { source, .. } | Self::Write(system::WriteError { source, .. }) => {
                tells_of_image(source)
            }
            Self::Kernel(error) => error.source_of().is_none_or(tells_of_image),
            Self::Open(_) | Self::Partitions(_) | Self::Program(_) | Self::Sync(_) | Self::Archive(_) => {
                false
            }
        };
        if image { io::ErrorKind::InvalidData } else { io::ErrorKind::Other }
    }
}

/// True if the same happens to the image on any machine: a file system that is full, damaged or of a kind that the
/// ramdisk's kernel does not write, or a file where a directory should be. An error of the device is none of these.
fn tells_of_image(error: &io::Error) -> bool {
    const OF_IMAGE: [Errno; 11] = [
        Errno::NOSPC,
        Errno::ROFS,
        Errno::UCLEAN,
        Errno::INVAL,
        Errno::NODEV,
        Errno::OPNOTSUPP,
        Errno::ISDIR,
        Errno::NOTDIR,
        Errno::LOOP,
        Errno::NOENT,
        Errno::XDEV,
    ];
    error.kind() == io::ErrorKind::InvalidData
        || Errno::from_io_error(error).is_some_and(|errno| OF_IMAGE.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_to_blame_for_what_it_is_and_the_machine_for_its_devices() {
        let mount = |errno: Errno| InstallError::Mount {
            device: "/dev/sda1".into(),
            file_system: "ext4",
            source: errno.into(),
        };
        let write = |errno: Errno| InstallError::Write(system::failed("etc/hostname")(errno.into()));
        let read = |errno: Errno| kernel::LoadError::Read { path: "/vmlinuz".into(), source: errno.into() };
        for (error, image) in [
            (InstallError::NoRoot("vda1: no file system".into()), true),
            (InstallError::Unsupported("LVM"), true),
            // Features that this kernel cannot write (ext4's RO_COMPAT), a damaged file system, a device that fails.
            (mount(Errno::INVAL), true),
            (mount(Errno::ROFS), true),
            (mount(Errno::UCLEAN), true),
            (mount(Errno::IO), false),
            (mount(Errno::NXIO), false),
            // No room, a directory or a loop of links where a file belongs, a device that fails.
            (write(Errno::NOSPC), true),
            (write(Errno::ISDIR), true),
            (write(Errno::NOTDIR), true),
            (write(Errno::LOOP), true),
            (write(Errno::IO), false),
            (
                InstallError::Kernel(kernel::LoadError::OtherArch { path: "/x".into(), found: "ppc64le" }),
                true,
            ),
            (InstallError::Kernel(read(Errno::IO)), false),
            (InstallError::Kernel(read(Errno::NOENT)), true),
            (InstallError::Sync(Errno::IO.into()), false),
            (InstallError::Partitions(Errno::IO.into()), false),
            (InstallError::Program(Errno::NOENT.into()), false),
        ] {
            assert_eq!(error.kind() == io::ErrorKind::InvalidData, image, "{error:?}");
        }
    }
}
