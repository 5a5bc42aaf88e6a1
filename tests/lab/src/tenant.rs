//! A CI job and an administrator, as people write them: everything goes through the command line.

use crate::Lab;
use crate::image::{self, Kind};
use crate::layout::Layout;
use crate::room::Arch;
use crate::setup::foreign::Foreign;
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A tenant of a lab, with a directory of its own for what it keeps.
#[derive(Debug)]
pub struct Tenant<'a> {
    lab: &'a Lab,
    dir: tempfile::TempDir,
}

impl<'a> Tenant<'a> {
    /// A tenant of `lab`, and the images that it uses.
    ///
    /// # Errors
    /// If an image cannot be built, or the controller refuses.
    pub fn new(lab: &'a Lab, images: &[(Kind, Arch)]) -> anyhow::Result<Self> {
        let tenant = Self { lab, dir: tempfile::tempdir()? };
        admin(lab, ["tenant", "add", "ci", "--write", &tenant.path("ci.toml").to_string_lossy()])?;
        for (kind, arch) in images {
            let file = image::cached(&Layout::new(), *kind, *arch)?;
            match kind {
                Kind::Tiny => add_image(lab, "tiny", *arch, &file)?,
                Kind::Debian => add_image(lab, "debian", *arch, &file)?,
                Kind::Live => add_live(lab, *arch, &file)?,
            }
        }
        Ok(tenant)
    }

    /// A name in its directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the command line says to words that are separated by single spaces.
    ///
    /// # Errors
    /// If it cannot be started; that it fails is no error.
    pub fn say(&self, words: &str) -> anyhow::Result<Output> {
        let mut command = self.lab.hostler(words.split(' '));
        command.env("HOSTLER_CREDENTIALS", self.path("ci.toml"));
        command.output().context("cannot start hostler")
    }

    /// The same, if it succeeds.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn ok(&self, words: &str) -> anyhow::Result<String> {
        let output = self.say(words)?;
        ensure!(output.status.success(), "hostler {words}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A lease, as the command line shows it to programs.
    ///
    /// # Errors
    /// If there is no such lease of this tenant.
    pub fn lease(&self, id: u64) -> anyhow::Result<Value> {
        let text = self.ok(&format!("lease show {id} --output json"))?;
        serde_json::from_str(&text).with_context(|| text)
    }

    /// Asks for a group; returns its number.
    ///
    /// # Errors
    /// If it is refused.
    pub fn request(&self, words: &str) -> anyhow::Result<u64> {
        let text = self.ok(&format!("lease request {words} --max-wait 1h"))?;
        text.trim().parse().with_context(|| text)
    }

    /// Asks for a group and waits until it is there.
    ///
    /// # Errors
    /// If it is refused, or not there in 20 minutes.
    pub fn lease_of(&self, words: &str) -> anyhow::Result<u64> {
        let id = self.request(words)?;
        self.ok(&format!("lease wait {id} --timeout 20m"))?;
        Ok(id)
    }

    /// A file with a script.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn script(&self, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path("script.sh");
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Runs a script on all members.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn run_script(&self, lease: u64, text: &str) -> anyhow::Result<Output> {
        self.say(&format!("run {lease} --timeout 5m --script {}", self.script(text)?.display()))
    }

    /// An ssh key of the tenant's; returns the file of its public half.
    ///
    /// # Errors
    /// If there is no ssh-keygen.
    pub fn ssh_key(&self) -> anyhow::Result<PathBuf> {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f"]).arg(self.path("key"));
        ensure!(keygen.status()?.success(), "ssh-keygen fails");
        Ok(self.path("key.pub"))
    }

    /// Logs in to a machine of the lease, believing only the host keys that the lease tells.
    ///
    /// # Errors
    /// If the machine cannot be reached, or is another, or the command fails.
    pub fn ssh(&self, lease: u64, node: &str, command: &str) -> anyhow::Result<String> {
        let known = self.path("known_hosts");
        std::fs::write(&known, self.ok(&format!("lease show {lease} --known-hosts"))?)?;
        let address = self.lab.machine(node)?.identity.address();
        let mut ssh = self.lab.namespace().command("ssh");
        ssh.args([
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "ConnectTimeout=60",
            "-F",
            "none",
        ]);
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", known.display()));
        ssh.arg("-i").arg(self.path("key")).arg(format!("root@{address}")).arg(command);
        let output = ssh.output()?;
        ensure!(output.status.success(), "ssh {node}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The administrator's command line.
///
/// # Errors
/// If it fails, with what it said.
pub fn admin<'w>(lab: &Lab, words: impl IntoIterator<Item = &'w str>) -> anyhow::Result<()> {
    let output = lab.hostler(words).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Catalogues a disk image.
///
/// # Errors
/// If the controller refuses it.
pub fn add_image(lab: &Lab, name: &str, arch: Arch, file: &Path) -> anyhow::Result<()> {
    admin(lab, ["image", "add", &file.to_string_lossy(), "--name", name, "--arch", arch.name()])
}

/// The kernel of the package, with this ramdisk. No console is named: it talks where the machine does.
fn add_live(lab: &Lab, arch: Arch, initrd: &Path) -> anyhow::Result<()> {
    let (kernel, _) = Foreign::new(&Layout::new()).kernel(arch)?;
    let (kernel, initrd) = (kernel.to_string_lossy(), initrd.to_string_lossy());
    let words = ["image", "add", "--name", "live", "--arch", arch.name(), "--kernel", &kernel];
    admin(lab, words.into_iter().chain(["--initrd", &initrd, "--arguments", "panic=10"]))
}
