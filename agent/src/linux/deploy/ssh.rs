//! The SSH server's host key.
//!
//! A key that came with the image is that of every machine that was made of it, and of whoever has a copy. Each node
//! gets one of its own; the controller learns the public half, so that a tenant need not trust on first use.

use super::selinux::{ETC, SSH_HOST_KEY};
use super::tree::Tree;
use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io;
use zeroize::Zeroizing;

const KIND: &str = "ssh-ed25519";
const DIRECTORY: &str = "etc/ssh";

/// The private half; the public one is beside it.
pub(super) const HOST_KEY: &str = "etc/ssh/ssh_host_ed25519_key";

/// Both halves as OpenSSH stores them.
pub(super) struct HostKey {
    pub(super) private: Zeroizing<String>,
    /// "TYPE BASE64".
    pub(super) public: String,
}

/// Replaces the host keys of an image that has an SSH server. Returns the public ones.
pub(super) fn install_host_keys(tree: &Tree, comment: &str) -> io::Result<Vec<String>> {
    if !tree.has_dir(DIRECTORY) {
        return Ok(Vec::new());
    }
    let shared = |name: &String| {
        name.starts_with("ssh_host_") && (name.ends_with("_key") || name.ends_with("_key.pub"))
    };
    for name in tree.names(DIRECTORY).iter().filter(|name| shared(name)) {
        tree.remove(&format!("{DIRECTORY}/{name}"))?;
    }
    let key = HostKey::generate(comment)?;
    tree.write(HOST_KEY, 0o600, SSH_HOST_KEY, key.private.as_bytes())?;
    let public = format!("{} {comment}\n", key.public);
    tree.write(&format!("{HOST_KEY}.pub"), 0o644, SSH_HOST_KEY, public.as_bytes())?;
    keep_from_cloud_init(tree)?;
    Ok(vec![key.public])
}

/// Many images bring cloud-init, which throws host keys away and sets the host name when it first runs.
fn keep_from_cloud_init(tree: &Tree) -> io::Result<()> {
    const CONFIGURATION: &str = "etc/cloud/cloud.cfg.d";
    if !tree.has_dir(CONFIGURATION) {
        return Ok(());
    }
    let text = b"# Names and keys of this node are its controller's.\nssh_deletekeys: false\npreserve_hostname: true\n";
    tree.write(&format!("{CONFIGURATION}/99-hostler.cfg"), 0o644, ETC, text)
}

impl HostKey {
    pub(super) fn generate(comment: &str) -> io::Result<Self> {
        let failed = |_| io::Error::other("cannot make an SSH host key");
        let pair = Ed25519KeyPair::generate().map_err(failed)?;
        let seed = pair.seed().map_err(failed)?;
        let seed = seed.as_be_bytes().map_err(failed)?;
        let mut check = [0; 4];
        aws_lc_rs::rand::fill(&mut check).map_err(failed)?;
        let public = pair.public_key().as_ref();
        Ok(Self {
            private: private_key(public, seed.as_ref(), check, comment),
            public: format!("{KIND} {}", STANDARD.encode(public_blob(public))),
        })
    }
}

fn string(to: &mut Vec<u8>, data: &[u8]) {
    to.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(data);
}

/// RFC 8709 section 4.
fn public_blob(public: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    string(&mut blob, KIND.as_bytes());
    string(&mut blob, public);
    blob
}

/// `PROTOCOL.key` of OpenSSH, without a passphrase.
fn private_key(public: &[u8], seed: &[u8], check: [u8; 4], comment: &str) -> Zeroizing<String> {
    let mut section = Zeroizing::new(Vec::with_capacity(512));
    section.extend_from_slice(&check);
    section.extend_from_slice(&check);
    string(&mut section, KIND.as_bytes());
    string(&mut section, public);
    let pair = Zeroizing::new([seed, public].concat());
    string(&mut section, &pair);
    string(&mut section, comment.as_bytes());
    let padding = (1..=8).take(section.len().next_multiple_of(8) - section.len());
    section.extend(padding);

    let mut key = Zeroizing::new(Vec::with_capacity(1024));
    key.extend_from_slice(b"openssh-key-v1\0");
    string(&mut key, b"none");
    string(&mut key, b"none");
    string(&mut key, b"");
    key.extend_from_slice(&1_u32.to_be_bytes());
    string(&mut key, &public_blob(public));
    string(&mut key, &section);

    let encoded = Zeroizing::new(STANDARD.encode(&*key));
    let mut text = Zeroizing::new(String::with_capacity(2048));
    text.push_str("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for line in encoded.as_bytes().chunks(70) {
        text.extend(line.iter().map(|&byte| char::from(byte)));
        text.push('\n');
    }
    text.push_str("-----END OPENSSH PRIVATE KEY-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::Image;
    use super::*;
    use hostler_checkout::peers::peer;
    use std::process::Command;

    #[test]
    fn shared_keys_go_and_an_own_one_comes() {
        let image = Image::new();
        for name in ["ssh_host_rsa_key", "ssh_host_rsa_key.pub", "ssh_host_ed25519_key", "sshd_config"] {
            image.file(&format!("etc/ssh/{name}"), "shared");
        }
        image.file("etc/cloud/cloud.cfg.d/05.cfg", "");
        let keys = install_host_keys(&image.tree(), "node-1").unwrap();
        let expected = ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub", "sshd_config"];
        assert_eq!(image.tree().names("etc/ssh"), expected);
        assert_eq!(image.text("etc/ssh/ssh_host_ed25519_key.pub"), format!("{} node-1\n", keys[0]));
        assert_eq!(image.mode("etc/ssh/ssh_host_ed25519_key"), 0o600);
        assert!(image.text("etc/cloud/cloud.cfg.d/99-hostler.cfg").contains("ssh_deletekeys: false"));
        assert_ne!(install_host_keys(&image.tree(), "node-1").unwrap(), keys);
    }

    #[test]
    fn without_an_ssh_server_there_is_no_key() {
        let image = Image::new();
        assert!(install_host_keys(&image.tree(), "node-1").unwrap().is_empty());
        assert!(image.tree().names("").is_empty());
    }

    /// The program that reads the file in the end.
    #[test]
    fn openssh_reads_it() {
        let Some(keygen) = peer("openssh_reads_it", "ssh-keygen") else { return };
        let image = Image::new();
        image.file("etc/ssh/sshd_config", "");
        for comment in ["n", "no", "node", "node-with-a-long-name"] {
            let keys = install_host_keys(&image.tree(), comment).unwrap();
            let mut command = Command::new(&keygen);
            let key = image.path("etc/ssh/ssh_host_ed25519_key");
            let output = command.arg("-y").arg("-f").arg(key).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(text.trim_end(), format!("{} {comment}", keys[0]), "{output:?}");
        }
    }
}
