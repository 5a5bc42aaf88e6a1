//! The program itself, as a user starts it, against a controller that speaks the real protocol over real mTLS.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails the test")]

mod account;
mod admin;
mod controller;
mod errors;
mod lease;
mod program;
mod run;
