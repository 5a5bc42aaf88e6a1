//! What makes an image the system of one node.

use super::selinux::{ETC, HOSTNAME, PROGRAM, SSH_HOME, STATE, UNIT};
use super::ssh;
use super::tree::Tree;
use crate::identity::{DeployedIdentity, hex};
use std::io;

pub(super) const AUTHORIZED_KEYS: &str = "root/.ssh/authorized_keys";
pub(super) const STATE_DIRECTORY: &str = "var/lib/hostler-agent";
pub(super) const IDENTITY: &str = "var/lib/hostler-agent/identity.json";
pub(super) const AGENT: &str = "usr/lib/hostler/hostler-agent";
pub(super) const UNIT_FILE: &str = "etc/systemd/system/hostler-agent.service";
/// The link that has systemd start the unit.
pub(super) const WANTED: &str = "etc/systemd/system/multi-user.target.wants/hostler-agent.service";

/// Payloads are children of the agent: the unit must not limit what they may do, and stopping it ends them.
pub(super) const SERVICE: &str = "\
[Unit]
Description=Hostler agent: runs the payloads of the tenant
After=network.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/lib/hostler/hostler-agent deployed --identity /var/lib/hostler-agent/identity.json
Restart=on-failure
RestartSec=5
TasksMax=infinity
TimeoutStopSec=20

[Install]
WantedBy=multi-user.target
";

/// What was to be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write /{path} of the image")]
pub(in crate::linux) struct WriteError {
    path: &'static str,
    #[source]
    pub(super) source: io::Error,
}

pub(super) fn failed(path: &'static str) -> impl FnOnce(io::Error) -> WriteError {
    move |source| WriteError { path, source }
}

/// Writes everything that this node's system has of its own. Returns the public SSH host keys.
pub(super) fn write(
    tree: &Tree,
    identity: &DeployedIdentity,
    agent: &[u8],
) -> Result<Vec<String>, WriteError> {
    write_names(tree, &identity.hostname)?;
    let host_keys =
        ssh::install_host_keys(tree, &identity.hostname).map_err(failed("etc/ssh/ssh_host_ed25519_key"))?;
    write_authorized_keys(tree, &identity.ssh_keys)?;
    write_agent(tree, identity, agent)?;
    enable(tree)?;
    Ok(host_keys)
}

fn write_names(tree: &Tree, hostname: &str) -> Result<(), WriteError> {
    let text = format!("{hostname}\n");
    tree.write("etc/hostname", 0o644, HOSTNAME, text.as_bytes()).map_err(failed("etc/hostname"))?;
    let path = "etc/machine-id";
    let id = machine_id().map_err(failed(path))?;
    tree.write(path, 0o444, ETC, id.as_bytes()).map_err(failed(path))?;
    let path = "var/lib/dbus/machine-id";
    // Usually a symbolic link to the other.
    if tree.has_file(path) && tree.target(path).is_err() {
        tree.write(path, 0o444, STATE, id.as_bytes()).map_err(failed(path))?;
    }
    Ok(())
}

/// A new one, as the file has it.
pub(super) fn machine_id() -> io::Result<String> {
    let mut id = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| io::Error::other("no randomness"))?;
    // A random UUID (RFC 9562 section 5.4), as machine-id(5) recommends.
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    Ok(format!("{}\n", hex(id)))
}

/// The file of these keys.
pub(super) fn authorized_keys(keys: &[String]) -> String {
    // A line that is more than one would say more than the controller has checked.
    let one_line = |key: &&String| !key.is_empty() && !key.contains(char::is_control);
    keys.iter().filter(one_line).map(|key| format!("{key}\n")).collect()
}

/// Replaces those of the image: only the tenant logs in.
fn write_authorized_keys(tree: &Tree, keys: &[String]) -> Result<(), WriteError> {
    let (path, text) = (AUTHORIZED_KEYS, authorized_keys(keys));
    tree.make_dir("root", 0o700, ETC).map_err(failed("root"))?;
    tree.own_dir("root/.ssh", 0o700, SSH_HOME).map_err(failed("root/.ssh"))?;
    tree.write(path, 0o600, SSH_HOME, text.as_bytes()).map_err(failed(path))
}

fn write_agent(tree: &Tree, identity: &DeployedIdentity, agent: &[u8]) -> Result<(), WriteError> {
    // An image that was taken from a node has the runs and the count of starts of that one.
    tree.remove_dir(STATE_DIRECTORY).map_err(failed(STATE_DIRECTORY))?;
    tree.own_dir(STATE_DIRECTORY, 0o700, STATE).map_err(failed(STATE_DIRECTORY))?;
    let json = serde_json::to_vec(identity).map_err(io::Error::from).map_err(failed(IDENTITY))?;
    tree.write(IDENTITY, 0o600, STATE, &json).map_err(failed(IDENTITY))?;
    tree.write(AGENT, 0o755, PROGRAM, agent).map_err(failed(AGENT))
}

