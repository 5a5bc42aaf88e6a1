//! The agent of the deployed system.

use crate::atomic;
use crate::clock::Clock;
use crate::controllers::Controllers;
use crate::error::{Error, Exit};
use crate::identity::DeployedIdentity;
use crate::machine::Machine;
use crate::runs::{Limits, Runs};
use crate::session::{Command, Contact, Dialler, Down, Link, Memory};
use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tracing::Instrument as _;

/// Runs the agent of the deployed system until the controller is done with this boot. Dropping the future kills every
/// payload, like a cut of power.
///
/// # Errors
/// If the identity cannot be used, or the spool directory cannot.
pub async fn run_deployed(machine: Arc<dyn Machine>, identity: DeployedIdentity) -> Result<Exit, Error> {
    let span = tracing::info_span!("agent", node = identity.node);
    begin(machine, identity).instrument(span).await
}

async fn begin(machine: Arc<dyn Machine>, identity: DeployedIdentity) -> Result<Exit, Error> {
    let incarnation = count_start(machine.spool())
        .map_err(|source| Error::System { action: "count the starts of this system", source })?;
    let runs = Runs::restore(machine.clone(), identity.node.clone(), Limits::default())
        .await
        .map_err(|source| Error::System { action: "read the spool directory", source })?;
    // The machine's own clock may be wrong, but it is not earlier than the deployment.
    let clock = Arc::new(Clock::new(machine.now_ms().max(identity.time_ms)));
    let memory = Memory::load(machine.spool());
    let heard = memory.heard();
    let (epoch, first) = (identity.epoch.max(heard.epoch), heard.controllers.first().copied());
    let known = [heard.controllers.clone(), vec![identity.controller], identity.controllers.clone()].concat();
    let dialler = Dialler::new(Contact {
        machine,
        clock,
        controllers: Controllers::new(first.unwrap_or(identity.controller), &known),
        credentials: identity.credentials(),
        epoch,
        incarnation,
        memory: Some(memory),
    })?;
    Ok(run(runs, dialler).await)
}

async fn run(mut runs: Runs, mut dialler: Dialler) -> Exit {
    loop {
        let known = runs.known();
        let opened = tokio::select! {
            opened = dialler.open(&known) => opened,
            never = work_alone(&mut runs) => match never {},
        };
        let link = match opened {
            Ok(link) => link,
            Err(fenced) => return Exit::Fenced { reason: fenced.reason },
        };
        if let Some(exit) = serve(&mut runs, link).await {
            return exit;
        }
    }
}

/// Payloads go on while there is no link.
async fn work_alone(runs: &mut Runs) -> Infallible {
    loop {
        runs.work().await;
    }
}

/// Until the link ends (`None`) or the agent does.
async fn serve(runs: &mut Runs, mut link: Link) -> Option<Exit> {
    runs.begin_link();
    loop {
        tokio::select! {
            down = link.down.next() => match down {
                Down::Command(command) => obey(runs, command).await,
                Down::Fenced(fenced) => return Some(Exit::Fenced { reason: fenced.reason }),
                Down::Ended { reason } => {
                    tracing::info!("the session broke: {reason}");
                    return None;
                }
            },
            () = runs.work() => {}
            Some(permit) = link.up.reserve(), if runs.is_ready() => {
                if let Some(message) = runs.next_message().await {
                    permit.send(message);
                }
            }
        }
    }
}

async fn obey(runs: &mut Runs, command: Command) {
    match command {
        Command::StartRun(start) => runs.start(start),
        Command::StopRun(stop) => runs.stop(stop),
        Command::RunAck(ack) => runs.acknowledge(ack).await,
        Command::Task(_) | Command::Signed(_) => {
            tracing::warn!("ignored a task of the ramdisk: this is the deployed system");
        }
    }
}

/// The number of earlier starts of this system.
fn count_start(spool: &Path) -> io::Result<u32> {
    let path = spool.join("incarnation");
    let earlier = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        // Better a wrong number than no agent.
        text => text?.trim().parse().unwrap_or(0),
    };
    fs::create_dir_all(spool)?;
    atomic::write(&path, u32::saturating_add(earlier, 1).to_string().as_bytes())?;
    Ok(earlier)
}
