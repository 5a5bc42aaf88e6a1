//! A CI job, as tests write one: everything goes through the command line.

use anyhow::{Context as _, ensure};
use hostler_lab::Lab;
use hostler_lab::image::{self, Kind};
use hostler_lab::layout::Layout;
use hostler_lab::room::Arch;
use hostler_lab::setup::foreign::Foreign;
use rustix::fs::{SeekFrom, seek};
use serde_json::Value;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the payload writes into a file of the deployed system: nobody may find it afterwards.
pub(crate) const PATTERN: &str = "pattern-of-the-former-tenant-";

/// Leaves a report, and 4 MiB of the pattern on the disk.
const PAYLOAD: &str = r#"
echo "on $HOSTLER_NODE as $HOSTLER_ROLE, $(uname -m)"
[ "$(hostname)" = "$HOSTLER_NODE" ] || exit 9
yes "PATTERN$HOSTLER_NODE" | head -c 4194304 > /root/secret
sync
cat > report.xml <<X
<testsuites><testsuite name="lab" tests="1"><testcase classname="lab" name="$HOSTLER_NODE"/></testsuite></testsuites>
X
"#;

pub(crate) struct Tenant<'a> {
    lab: &'a Lab,
    dir: tempfile::TempDir,
}

impl<'a> Tenant<'a> {
    /// A tenant of `lab`, and the images that it uses.
    pub(crate) fn new(lab: &'a Lab, images: &[(Kind, Arch)]) -> anyhow::Result<Self> {
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the command line says to words that are separated by single spaces.
    pub(crate) fn say(&self, words: &str) -> anyhow::Result<Output> {
        let mut command = self.lab.hostler(words.split(' '));
        command.env("HOSTLER_CREDENTIALS", self.path("ci.toml"));
        command.output().context("cannot start hostler")
    }

    /// The same, if it succeeds.
    pub(crate) fn ok(&self, words: &str) -> anyhow::Result<String> {
        let output = self.say(words)?;
        ensure!(output.status.success(), "hostler {words}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) fn lease(&self, id: u64) -> anyhow::Result<Value> {
        let text = self.ok(&format!("lease show {id} --output json"))?;
        serde_json::from_str(&text).with_context(|| text)
    }

    /// Asks for a group; returns its number.
    pub(crate) fn request(&self, words: &str) -> anyhow::Result<u64> {
        let text = self.ok(&format!("lease request {words} --max-wait 1h"))?;
        text.trim().parse().with_context(|| text)
    }

    /// Asks for a group and waits until it is there.
    pub(crate) fn lease_of(&self, words: &str) -> anyhow::Result<u64> {
        let id = self.request(words)?;
        self.ok(&format!("lease wait {id} --timeout 20m"))?;
        Ok(id)
    }

    /// Runs the payload on all members; their outputs and reports are in the directory then.
    pub(crate) fn run_payload(&self, lease: u64) -> anyhow::Result<PathBuf> {
        let (script, results) = (self.path("payload.sh"), self.path(&format!("results-{lease}")));
        std::fs::write(&script, PAYLOAD.replace("PATTERN", PATTERN))?;
        let (script, out) = (script.display(), results.display());
        self.ok(&format!("run {lease} --timeout 5m --script {script} --junit report.xml --results {out}"))?;
        Ok(results)
    }

    /// A file with a script.
    pub(crate) fn script(&self, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path("script.sh");
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Runs a script on all members.
    pub(crate) fn run_script(&self, lease: u64, text: &str) -> anyhow::Result<Output> {
        self.say(&format!("run {lease} --timeout 5m --script {}", self.script(text)?.display()))
    }

    /// An ssh key of the tenant's; returns the file of its public half.
    pub(crate) fn ssh_key(&self) -> anyhow::Result<PathBuf> {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f"]).arg(self.path("key"));
        ensure!(keygen.status()?.success(), "ssh-keygen fails");
        Ok(self.path("key.pub"))
    }

    /// Logs in to a machine of the lease, believing only the host keys that the lease tells.
    pub(crate) fn ssh(&self, lease: u64, node: &str, command: &str) -> anyhow::Result<String> {
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
pub(crate) fn admin<'w>(lab: &Lab, words: impl IntoIterator<Item = &'w str>) -> anyhow::Result<()> {
    let output = lab.hostler(words).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

pub(crate) fn add_image(lab: &Lab, name: &str, arch: Arch, file: &Path) -> anyhow::Result<()> {
    admin(lab, ["image", "add", &file.to_string_lossy(), "--name", name, "--arch", arch.name()])
}

/// The kernel of the package, with this ramdisk. No console is named: it talks where the machine does.
fn add_live(lab: &Lab, arch: Arch, initrd: &Path) -> anyhow::Result<()> {
    let (kernel, _) = Foreign::new(&Layout::new()).kernel(arch)?;
    let (kernel, initrd) = (kernel.to_string_lossy(), initrd.to_string_lossy());
    let words = ["image", "add", "--name", "live", "--arch", arch.name(), "--kernel", &kernel];
    admin(lab, words.into_iter().chain(["--initrd", &initrd, "--arguments", "panic=10"]))
}

/// True if the bytes of `pattern` are anywhere on the disk, which must not be in use. Holes of the file are skipped.
pub(crate) fn is_on_disk(disk: &Path, pattern: &str) -> anyhow::Result<bool> {
    let file = File::open(disk)?;
    let mut end = 0;
    // Behind the last data there is no such position.
    while let Ok(start) = seek(&file, SeekFrom::Data(end)) {
        end = seek(&file, SeekFrom::Hole(start))?;
        if is_in_extent(&file, start..end, pattern.as_bytes())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads in pieces that overlap by the length of the pattern.
fn is_in_extent(file: &File, extent: Range<u64>, pattern: &[u8]) -> anyhow::Result<bool> {
    const PIECE: u64 = 1 << 20;
    let mut at = extent.start;
    while at < extent.end {
        let length = (extent.end - at).min(PIECE + pattern.len() as u64);
        let mut piece = vec![0; usize::try_from(length)?];
        file.read_exact_at(&mut piece, at)?;
        if piece.windows(pattern.len()).any(|window| window == pattern) {
            return Ok(true);
        }
        at += PIECE;
    }
    Ok(false)
}

#[test]
fn a_pattern_is_found_between_holes_and_across_pieces() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(64 << 20).unwrap();
    assert!(!is_on_disk(file.path(), PATTERN).unwrap());
    file.as_file().write_all_at(&[1; 3 << 20], 8 << 20).unwrap();
    assert!(!is_on_disk(file.path(), PATTERN).unwrap());
    file.as_file().write_all_at(PATTERN.as_bytes(), (9 << 20) - 5).unwrap();
    assert!(is_on_disk(file.path(), PATTERN).unwrap());
}
