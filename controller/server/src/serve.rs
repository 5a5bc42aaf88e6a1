//! `hostlerd serve`: a controller that leads: puts everything together, and takes it apart at the end.

use crate::agents::watch_silence;
use crate::api::watch_keepalives;
use crate::boot;
use crate::controller::{Controller, Parts};
use crate::executor::{Effects, EvidenceSink, Executor};
use crate::grpc;
use crate::leadership::Office;
use crate::process::Signals;
use crate::standby::Gate;
use crate::tls::Credentials;
use crate::writer::{Opened, Writer};
use anyhow::Context as _;
use hostler_core::input::Input;
use hostler_store::History;
use std::sync::Arc;
use std::time::Duration;

/// A step of the wall clock that is worth an event.
const CLOCK_STEP_MS: i64 = 5_000;

/// Between two tries to store that a deadline has passed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long streams may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// How a leader ends, if nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was told to.
    Told,
    /// Another one leads.
    Deposed,
}

/// What a leader begins with.
pub(crate) struct Start {
    pub(crate) config: crate::config::Config,
    pub(crate) opened: Opened,
    pub(crate) history: Box<dyn History>,
    pub(crate) office: Arc<Office>,
    pub(crate) signals: Arc<Signals>,
}

/// Leads until it is told to stop or another one does.
pub(crate) async fn lead<E: Executor>(
    start: Start,
    executor: impl FnOnce(&Controller) -> E,
) -> anyhow::Result<End> {
    let Start { config, opened, history, office, signals } = start;
    let Opened { writer, inbox, published, clock, effects } = opened;
    let epoch = writer.epoch();
    let mut writer = WriterThread::start(writer);
    let parts = Parts { epoch, leads: true, office, clock, inbox, published: published.clone(), history };
    let controller = Arc::new(Controller::new(config, parts)?);
    let credentials = Arc::new(grpc::credentials(&controller)?);
    let boot_server = boot::bind(&controller, Arc::new(boot::source(&controller))).await?;
    let listener = grpc::listen(&controller).await?;
    controller.submit(Input::Started).await.context("the start could not be stored")?;
    let evidence = EvidenceSink { published, inbox: controller.inbox.clone() };
    let stop = controller.stop.clone();
    let effects = Effects { waiting: effects, stop: stop.clone(), evidence };
    controller.tasks.spawn(executor(&controller).run(effects));
    spawn_duties(&controller, &credentials, &signals);
    tracing::info!(listen = %controller.config.api.listen, epoch, "hostlerd is ready");

    let result = tokio::select! {
        result = grpc::serve(listener, credentials, controller.clone(), Gate::open()) => result.map(|()| End::Told),
        result = boot_server.run(stop.clone()) => result.context("the boot server stopped").map(|()| End::Told),
        () = controller.office.lost() => Ok(End::Deposed),
        result = writer.ended() => result.map(|()| End::Told),
        () = signals.stop.cancelled() => Ok(End::Told),
    };
    if signals.stop.is_cancelled() {
        tracing::info!("stopping");
    }
    stop.cancel();
    controller.tasks.close();
    // Streams that do not end in time are dropped with the runtime.
    let _ = tokio::time::timeout(GRACE, controller.tasks.wait()).await;
    result
}

/// Starts what goes on beside the servers for as long as the controller runs.
fn spawn_duties(controller: &Arc<Controller>, credentials: &Arc<Credentials>, signals: &Arc<Signals>) {
    controller.tasks.spawn(keep_time(controller.clone()));
    controller.tasks.spawn(watch_silence(controller.clone()));
    controller.tasks.spawn(watch_keepalives(controller.clone()));
    controller.tasks.spawn(grpc::renew(controller.clone(), credentials.clone(), signals.clone()));
}

/// The writer works on a thread of its own: it waits for the disk.
struct WriterThread(tokio::task::JoinHandle<anyhow::Result<()>>);

impl WriterThread {
    fn start(writer: Writer) -> Self {
        Self(tokio::task::spawn_blocking(move || writer.run()))
    }

    async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.0).await.context("the writer panicked")??;
        anyhow::bail!("the writer ended")
    }
}

/// Fires deadlines, and notices when the wall clock is set.
async fn keep_time(controller: Arc<Controller>) {
    let mut deadline = controller.published.watch_deadline();
    let mut lead = controller.clock.wall_lead_ms();
    loop {
        let next = *deadline.borrow_and_update();
        let wait = next.map_or(Duration::from_secs(3600), |at| at.since(controller.clock.now()));
        tokio::select! {
            () = controller.stop.cancelled() => return,
            changed = deadline.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait.min(Duration::from_secs(30))) => {}
        }
        if next.is_some_and(|at| at <= controller.clock.now()) {
            // While the store cannot write, a deadline that has passed is no reason to ask it without pause.
            if controller.submit(Input::Tick).await.is_err() {
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
        let step = controller.clock.wall_lead_ms() - lead;
        if step.abs() > CLOCK_STEP_MS {
            lead += step;
            let _ = controller.submit(Input::ClockStepped { by_ms: step }).await;
        }
    }
}
