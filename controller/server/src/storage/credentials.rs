//! Credentials of an object store in a file, as AWS's tools have it (`[default]`, `aws_access_key_id = …`).

use anyhow::{Context as _, ensure};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// What signs requests.
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    pub(super) token: Option<Zeroizing<String>>,
}

impl Credentials {
    /// Reads the section `[default]` of a file, or what stands before any section.
    ///
    /// # Errors
    /// If it cannot be read, others may read it, or there is no key in it.
    pub(super) fn load(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let cannot = || format!("cannot read the file with the credentials, {shown}");
        let mode = std::fs::metadata(path).with_context(cannot)?.permissions().mode();
        ensure!(mode & 0o077 == 0, "others may read the credentials in {shown}: chmod 600 it");
        let text = Zeroizing::new(std::fs::read_to_string(path).with_context(cannot)?);
        let missing = |name: &str| format!("{shown} has no {name} in its section [default]");
        let secret = value(&text, "aws_secret_access_key").context(missing("aws_secret_access_key"))?;
        Ok(Self {
            id: value(&text, "aws_access_key_id").context(missing("aws_access_key_id"))?.to_owned(),
            secret: Zeroizing::new(secret.to_owned()),
            token: value(&text, "aws_session_token").map(|token| Zeroizing::new(token.to_owned())),
        })
    }
}

fn value<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let mut section = "default";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.trim();
        } else if let Some((name, value)) = line.split_once('=')
            && section == "default"
            && name.trim() == wanted
        {
            return Some(value.trim());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_section_of_a_private_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Credentials::load(&path).map_err(|error| format!("{error:#}"))
        };
        let text = "[other]\naws_access_key_id = no\n[default]\n# a word\naws_access_key_id = AKIA\n\
                    aws_secret_access_key=s3=cret\n";
        let Ok(found) = write(text, 0o600) else { panic!("not read") };
        assert_eq!((&*found.id, &**found.secret, found.token.is_none()), ("AKIA", "s3=cret", true));
        let open = write(text, 0o644).err().unwrap();
        assert!(open.contains("chmod 600"), "{open}");
        let half = write("aws_access_key_id = AKIA", 0o600).err().unwrap();
        assert!(half.contains("no aws_secret_access_key") && !half.contains("AKIA"), "{half}");
    }
}
