//! The lab itself: it comes up, can be disturbed, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test panics when its own set-up fails")]

mod room;
mod support;
