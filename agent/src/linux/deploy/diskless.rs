//! Making a kernel and a ramdisk the system of this node. What the node has of its own comes in an archive behind the
//! ramdisk: the kernel unpacks one over the other.

use super::cpio::Archive;
use super::kernel::{self, LoadError, console_arguments};
use super::{InstallError, Prepared, ssh, system};
use crate::identity::DeployedIdentity;
use crate::machine::DisklessSystem;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};

/// Blocks. No disk is touched.
pub(in crate::linux) fn install(
    mut image: DisklessSystem,
    identity: &DeployedIdentity,
) -> Result<Prepared, InstallError> {
    let agent = std::fs::read("/proc/self/exe").map_err(InstallError::Program)?;
    let host_key = ssh::HostKey::generate(&identity.hostname).map_err(InstallError::Archive)?;
    append(&mut image.initrd, identity, &host_key, &agent).map_err(InstallError::Archive)?;
    drop(agent);
    let arguments = with_consoles(&image.arguments, &console_arguments());
    tracing::info!(arguments, "loads the kernel of the image");
    let kernel = kernel::from_memory(image.kernel)?;
    kernel::load_files(&kernel, Some(&image.initrd), &arguments)?;
    Ok(Prepared { ssh_host_keys: vec![host_key.public], kernel_loaded: true })
}

impl From<LoadError> for InstallError {
    fn from(error: LoadError) -> Self {
        Self::Kernel(error)
    }
}

/// An image that names no console talks where the ramdisk does.
fn with_consoles(arguments: &str, consoles: &str) -> String {
    let named = arguments.split(' ').any(|word| word.starts_with("console="));
    if named { arguments.to_owned() } else { format!("{arguments}{consoles}").trim_start().to_owned() }
}

/// What is in the ramdisk cannot be looked at as a disk can, so all of it is written in any case: a system without
/// systemd or an SSH server has no use for some of it.
fn append(
    initrd: &mut File,
    identity: &DeployedIdentity,
    host_key: &ssh::HostKey,
    agent: &[u8],
) -> io::Result<()> {
    let length = initrd.seek(SeekFrom::End(0))?;
    let mut out = BufWriter::with_capacity(1 << 20, initrd);
    // Where the kernel expects an archive.
    out.write_all(&[0; 3][..(length.next_multiple_of(4) - length) as usize])?;
    let mut archive = Archive::new(&mut out);
    archive.file("etc/hostname", 0o644, format!("{}\n", identity.hostname).as_bytes())?;
    archive.file("etc/machine-id", 0o444, system::machine_id()?.as_bytes())?;
    archive.file(ssh::HOST_KEY, 0o600, host_key.private.as_bytes())?;
    let public = format!("{} {}\n", host_key.public, identity.hostname);
    archive.file(&format!("{}.pub", ssh::HOST_KEY), 0o644, public.as_bytes())?;
    archive.directory("root", 0o700)?;
    archive.directory("root/.ssh", 0o700)?;
    let keys = system::authorized_keys(&identity.ssh_keys);
    archive.file(system::AUTHORIZED_KEYS, 0o600, keys.as_bytes())?;
    archive.directory(system::STATE_DIRECTORY, 0o700)?;
    archive.file(system::IDENTITY, 0o600, &serde_json::to_vec(identity)?)?;
    archive.file(system::AGENT, 0o755, agent)?;
    archive.file(system::UNIT_FILE, 0o644, system::SERVICE.as_bytes())?;
    archive.link(system::WANTED, &format!("/{}", system::UNIT_FILE))?;
    archive.finish()?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::super::system::tests::identity;
    use super::*;
    use hostler_checkout::peers::peer;
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    /// The archive behind a ramdisk of three bytes.
    fn appended() -> Vec<u8> {
        let mut initrd = tempfile::tempfile().unwrap();
        initrd.write_all(b"abc").unwrap();
        let host_key = ssh::HostKey::generate("node-1").unwrap();
        append(&mut initrd, &identity(), &host_key, b"program").unwrap();
        let mut bytes = Vec::new();
        initrd.rewind().unwrap();
        initrd.read_to_end(&mut bytes).unwrap();
        assert_eq!(&bytes[..10], b"abc\x00070701");
        assert_eq!(bytes.len() % 4, 0);
        bytes.split_off(4)
    }

    /// What others make of it.
    #[test]
    fn everything_of_the_node_is_behind_the_ramdisk() {
        let Some(cpio) = peer("everything_of_the_node_is_behind_the_ramdisk", "cpio") else { return };
        let dir = tempfile::tempdir().unwrap();
        let cpio = |arguments: &[&str]| {
            let mut cpio = Command::new(&cpio);
            cpio.args(arguments).arg("--quiet").current_dir(dir.path()).env("TZ", "UTC");
            cpio.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut cpio = cpio.spawn().unwrap();
            cpio.stdin.take().unwrap().write_all(&appended()).unwrap();
            let output = cpio.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let listed = cpio(&["-tv", "--numeric-uid-gid"]);
        let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
        let found: Vec<_> = lines.iter().map(|line| (line[0], line[8])).collect();
        for expected in [
            ("drwxr-xr-x", "etc"),
            ("-r--r--r--", "etc/machine-id"),
            ("-rw-------", "etc/ssh/ssh_host_ed25519_key"),
            ("drwx------", "root"),
            ("drwx------", "root/.ssh"),
            ("-rw-------", "root/.ssh/authorized_keys"),
            ("drwx------", "var/lib/hostler-agent"),
            ("-rw-------", "var/lib/hostler-agent/identity.json"),
            ("-rwxr-xr-x", "usr/lib/hostler/hostler-agent"),
            ("lrwxrwxrwx", "etc/systemd/system/multi-user.target.wants/hostler-agent.service"),
        ] {
            assert!(found.contains(&expected), "{expected:?} is not in {listed}");
        }
        assert!(lines.iter().all(|line| line[2..4] == ["0", "0"]), "all of it is root's: {listed}");
        let before = |a: &str, b: &str| {
            let at = |path: &str| found.iter().position(|(_, found)| *found == path).unwrap();
            at(a) < at(b)
        };
        assert!(
            before("var/lib", "var/lib/hostler-agent") && before("etc/ssh", "etc/ssh/ssh_host_ed25519_key")
        );

        cpio(&["-i", "--no-preserve-owner"]);
        let read = |path: &str| std::fs::read_to_string(dir.path().join(path)).unwrap();
        assert_eq!(read("etc/hostname"), "node-1\n");
        assert_eq!(read("root/.ssh/authorized_keys"), "ssh-ed25519 AAAA ci\nssh-rsa BBBB\n");
        assert_eq!(read("usr/lib/hostler/hostler-agent"), "program");
        let stored: DeployedIdentity =
            serde_json::from_str(&read("var/lib/hostler-agent/identity.json")).unwrap();
        assert_eq!(stored, identity());
    }

    #[test]
    fn a_console_is_added_where_none_is_named() {
        for (arguments, expected) in [
            ("quiet", "quiet console=tty0 console=ttyS0"),
            ("", "console=tty0 console=ttyS0"),
            ("console=hvc0 quiet", "console=hvc0 quiet"),
        ] {
            assert_eq!(with_consoles(arguments, " console=tty0 console=ttyS0"), expected);
        }
    }
}
