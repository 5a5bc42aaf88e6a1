//! The store: one conformance suite for both engines, what only PostgreSQL does, copies, and what earlier versions
//! wrote.

#![expect(clippy::unwrap_used, reason = "a test panics when its own set-up fails")]

mod conformance;
mod copy;
mod golden;
mod leadership;
mod place;
mod postgres;
mod relay;
mod tls;
mod world;
