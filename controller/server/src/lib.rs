//! `hostlerd`: the controller. It feeds the core, stores what the core decides, carries out effects, and serves
//! agents, CI jobs and administrators.
//!
//! Begin with `serve`, where everything is put together, and `writer`, through which every change goes.
//!
//! The library has two entrances: [`main`] is the program, and [`serve_with`] runs a controller whose effects somebody
//! else carries out.

mod agents;
mod api;
mod boot;
mod chain;
mod cli;
mod clock;
mod config;
mod controller;
mod copies;
mod digest;
mod executor;
mod grpc;
mod image;
mod init;
mod join;
mod keys;
mod leadership;
mod netboot;
mod pki;
mod power;
mod process;
mod published;
mod ramdisk;
mod record;
mod roles;
mod serve;
mod standby;
mod storage;
mod tls;
mod writer;

pub use cli::main;
pub use executor::{Effects, EvidenceSink, Executor};
pub use roles::serve_with;
pub use writer::SubmitError;

pub(crate) use chain::chain;
