//! What the controller says, parsed: words instead of numbers, absent instead of zero, no control characters.
//!
//! These types are what `--output json` prints. Their field names and words are part of the interface: they are added
//! to, never renamed.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod controller;
pub(crate) mod lease;
pub(crate) mod node;
pub(crate) mod pool;
pub(crate) mod preview;
pub(crate) mod record;
pub(crate) mod reservation;
pub(crate) mod run;
pub(crate) mod tenant;

use crate::text::clean;

/// A time that the wire says to be zero if it has not come.
fn time(ms: u64) -> Option<u64> {
    (ms != 0).then_some(ms)
}

/// A text that the wire says to be empty if there is none.
fn optional(text: &str) -> Option<String> {
    Some(clean(text)).filter(|text| !text.is_empty())
}

fn all<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}
