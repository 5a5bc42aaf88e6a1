//! Emulated machines with real firmware: the lab itself, and the life of machines in it.

#![expect(clippy::unwrap_used, reason = "a test panics when its own set-up fails")]

mod faults;
mod full;
mod payload;
mod room;
mod scene;
mod story;
mod support;
