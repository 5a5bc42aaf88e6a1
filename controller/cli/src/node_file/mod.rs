//! The file of `hostler apply -f`: nodes and their BMCs.

mod check;
mod fields;
mod format;

pub(crate) use check::parse;
