//! `hostler`: the command line of Hostler, for CI jobs and administrators.
//!
//! Where to start reading: [`cli`] is the command line, [`run`] the way from it to a command, `commands` has a file
//! for each command. [`client`] is the connection that outlives a restart of the controller. `model` is what the
//! controller says, `render` how people see it. [`exit`] says what the exit codes mean, [`status`] how the
//! controller's answers map to them.

mod cli;
mod client;
mod clock;
mod commands;
mod connector;
mod credentials;
mod diagnostic;
mod document;
mod error;
mod exit;
mod follow;
mod interrupt;
mod member;
mod model;
mod moment;
mod node_file;
mod render;
mod request_file;
mod results;
mod retry;
mod route;
mod session;
mod source;
mod status;
mod text;
mod texts;
mod ui;

use clap::Parser as _;
use cli::{Cli, Command};
use commands::{
    account, apply, completions, controller, events, image, lease, node, pool, reservation, run as payload,
    tenant,
};
use error::Error;
use exit::Exit;
use session::Session;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let is_help = !error.use_stderr();
            // If nobody can read the usage, the exit code still tells.
            let _ = error.print();
            return if is_help { Exit::Ok } else { Exit::Usage }.into();
        }
    };
    let session = Session::new(cli.globals);
    let exit = execute(&session, cli.command).unwrap_or_else(|error| {
        session.ui.error(&error.report());
        error.exit()
    });
    exit.into()
}

/// Runs the command until it ends or is interrupted.
fn execute(session: &Session, command: Command) -> Result<Exit, Error> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            // The command goes first: while it reads its input, a signal shall still end the program as usual.
            biased;
            outcome = Box::pin(run(session, command)) => outcome,
            signal = interrupt::received() => Err(session.interrupted(signal)),
        }
    });
    // A thread that waits for an answer at the terminal would keep the program alive.
    runtime.shutdown_background();
    outcome
}

/// One command.
async fn run(session: &Session, command: Command) -> Result<Exit, Error> {
    match command {
        Command::Lease(lease::Command::Request(arguments)) => lease::request::run(session, *arguments).await,
        Command::Lease(lease::Command::Wait(arguments)) => lease::wait::run(session, arguments).await,
        Command::Lease(lease::Command::Show(arguments)) => lease::show::run(session, arguments).await,
        Command::Lease(lease::Command::List(arguments)) => lease::list::run(session, arguments).await,
        Command::Lease(lease::Command::Extend(arguments)) => lease::extend::run(session, arguments).await,
        Command::Lease(lease::Command::Keepalive(arguments)) => {
            lease::keepalive::run(session, arguments).await
        }
        Command::Lease(lease::Command::Replace(arguments)) => lease::replace::run(session, arguments).await,
        Command::Lease(lease::Command::Release(arguments)) => lease::release::run(session, arguments).await,
        Command::Run(arguments) => payload::run(session, arguments).await,
        Command::Node(node::Command::List(arguments)) => node::list::run(session, arguments).await,
        Command::Node(node::Command::Show(arguments)) => node::show::run(session, arguments).await,
        Command::Node(node::Command::Power(arguments)) => node::power::run(session, arguments).await,
        Command::Node(node::Command::Drain(arguments)) => node::drain::run(session, arguments).await,
        Command::Node(node::Command::Resume(arguments)) => node::resume::run(session, arguments).await,
        Command::Node(node::Command::Repair(arguments)) => node::repair::run(session, arguments).await,
        Command::Node(node::Command::Retire(arguments)) => node::retire::run(session, arguments).await,
        Command::Node(node::Command::ApproveWipe(arguments)) => {
            node::approve_wipe::run(session, arguments).await
        }
        Command::Pool(pool::Command::Set(arguments)) => pool::set::run(session, arguments).await,
        Command::Pool(pool::Command::List(arguments)) => pool::list::run(session, arguments).await,
        Command::Pool(pool::Command::Show(arguments)) => pool::show::run(session, arguments).await,
        Command::Reservation(command) => reservation::run(session, command).await,
        Command::Image(image::Command::Add(arguments)) => image::add::run(session, arguments).await,
        Command::Image(image::Command::List(arguments)) => image::list::run(session, arguments).await,
        Command::Image(image::Command::Show(arguments)) => image::show::run(session, arguments).await,
        Command::Image(image::Command::Clear(arguments)) => image::clear::run(session, arguments).await,
        Command::Tenant(tenant::Command::Add(arguments)) => tenant::add::run(session, arguments).await,
        Command::Tenant(tenant::Command::List(arguments)) => tenant::list::run(session, arguments).await,
        Command::Tenant(tenant::Command::Show(arguments)) => tenant::show::run(session, arguments).await,
        Command::Tenant(tenant::Command::Set(arguments)) => tenant::set::run(session, arguments).await,
        Command::Controller(controller::Command::Invite(arguments)) => {
            controller::invite::run(session, arguments).await
        }
        Command::Controller(controller::Command::List(arguments)) => {
            controller::list::run(session, arguments).await
        }
        Command::Apply(arguments) => apply::run(session, arguments).await,
        Command::Account(arguments) => account::run(session, arguments).await,
        Command::Events(arguments) => events::run(session, arguments).await,
        Command::Completions(arguments) => completions::run(session, &arguments),
    }
}
