//! The way to the writer.

use hostler_core::input::{Input, Refusal, Reply};
use hostler_proto::controller::v1::Elsewhere;
use tokio::sync::{mpsc, oneshot};

/// The way to the writer.
#[derive(Clone, Debug)]
pub(crate) struct Inbox(mpsc::Sender<Submission>);

/// Why an input was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The core said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not keep it. Nothing was changed.
    #[error("this could not be stored; nothing was changed")]
    NotStored,
    /// The store is away. Whoever asks again with the same idempotency key is told what came of it.
    #[error("the store cannot be used now, and whether this was stored is not known: ask again")]
    Unavailable,
    /// The controller is ending.
    #[error("the controller is shutting down")]
    Closed,
    /// This controller only stands by.
    #[error("this controller stands by: ask {}", where_to_ask(.0))]
    Elsewhere(Elsewhere),
}

/// For people.
fn where_to_ask(leader: &Elsewhere) -> String {
    if leader.address.is_empty() {
        return "again, nobody leads now".to_owned();
    }
    format!("{} at {}, which leads", leader.name, leader.address)
}

/// What somebody waits for.
pub(super) type Answer = oneshot::Sender<Result<Reply, SubmitError>>;

/// An input, and who waits for what comes of it.
pub(super) struct Submission {
    pub(super) input: Input,
    pub(super) answer: Answer,
}

impl Submission {
    /// For which nobody waits.
    pub(super) fn of_our_own(input: Input) -> Self {
        let (answer, _nobody_waits) = oneshot::channel();
        Self { input, answer }
    }

    pub(super) fn refuse(self, error: SubmitError) {
        // Whoever asked may have gone away.
        let _ = self.answer.send(Err(error));
    }
}

impl Inbox {
    /// For so many inputs that wait; more callers wait for room.
    pub(super) fn new(room: usize) -> (Self, mpsc::Receiver<Submission>) {
        let (sender, inbox) = mpsc::channel(room);
        (Self(sender), inbox)
    }

    /// Where there is no writer.
    pub(crate) fn of_nobody() -> Self {
        Self::new(1).0
    }

    /// Hands an input to the writer and waits until it is stored.
    ///
    /// # Errors
    /// If the core refuses it or the store cannot keep it.
    pub(crate) async fn submit(&self, input: Input) -> Result<Reply, SubmitError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Submission { input, answer }).await.map_err(|_| SubmitError::Closed)?;
        tokio::select! {
            // What was answered counts, also if the writer has ended since.
            biased;
            answer = answered => answer.map_err(|_| SubmitError::Closed)?,
            // A submission that arrives while the writer ends may stay in the channel: nobody will answer it.
            () = self.0.closed() => Err(SubmitError::Closed),
        }
    }

    /// Hands an input to the writer and does not wait for what comes of it.
    ///
    /// # Errors
    /// If the controller is ending.
    pub(crate) async fn post(&self, input: Input) -> Result<(), SubmitError> {
        self.0.send(Submission::of_our_own(input)).await.map_err(|_| SubmitError::Closed)
    }
}
