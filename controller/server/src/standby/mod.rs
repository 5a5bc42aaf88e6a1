//! A controller that stands by: it waits for the leadership, and serves what needs no leader meanwhile.
//!
//! * `replica` is the leader's world, read from the database when somebody asks; `gate` lets calls through that only
//!   read, and says of all others where to ask.
//! * `boot` answers machines that ask here for their boot script.

mod boot;
mod gate;
mod replica;

pub(crate) use gate::Gate;

use crate::clock::Clock;
use crate::config::Config;
use crate::controller::Controller;
use crate::grpc;
use crate::leadership::{Candidate, Office, Won};
use crate::process::{self, Signals};
use crate::published::Published;
use crate::writer::Inbox;
use anyhow::Context as _;
use hostler_core::leadership::Tenure;
use hostler_core::time::Timestamp;
use hostler_core::world::World;
use hostler_store::{Member, PostgresHistory, PostgresUrl, Roster, StoreError};
use replica::Replica;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Between two looks at who leads.
const LOOK: Duration = Duration::from_millis(250);

/// How long the database may be away when the controller starts: computers that start together do not wait for each
/// other.
const START: Duration = Duration::from_secs(30);

/// How long what is served here may take to end: the leadership waits for it.
const GRACE: Duration = Duration::from_millis(500);

/// Stands by until this controller leads; none if it was told to stop before.
pub(crate) fn wait(
    config: &Config,
    url: &PostgresUrl,
    me: &Member,
    signals: &Arc<Signals>,
) -> anyhow::Result<Option<Won>> {
    let mut candidate = Candidate::new(url, me.clone());
    let office = Arc::new(Office::shared(me.clone(), Tenure::default(), Roster::default()));
    let began = Instant::now();
    loop {
        match candidate.look(&office) {
            Ok(Some(won)) => return Ok(Some(won)),
            Ok(None) => break,
            Err(error) if is_away(&error) && began.elapsed() < START && !signals.stop.is_cancelled() => {
                std::thread::sleep(LOOK);
            }
            Err(error) => return Err(error).context("cannot ask the database who leads"),
        }
    }
    let runtime = process::runtime()?;
    let served = runtime.block_on(serve(config.clone(), url, candidate, office, signals.clone()));
    runtime.shutdown_timeout(GRACE);
    served
}

async fn serve(
    config: Config,
    url: &PostgresUrl,
    candidate: Candidate,
    office: Arc<Office>,
    signals: Arc<Signals>,
) -> anyhow::Result<Option<Won>> {
    let published = Arc::new(Published::new(World::new(config.timing.clone())));
    let replica = Arc::new(Replica::new(url, &config, published.clone(), office.clone()));
    let controller = Arc::new(Controller::new(config, {
        let clock = Clock::starting_after(Timestamp(0));
        let (inbox, history) = (Inbox::of_nobody(), Box::new(PostgresHistory::new(url)));
        crate::controller::Parts {
            epoch: 0,
            leads: false,
            office: office.clone(),
            clock,
            inbox,
            published,
            history,
        }
    })?);
    let credentials = Arc::new(grpc::credentials(&controller)?);
    let boot_server = crate::boot::bind(&controller, Arc::new(boot::Boot::new(&controller, url))).await?;
    let listener = grpc::listen(&controller).await?;
    controller.tasks.spawn(grpc::renew(controller.clone(), credentials.clone(), signals.clone()));
    let leader = office.elsewhere();
    tracing::info!(listen = %controller.config.api.listen, leader = leader.name, "hostlerd stands by");

    let (won, elected) = oneshot::channel();
    let watch = (candidate, office, controller.stop.clone());
    tokio::task::spawn_blocking(move || {
        let (candidate, office, stop) = watch;
        // Whoever waits for it is there until the role ends.
        let _ = won.send(stand(candidate, &office, || stop.is_cancelled() || signals.stop.is_cancelled()));
    });
    let outcome = tokio::select! {
        outcome = elected => outcome.context("the watch for the leadership panicked").flatten(),
        result = grpc::serve(listener, credentials, controller.clone(), Gate::of(replica)) => result.map(|()| None),
        result = boot_server.run(controller.stop.clone()) => {
            result.context("the boot server stopped").map(|()| None)
        }
    };
    controller.stop.cancel();
    outcome
}

/// Looks again and again, until this controller leads or is to end.
fn stand(mut candidate: Candidate, office: &Office, ended: impl Fn() -> bool) -> anyhow::Result<Option<Won>> {
    let mut reached = true;
    while !ended() {
        let looked = candidate.look(office);
        if let Ok(Some(won)) = looked {
            return Ok(Some(won));
        }
        let answered = looked.is_ok();
        match looked {
            Err(error) if !is_away(&error) => return Err(error),
            Err(error) if reached => tracing::error!("the database cannot be asked who leads: {error:#}"),
            Ok(_) if !reached => tracing::info!("the database answers again"),
            _ => {}
        }
        reached = answered;
        std::thread::sleep(LOOK);
    }
    candidate.leave();
    Ok(None)
}

pub(crate) fn is_away(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(StoreError::is_unavailable)
}
