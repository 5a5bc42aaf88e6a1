//! The state machine of the agent in the ramdisk.

use super::ahead::Ledger;
use super::sign::{SignAsk, Signer};
use super::task::{Outcome, Watch, Workshop, perform};
use crate::clock::Clock;
use crate::controllers::Controllers;
use crate::enrol::enrol;
use crate::error::{Error, Exit};
use crate::machine::Machine;
use crate::params::BootParams;
use crate::session::{Command, Contact, Dialler, Down, Link};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hostler_proto::agent::v1::agent_message::Message as Up;
use hostler_proto::agent::v1::task::Task as Kind;
use hostler_proto::agent::v1::{Progress, SignRequest, Task};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::Instrument as _;

/// Runs the agent in the boot ramdisk until the deployed system is to start or the controller is done with this boot.
/// Dropping the future stops everything, like a cut of power.
///
/// # Errors
/// If there is no certificate to be had. While the controller is only away, the agent waits for it.
pub async fn run_ramdisk(machine: Arc<dyn Machine>, params: BootParams) -> Result<Exit, Error> {
    let span = tracing::info_span!("agent", node = params.node, boot = params.boot);
    begin(machine, params).instrument(span).await
}

async fn begin(machine: Arc<dyn Machine>, params: BootParams) -> Result<Exit, Error> {
    let clock = Arc::new(Clock::new(params.time_ms));
    set_clock(machine.as_ref(), &clock).await;
    let controllers = Controllers::new(params.controller, &params.controllers);
    let credentials = enrol(&machine, &params, &controllers, &clock).await?;
    set_clock(machine.as_ref(), &clock).await;
    tracing::info!("enrolled");
    let (signer, asks) = Signer::new();
    let workshop = Workshop {
        machine: machine.clone(),
        clock: clock.clone(),
        controllers: controllers.clone(),
        node: params.node,
        boot: params.boot,
        ca: credentials.ca.clone(),
        signer,
        ledger: Ledger::default(),
    };
    let contact =
        Contact { machine, clock, controllers, credentials, epoch: 0, incarnation: 0, memory: None };
    Ok(Profile::new(workshop, asks).run(Dialler::new(contact)?).await)
}

/// Nothing of the agent depends on the machine's own clock, but the deployed system begins with it.
async fn set_clock(machine: &dyn Machine, clock: &Clock) {
    if let Err(error) = machine.set_clock(clock.now_ms()).await {
        tracing::warn!("cannot set the machine's clock: {error}");
    }
}

/// The task that is being done, or that is being stopped to make place for the next.
struct Job {
    id: u64,
    /// Polled here and not spawned, so that nothing of it outlives the agent.
    work: BoxFuture<'static, Outcome>,
    watch: Watch,
    /// The task that replaces it.
    next: Option<Task>,
}

struct Profile {
    workshop: Workshop,
    asks: mpsc::Receiver<SignAsk>,
    job: Option<Job>,
    /// The latest task that was done, and what came of it.
    done: Option<(u64, Up)>,
    /// An image was deployed in this boot.
    deployed: bool,
    /// Sent, and not answered.
    signing: Option<SignAsk>,
    /// At most one result and one request to sign, each as often as it was asked for on this link.
    outbox: VecDeque<Up>,
    progress: Interval,
}

