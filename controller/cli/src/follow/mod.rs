//! The output of a run as it comes in: whole, once, in order, and readable when several nodes talk at once.

mod labels;
mod lines;
mod offsets;

pub(crate) use labels::Labels;
pub(crate) use lines::Lines;
pub(crate) use offsets::{Offset, Taken};
