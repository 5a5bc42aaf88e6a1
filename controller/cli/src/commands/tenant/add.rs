//! `hostler tenant add`

use super::super::lease::request::seconds;
use super::super::private_file;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::AddTenantRequest;
use std::path::PathBuf;
use std::time::Duration;

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
    private_file::check(arguments.write.as_deref(), arguments.force)?;
    let client = session.connect()?;
    let action = format!("add tenant {}", arguments.name);
    let request = AddTenantRequest { name: arguments.name, valid_s: seconds(arguments.valid) };
    let attempt = async || client.nodes().add_tenant(request.clone()).await;
    let credentials = Credentials::from(client.call(action, attempt).await?);
    match arguments.write {
        None => session.ui.result(&credentials, |credentials, _| credentials.to_toml())?,
        Some(path) => {
            private_file::write(&path, &credentials.to_toml())?;
            session.ui.notice(&format!(
                "wrote the credentials of {} to {}",
                credentials.name,
                path.display()
            ));
        }
    }
    Ok(Exit::Ok)
}