impl Profile {
    fn new(workshop: Workshop, asks: mpsc::Receiver<SignAsk>) -> Self {
        let mut progress = interval(Duration::from_secs(1));
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            workshop,
            asks,
            job: None,
            done: None,
            deployed: false,
            signing: None,
            outbox: VecDeque::new(),
            progress,
        }
    }

    async fn run(mut self, mut dialler: Dialler) -> Exit {
        loop {
            let opened = tokio::select! {
                opened = dialler.open(&[]) => opened,
                exit = self.work_alone() => return exit,
            };
            let link = match opened {
                Ok(link) => link,
                Err(fenced) => return Exit::Fenced { reason: fenced.reason },
            };
            if let Some(exit) = self.serve(link).await {
                return exit;
            }
        }
    }

    /// A task goes on while there is no link.
    async fn work_alone(&mut self) -> Exit {
        loop {
            let outcome = work(&mut self.job).await;
            if let Some(exit) = self.finish(outcome) {
                return exit;
            }
        }
    }

    /// Until the link ends (`None`) or the agent does.
    async fn serve(&mut self, mut link: Link) -> Option<Exit> {
        self.begin_link();
        loop {
            tokio::select! {
                down = link.down.next() => match down {
                    Down::Command(command) => self.obey(command),
                    Down::Fenced(fenced) => return Some(Exit::Fenced { reason: fenced.reason }),
                    Down::Ended { reason } => {
                        tracing::info!("the session broke: {reason}");
                        return None;
                    }
                },
                outcome = work(&mut self.job) => if let Some(exit) = self.finish(outcome) {
                    return Some(exit);
                },
                Some(ask) = self.asks.recv() => self.ask(ask),
                Some(permit) = link.up.reserve(), if !self.outbox.is_empty() => {
                    if let Some(message) = self.outbox.pop_front() {
                        permit.send(message);
                    }
                }
                _ = self.progress.tick(), if self.job.is_some() => {
                    if let Some(progress) = self.progress() {
                        link.up.offer(progress);
                    }
                }
            }
        }
    }

    /// What went out on the last link may not have arrived.
    fn begin_link(&mut self) {
        self.outbox.clear();
        self.outbox.extend(self.done.as_ref().map(|(_, report)| report.clone()));
        self.outbox.extend(self.signing.as_ref().map(sign_request));
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Task(task) => self.take(task),
            Command::Signed(signed) => match self.signing.take() {
                // Nobody waits if the task was replaced since.
                Some(ask) => drop(ask.answer.send(signed.certificate_chain)),
                None => tracing::debug!("a certificate came that nobody waits for"),
            },
            Command::StartRun(_) | Command::StopRun(_) | Command::RunAck(_) => {
                tracing::warn!("ignored a run: this is the ramdisk");
            }
        }
    }

    fn take(&mut self, task: Task) {
        match (&mut self.job, &self.done) {
            (Some(job), _) if job.id == task.id && job.next.is_none() => {}
            (Some(job), _) => {
                job.watch.cancel();
                job.next = Some(task);
            }
            (None, Some((id, report))) if *id == task.id => {
                if !self.outbox.contains(report) {
                    self.outbox.push_back(report.clone());
                }
            }
            (None, _) => self.start(task),
        }
    }

    fn start(&mut self, task: Task) {
        tracing::info!(task = task.id, "begins");
        let watch = Watch::default();
        let deployed = self.deployed;
        if matches!(
            task.task,
            Some(Kind::Wipe(_) | Kind::Deploy(_) | Kind::DeployDiskless(_) | Kind::WriteAhead(_))
        ) {
            self.deployed = false;
        }
        self.done = None;
        let work =
            perform(self.workshop.clone(), task.id, task.epoch, task.task, deployed, watch.clone()).boxed();
        self.job = Some(Job { id: task.id, work, watch, next: None });
    }

    fn finish(&mut self, outcome: Outcome) -> Option<Exit> {
        let Job { id, next, .. } = self.job.take()?;
        self.signing = None;
        self.deployed |= matches!(outcome, Outcome::Deployed(_));
        match outcome {
            Outcome::Started => return Some(Exit::StartDeployed),
            Outcome::Cancelled => {}
            // It was done before it heard that it was replaced.
            _ if next.as_ref().is_some_and(|next| next.id != id) => {}
            Outcome::Deployed(report) | Outcome::Report(report) => self.report(id, report),
        }
        if let Some(next) = next {
            self.take(next);
        }
        None
    }

    fn report(&mut self, id: u64, report: Up) {
        if let Up::StepFailed(failed) = &report {
            tracing::error!(task = id, "failed: {}", failed.reason);
        } else {
            tracing::info!(task = id, "done");
        }
        self.outbox.push_back(report.clone());
        self.done = Some((id, report));
    }

    fn ask(&mut self, ask: SignAsk) {
        self.outbox.push_back(sign_request(&ask));
        self.signing = Some(ask);
    }

    fn progress(&self) -> Option<Up> {
        let job = self.job.as_ref()?;
        let (done_bytes, total_bytes) = job.watch.progress();
        Some(Up::Progress(Progress { task_id: job.id, done_bytes, total_bytes }))
    }
}

/// Goes on with the work on a task, if there is one. May be dropped and awaited again at any time.
async fn work(job: &mut Option<Job>) -> Outcome {
    match job {
        Some(job) => job.work.as_mut().await,
        None => std::future::pending().await,
    }
}

fn sign_request(ask: &SignAsk) -> Up {
    Up::SignRequest(SignRequest { csr: ask.csr.clone() })
}
