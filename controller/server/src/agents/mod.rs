//! The controller's end of the agents: enrolment, sessions, and who was heard when.

mod convert;
mod enrol;
mod orders;
mod refusals;
mod registry;
mod reports;
mod session;

pub(crate) use refusals::Refusals;
pub(crate) use registry::{Registry, watch_silence};

use crate::controller::Controller;
use std::sync::Arc;

/// Implements both agent services.
#[derive(Clone)]
pub(crate) struct AgentApi(pub(crate) Arc<Controller>);
