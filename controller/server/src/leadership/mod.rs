//! Who leads, where several controllers share one database. What follows from what is read and when is decided in
//! `hostler_core::leadership`; here the database is asked.
//!
//! * `office` is what everybody in this process knows of it: may machines be acted on now, and who else is there.
//! * `keeper` renews the leadership of this controller, `candidate` waits for it.
//! * `place` makes sure that this controller has one process.

mod candidate;
mod keeper;
mod office;
mod place;

pub(crate) use candidate::{Candidate, Won};
pub(crate) use keeper::Keeper;
pub(crate) use office::Office;
pub(crate) use place::Place;
