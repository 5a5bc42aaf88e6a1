//! The services for people and CI jobs.

mod account;
mod apply;
mod caller;
mod controllers;
mod invitation;
mod keepalive;
mod lease;
mod lease_request;
mod lease_view;
mod node;
mod node_view;
mod pool_view;
mod reservation;
mod run;
pub(crate) mod status;
mod streams;
mod tenant;

pub(crate) use keepalive::{Keepalives, watch_keepalives};

use crate::controller::Controller;
use std::sync::Arc;

/// Implements the services for people and CI jobs.
#[derive(Clone)]
pub(crate) struct Api(pub(crate) Arc<Controller>);
