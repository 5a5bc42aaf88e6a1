//! What a task is done with, and how it ends.

use super::ahead::Ledger;
use super::image::ImageError;
use super::sign::Signer;
use super::{ahead, deploy, inspect, prove, wipe};
use crate::clock::Clock;
use crate::controllers::Controllers;
use crate::disk::DiskInfo;
use crate::error::chain;
use crate::machine::Machine;
use hostler_proto::agent::v1::agent_message::Message as Up;
use hostler_proto::agent::v1::task::Task as Kind;
use hostler_proto::agent::v1::{InspectedDisk, StepFailed};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

/// How a task ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With this to say.
    Report(Up),
    /// The image is written and its agent has an identity.
    Deployed(Up),
    /// The deployed system starts; there is nobody left to say anything.
    Started,
    /// It was replaced, and everything that it had under way is over.
    Cancelled,
}

/// Why a task came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("a newer task replaced this one")]
    Cancelled,
    #[error("the task is of a kind that this agent does not know")]
    Unknown,
    #[error("cannot read the inventory")]
    Inventory(#[source] io::Error),
    #[error("cannot list the disks")]
    Disks(#[source] io::Error),
    #[error("there are {ranges} ranges to read back, or one of {longest} bytes; {allowed} are allowed")]
    ReadBackTooLarge { ranges: usize, longest: u64, allowed: &'static str },
    #[error("a range of the disk with serial {0:?} is to be read back, but no such disk is wiped here")]
    ReadBackUnknown(String),
    #[error(
        "{path} (serial {serial:?}, {size_bytes} bytes) appeared after the inspection, so nothing was written"
    )]
    NotInspected { path: String, serial: String, size_bytes: u64 },
    #[error("no disk can take an image of {image} bytes: {disks}")]
    NoDisk { image: u64, disks: String },
    #[error("cannot open {path}")]
    OpenDisk {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot put to zero what was written ahead to {path}")]
    Clear {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error("cannot make a key for the deployed agent")]
    Key(#[from] rcgen::Error),
    #[error("cannot make the image this node's system")]
    Install(#[source] io::Error),
    #[error("nothing was deployed in this boot, so there is nothing to start")]
    NothingDeployed,
    #[error("cannot start the deployed system")]
    Start(#[source] io::Error),
}

impl StepError {
    /// True if every machine would fail like this one.
    fn is_fault_of_image(&self) -> bool {
        match self {
            Self::Image(error) => error.is_fault_of_image(),
            // What is in the image is not what a machine can start from.
            Self::Install(error) => error.kind() == io::ErrorKind::InvalidData,
            _ => false,
        }
    }
}

/// What every task is done with.
#[derive(Clone)]
pub(crate) struct Workshop {
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) controllers: Controllers,
    pub(crate) node: String,
    pub(crate) boot: String,
    /// PEM.
    pub(crate) ca: String,
    pub(crate) signer: Signer,
    /// What is on the disks since they were wiped.
    pub(crate) ledger: Ledger,
}

/// One task's ties to those who wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    cancel: CancellationToken,
    done: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

impl Watch {
    /// Asks the task to end at its next step. Its disks are quiet when it has.
    pub(crate) fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Between two steps of a task.
    pub(crate) fn check(&self) -> Result<(), StepError> {
        if self.cancel.is_cancelled() { Err(StepError::Cancelled) } else { Ok(()) }
    }

    /// Waits for something outside this machine, unless the task is replaced first.
    pub(crate) async fn or_cancelled<T>(&self, future: impl Future<Output = T>) -> Result<T, StepError> {
        self.cancel.run_until_cancelled(future).await.ok_or(StepError::Cancelled)
    }

    /// There is more to do than was known.
    pub(crate) fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So much of it is done.
    pub(crate) fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So much of it is done altogether.
    pub(crate) fn advance_to(&self, bytes: u64) {
        self.done.store(bytes, Ordering::Relaxed);
    }

    /// Done, and to be done altogether.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}

/// Does one task.
///
/// `deployed` tells whether an image was deployed in this boot; `epoch` goes into the identity of the deployed agent.
pub(crate) async fn perform(
    workshop: Workshop,
    id: u64,
    epoch: u64,
    kind: Option<Kind>,
    deployed: bool,
    watch: Watch,
) -> Outcome {
    let result = match kind {
        None => Err(StepError::Unknown),
        Some(Kind::Inspect(_)) => {
            inspect::inspect(&workshop, id, &watch).await.map(Up::Inspected).map(Outcome::Report)
        }
        Some(Kind::Wipe(task)) => {
            wipe::wipe(&workshop, id, task, &watch).await.map(Up::Wiped).map(Outcome::Report)
        }
        Some(Kind::Prove(task)) => {
            prove::prove(&workshop, id, task, &watch).await.map(Up::Proved).map(Outcome::Report)
        }
        Some(Kind::Deploy(task)) => {
            deploy::deploy(&workshop, id, epoch, task, &watch).await.map(Up::Deployed).map(Outcome::Deployed)
        }
        Some(Kind::WriteAhead(task)) => {
            ahead::write(&workshop, id, task, &watch).await.map(Up::WrittenAhead).map(Outcome::Report)
        }
        Some(Kind::DeployDiskless(task)) => deploy::deploy_diskless(&workshop, id, epoch, task, &watch)
            .await
            .map(Up::Deployed)
            .map(Outcome::Deployed),
        Some(Kind::BootDeployed(task)) => start(&workshop, deployed, task.restart).await,
    };
    result.unwrap_or_else(|error| match error {
        StepError::Cancelled => Outcome::Cancelled,
        error => Outcome::Report(Up::StepFailed(StepFailed {
            task_id: id,
            reason: chain(&error),
            image_fault: error.is_fault_of_image(),
        })),
    })
}

async fn start(workshop: &Workshop, deployed: bool, restart: bool) -> Result<Outcome, StepError> {
    if !deployed {
        return Err(StepError::NothingDeployed);
    }
    workshop.machine.start_deployed(restart).await.map_err(StepError::Start)?;
    Ok(Outcome::Started)
}

/// True if the agent must not write this disk.
pub(crate) fn is_kept(disk: &DiskInfo, keep: &[String]) -> bool {
    disk.remote || (!disk.serial.is_empty() && keep.contains(&disk.serial))
}

/// Nobody has agreed to lose what is on a disk that the inspection did not see, nor can it be told from one of another
/// machine.
pub(crate) fn must_be_inspected<'a>(
    disks: impl IntoIterator<Item = &'a DiskInfo>,
    inspected: &[InspectedDisk],
) -> Result<(), StepError> {
    let is_known = |disk: &DiskInfo| {
        inspected.iter().any(|known| {
            (&known.path, &known.serial, known.size_bytes) == (&disk.path, &disk.serial, disk.size_bytes)
        })
    };
    match disks.into_iter().find(|disk| !is_known(disk)) {
        Some(DiskInfo { path, serial, size_bytes, .. }) => Err(StepError::NotInspected {
            path: path.clone(),
            serial: serial.clone(),
            size_bytes: *size_bytes,
        }),
        None => Ok(()),
    }
}
