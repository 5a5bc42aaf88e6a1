//! File systems mounted where nobody else sees them.

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Mounts a file system without giving it a place in the tree of directories: it is there for as long as the returned
/// directory is open, and whatever happens to this process, nothing stays mounted.
///
/// # Errors
/// What the kernel says, with the file system's own words where it has some.
pub(super) fn mount(
    device: &Path,
    file_system: &str,
    writable: bool,
    options: &[(&str, &str)],
) -> io::Result<OwnedFd> {
    let context = fsopen(file_system, FsOpenFlags::FSOPEN_CLOEXEC).map_err(|error| match error {
        Errno::NODEV => {
            io::Error::new(io::ErrorKind::Unsupported, format!("this kernel has no {file_system}"))
        }
        error => error.into(),
    })?;
    let configure = || {
        fsconfig_set_string(context.as_fd(), "source", device)?;
        if !writable {
            fsconfig_set_flag(context.as_fd(), "ro")?;
        }
        for (key, value) in options {
            fsconfig_set_string(context.as_fd(), *key, *value)?;
        }
        fsconfig_create(context.as_fd())
    };
    configure().map_err(|error| explain(&context, error.into()))?;
    let safe = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let access = if writable { MountAttrFlags::empty() } else { MountAttrFlags::MOUNT_ATTR_RDONLY };
    let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, safe | access)?;
    // What fsmount returns is only a place (O_PATH), and not good for ioctl and syncfs. An open file keeps its mount.
    Ok(openat(mount, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The kernel keeps its messages about a file system in the making, one for each read: "e " and the text for an error.
fn explain(context: &OwnedFd, error: io::Error) -> io::Error {
    let mut text = [0; 512];
    let words = rustix::io::read(context, &mut text).ok().and_then(|length| {
        let text = String::from_utf8_lossy(&text[..length]);
        text.trim().strip_prefix("e ").map(str::to_owned)
    });
    match words {
        Some(words) => io::Error::other(format!("{words} ({error})")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_mounted_says_why() {
        // Whoever may not mount anything is told so before.
        let error = mount(Path::new("/dev/null"), "no-such-thing", false, &[]).unwrap_err();
        let expected = ["this kernel has no no-such-thing", "Operation not permitted (os error 1)"];
        assert!(expected.contains(&error.to_string().as_str()), "{error}");
    }
}
