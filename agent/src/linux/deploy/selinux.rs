//! Labels of what is written into an image that uses `SELinux`.
//!
//! The ramdisk's kernel has no policy loaded, so it labels nothing by itself, and a file without a label is refused
//! to most services of an image that enforces one. The labels here are those of the reference policy and of all that
//! are made from it; an image with a policy of its own has to relabel itself.

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr, lsetxattr};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

const ATTRIBUTE: &str = "security.selinux";

/// Types of the reference policy.
pub(super) const ETC: &str = "etc_t";
pub(super) const PROGRAM: &str = "bin_t";
pub(super) const SSH_HOST_KEY: &str = "sshd_key_t";
pub(super) const SSH_HOME: &str = "ssh_home_t";
pub(super) const HOSTNAME: &str = "hostname_etc_t";
pub(super) const UNIT: &str = "systemd_unit_file_t";
pub(super) const STATE: &str = "var_lib_t";

/// Whether files are to be labelled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Labels {
    /// The image's own files are.
    present: bool,
    wanted: bool,
}

impl Labels {
    /// For the file system of this directory.
    pub(super) fn of(root: BorrowedFd<'_>) -> Self {
        let mut label = [0; 256];
        Self { present: fgetxattr(root.as_fd(), ATTRIBUTE, &mut label).is_ok(), wanted: false }
    }

    /// With the text of the image's `/etc/selinux/config`.
    pub(super) fn configure(&mut self, configuration: &str) {
        self.wanted = self.present && is_enabled(configuration);
    }

    /// It is better to go on without a label: not every image enforces its policy.
    pub(super) fn set(self, file: BorrowedFd<'_>, kind: &str) {
        if self.wanted
            && let Err(error) = fsetxattr(file, ATTRIBUTE, &label(kind), XattrFlags::empty())
        {
            tracing::warn!(kind, "cannot label a file: {error}");
        }
    }

    /// The same for a symbolic link, which cannot be opened.
    pub(super) fn set_link(self, directory: BorrowedFd<'_>, name: &str, kind: &str) {
        let path = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
        if self.wanted
            && let Err(error) = lsetxattr(&path, ATTRIBUTE, &label(kind), XattrFlags::empty())
        {
            tracing::warn!(kind, "cannot label a symbolic link: {error}");
        }
    }
}

fn label(kind: &str) -> Vec<u8> {
    format!("system_u:object_r:{kind}:s0\0").into_bytes()
}

fn is_enabled(configuration: &str) -> bool {
    let mode = configuration.lines().filter_map(|line| line.trim().strip_prefix("SELINUX=")).next_back();
    matches!(mode.map(str::trim), Some("enforcing" | "permissive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_configuration_says() {
        for (text, expected) in [
            ("# comment\nSELINUX=enforcing\nSELINUXTYPE=targeted\n", true),
            ("SELINUX=permissive", true),
            ("SELINUX=disabled\n", false),
            ("#SELINUX=enforcing\n", false),
            ("", false),
        ] {
            assert_eq!(is_enabled(text), expected, "{text}");
        }
        assert_eq!(label(UNIT), b"system_u:object_r:systemd_unit_file_t:s0\0");
    }
}
