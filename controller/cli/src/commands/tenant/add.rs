//! `hostler tenant add`

use super::super::lease::request::seconds;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::AddTenantRequest;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;

const EXAMPLES: &str = "\
Examples:
  hostler tenant add ci --write ci.toml
  hostler tenant add ci --valid 30d --write ci.toml --force    # new credentials for the same tenant
  hostler tenant add ci | ssh ci.example 'umask 077; cat > hostler.toml'

What is printed is the file for --credentials. It holds a private key that the controller does not keep.";

/// Arguments of `hostler tenant add`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The tenant: lower-case letters, digits and "-"
    #[arg(value_name = "TENANT")]
    name: String,
    /// How long the credentials are valid [default: 90d]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    valid: Option<Duration>,
    /// Write a file that only you can read, instead of printing
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "write")]
    force: bool,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    if let Some(path) = arguments.write.as_ref().filter(|path| path.exists() && !arguments.force) {
        return Err(Error::Usage {
            message: format!("{} exists", path.display()),
            next: "--force replaces it; its credentials are lost then".to_owned(),
        });
    }
    let client = session.connect()?;
    let action = format!("add tenant {}", arguments.name);
    let request = AddTenantRequest { name: arguments.name, valid_s: seconds(arguments.valid) };
    let attempt = async || client.nodes().add_tenant(request.clone()).await;
    let credentials = Credentials::from(client.call(action, attempt).await?);
    match arguments.write {
        None => session.ui.result(&credentials, |credentials, _| credentials.to_toml())?,
        Some(path) => {
            write(&path, &credentials.to_toml())?;
            session.ui.notice(&format!(
                "wrote the credentials of {} to {}",
                credentials.name,
                path.display()
            ));
        }
    }
    Ok(Exit::Ok)
}

/// Writes the whole file or none, readable by its owner only from the first byte on.
fn write(path: &Path, text: &str) -> Result<(), Error> {
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
    }
}