/// Has systemd start the agent. Another init has to do that by itself.
fn enable(tree: &Tree) -> Result<(), WriteError> {
    let systemd = ["usr/lib/systemd/systemd", "lib/systemd/systemd"];
    if !systemd.iter().any(|path| tree.has_file(path)) {
        tracing::info!("the image has no systemd, so its own init has to start /{AGENT}");
        return Ok(());
    }
    tree.write(UNIT_FILE, 0o644, UNIT, SERVICE.as_bytes()).map_err(failed(UNIT_FILE))?;
    tree.link(WANTED, &format!("/{UNIT_FILE}"), UNIT).map_err(failed(UNIT_FILE))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tree::tests::Image;
    use super::*;
    use std::fs;

    pub(in super::super) fn identity() -> DeployedIdentity {
        DeployedIdentity {
            controller: "https://127.0.0.1:1".parse().unwrap(),
            controllers: Vec::new(),
            node: "n1".into(),
            boot: "7".into(),
            hostname: "node-1".into(),
            ca: "ca".into(),
            certificate_chain: "chain".into(),
            key: "private".to_owned().into(),
            time_ms: 5,
            epoch: 3,
            ssh_keys: vec!["ssh-ed25519 AAAA ci".into(), "two\nlines".into(), "ssh-rsa BBBB".into()],
        }
    }

    fn write_into(image: &Image) -> Result<Vec<String>, WriteError> {
        write(&image.tree(), &identity(), b"program")
    }

    #[test]
    fn a_system_with_systemd() {
        let image = Image::new();
        image.file("usr/lib/systemd/systemd", "");
        image.file("etc/ssh/sshd_config", "");
        image.file("etc/machine-id", "uninitialized\n");
        image.link("var/lib/dbus/machine-id", "/etc/machine-id");
        image.file("root/.ssh/authorized_keys", "somebody else's");
        image.file("var/lib/hostler-agent/runs/1/output", "of another node");
        image.file("var/lib/hostler-agent/incarnation", "9");
        let keys = write_into(&image).unwrap();
        assert!(keys.len() == 1 && keys[0].starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"));
        assert_eq!(image.text("etc/hostname"), "node-1\n");
        let id = image.text("etc/machine-id");
        assert!(id.len() == 33 && id[..32].bytes().all(|b| b.is_ascii_hexdigit()) && &id[12..13] == "4");
        assert_eq!(image.tree().target("var/lib/dbus/machine-id").unwrap(), "/etc/machine-id");
        assert_eq!(image.text("root/.ssh/authorized_keys"), "ssh-ed25519 AAAA ci\nssh-rsa BBBB\n");
        assert_eq!(image.tree().names("var/lib/hostler-agent"), ["identity.json"]);
        let stored: DeployedIdentity =
            serde_json::from_str(&image.text("var/lib/hostler-agent/identity.json")).unwrap();
        assert_eq!(stored, identity());
        assert_eq!(image.text(AGENT), "program");
        assert_eq!(
            image.tree().target("etc/systemd/system/multi-user.target.wants/hostler-agent.service").unwrap(),
            "/etc/systemd/system/hostler-agent.service"
        );
        for (path, mode) in [
            ("root/.ssh", 0o700),
            ("root/.ssh/authorized_keys", 0o600),
            ("var/lib/hostler-agent", 0o700),
            ("var/lib/hostler-agent/identity.json", 0o600),
            (AGENT, 0o755),
            ("etc/machine-id", 0o444),
            ("etc/hostname", 0o644),
        ] {
            assert_eq!(image.mode(path), mode, "{path}");
        }
        write_into(&image).unwrap();
        assert_ne!(image.text("etc/machine-id"), id);
    }

    #[test]
    fn a_system_without_systemd_gets_no_unit() {
        let image = Image::new();
        image.file("etc/passwd", "");
        assert!(write_into(&image).unwrap().is_empty());
        assert_eq!(image.tree().names("etc"), ["hostname", "machine-id", "passwd"]);
    }

    /// Every path that is written to, replaced by what a hostile image may have there.
    #[test]
    fn a_hostile_image_gets_nothing_written_or_removed_outside() {
        let paths = [
            "etc",
            "etc/hostname",
            "etc/machine-id",
            "etc/ssh",
            "etc/ssh/ssh_host_ed25519_key",
            "etc/ssh/ssh_host_ed25519_key.pub",
            "etc/cloud/cloud.cfg.d",
            "etc/systemd/system",
            "etc/systemd/system/hostler-agent.service",
            "etc/systemd/system/multi-user.target.wants",
            "etc/systemd/system/multi-user.target.wants/hostler-agent.service",
            "root",
            "root/.ssh",
            "root/.ssh/authorized_keys",
            "var",
            "var/lib/dbus/machine-id",
            "var/lib/hostler-agent",
            "usr/lib/hostler",
            AGENT,
            "root/.ssh/.hostler-new",
        ];
        for path in paths {
            for depth in ["", "file", "new"] {
                for up in ["", "../../../../../../../../../../../.."] {
                    let image = Image::new();
                    image.file("lib/systemd/systemd", "");
                    image.file("etc/keep", "");
                    let target = format!("{up}{}", image.outside().join(depth).display());
                    let _ = fs::remove_dir_all(image.path(path));
                    image.link(path, target);
                    // It may well fail, if only it does no harm.
                    let _ = write_into(&image);
                    image.assert_nothing_outside_changed();
                }
            }
        }
    }
}
