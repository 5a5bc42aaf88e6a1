//! `hostler reservation …`

mod add;
mod end;
mod list;

use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use clap::Subcommand;

/// What to do with machines that are set aside.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set machines aside for a tenant, once or again and again
    Add(add::Arguments),
    /// List what is set aside
    List(list::Arguments),
    /// Set machines aside no longer
    End(end::Arguments),
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Error> {
    match command {
        Command::Add(arguments) => add::run(session, arguments).await,
        Command::List(arguments) => list::run(session, arguments).await,
        Command::End(arguments) => end::run(session, arguments).await,
    }
}
