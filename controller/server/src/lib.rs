//! `hostlerd`: the controller. It feeds the core, stores what the core decides, carries out effects, and serves
//! agents, CI jobs and administrators.
//!
//! Begin with `serve`, where everything is put together, and `writer`, through which every change goes.
//!
//! The library has two entrances: [`main`] is the program, and [`serve_with`] runs a controller whose effects somebody
//! else carries out.

mod agents;
mod api;
mod chain;
mod cli;
mod clock;
mod config;
mod controller;
mod copies;
mod digest;
mod executor;
mod image;
mod init;
mod keys;
mod netboot;
mod pki;
mod power;
mod published;
mod ramdisk;
mod record;
mod serve;
mod storage;
mod tls;
mod writer;

pub use cli::main;
pub use executor::{Effects, EvidenceSink, Executor};
pub use serve::serve_with;
pub use writer::SubmitError;

pub(crate) use chain::chain;
