//! The one writer: takes the inputs that wait, applies each to the core, stores all changes in one transaction, and
//! only then publishes, answers and hands out effects.
//!
//! A commit that fails throws the world away. It is loaded again, and the batch is applied again one input at a time;
//! the input that cannot be stored is answered with an internal error and recorded. If the store is away, nobody knows
//! what came of the commit: whoever waits is told to ask again, and so is everybody until the store is back.
//!
//! * `inbox` is the way to the writer, `work` is what it does, `recovery` what it does when a commit fails.

mod inbox;
mod recovery;
mod work;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod torture;

pub use inbox::SubmitError;

pub(crate) use inbox::Inbox;
pub(crate) use recovery::patiently;
pub(crate) use work::{Opened, Writer};
