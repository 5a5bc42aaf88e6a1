//! `hostler controller invite`

use super::super::lease::request::seconds;
use super::super::private_file;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::controller::Invitation;
use crate::render::time::stamp;
use crate::session::Session;
use clap::Args;
use hostler_proto::controller::v1::InviteRequest;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  hostler controller invite lab-b --write lab-b.code
  hostler controller invite lab-b | ssh lab-b hostlerd join --file - \\
      --config /etc/hostler/hostlerd.toml --listen 10.0.0.2:7443 --boot-server 10.0.0.2

Whoever has the code gets the controller's keys, once, until it expires. `hostler events` tells who used it.";

/// Arguments of `hostler controller invite`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// What the controller is to be called: lower-case letters, digits, "-" and "."
    name: String,
    /// How long the code is good, at most a day [default: 15m]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    valid: Option<Duration>,
    /// Send the password in the URL of the store along
    #[arg(long)]
    with_store_password: bool,
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
    let Arguments { name, valid, with_store_password, write, .. } = arguments;
    let action = format!("invite controller {name}");
    let request = InviteRequest { name, valid_s: seconds(valid), with_store_password };
    let attempt = async || client.controllers().invite(request.clone()).await;
    let invitation = Invitation::from(client.call(action, attempt).await?);
    let until = format!("{} may join until {}, once", invitation.name, stamp(invitation.expires_ms));
    match write {
        None => {
            session.ui.result(&invitation, |invitation, _| format!("{}\n", invitation.code))?;
            session.ui.notice(&format!("{until}: give this to `hostlerd join`"));
        }
        Some(path) => {
            private_file::write(&path, &format!("{}\n", invitation.code))?;
            session.ui.notice(&format!("{until}: give {} to `hostlerd join --file`", path.display()));
        }
    }
    Ok(Exit::Ok)
}
