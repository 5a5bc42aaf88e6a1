//! Files with something secret in them.

use crate::error::Error;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::NamedTempFile;

/// Refuses to replace a file unless that is wanted: asked before the secret is made.
///
/// # Errors
/// [`Error::Usage`].
pub(crate) fn check(path: Option<&Path>, force: bool) -> Result<(), Error> {
    match path.filter(|path| path.exists() && !force) {
        None => Ok(()),
        Some(path) => Err(Error::Usage {
            message: format!("{} exists", path.display()),
            next: "--force replaces it; what is in it is lost then".to_owned(),
        }),
    }
}

/// Writes the whole file or none, readable by its owner only from the first byte on.
///
/// # Errors
/// [`Error::Write`].
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = NamedTempFile::new_in(dir)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map(|_| ()).map_err(|e| e.error)
    };
    write().map_err(Error::write(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ci.toml");
        for text in ["one", "two"] {
            write(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        check(Some(&path), true).unwrap();
        check(Some(&path), false).unwrap_err();
    }
}
