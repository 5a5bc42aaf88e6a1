//! Which queued leases start now, and on which nodes.
//!
//! Whole groups. Whoever waits for longer than an age goes first, in order of arrival, and the first of those who do not
//! fit keep what they need. All others go by a score, whoever fits, and keep nothing: it grows the faster the shorter a
//! lease is, and the size of a group is against it at first and for it later. At its request each lease is promised a
//! latest start, and nobody starts who would break that.
//! `docs/scheduling.md` says what this is worth.
//!
//! * [`Scheduler`] is all of it, and knows neither leases nor nodes: `pass` is who starts, `preempt` who gives way to
//!   whom, `promise` what was promised, `forecast` when it will probably be. [`Shape`] is what a group takes, [`Profile`]
//!   what will be free when, [`Windows`] when machines are not to be had, [`Past`] how long a tenant's leases took,
//!   [`Budget`] what its quota leaves, [`Busy`] how busy all were.
//! * `scene` shows it the world: `kinds` of requests, classes of `machines`, the `pace` of what is done to them, their
//!   `standing`, how `tenants` stand to each other. `questions` is what is asked of it then, `outlook` for requests that
//!   nobody has made. `choice`, `exchange` and `replace` are about nodes, `words` about what people are told.
//!
//! What it is shown follows from the rows and the time alone, so that a restart changes no decision.

mod budget;
mod busy;
mod choice;
mod exchange;
mod fair;
mod forecast;
mod kinds;
mod machines;
mod outlook;
mod pace;
mod pass;
mod past;
mod plan;
mod power;
mod preempt;
mod profile;
mod promise;
mod questions;
mod replace;
mod scene;
mod scheduler;
mod shape;
mod standing;
mod tenants;
mod windows;
mod words;

pub use crate::request::satisfiable;
pub use budget::{Budget, Cost};
pub use busy::Busy;
pub use choice::substitute;
pub use fair::MOST_AHEAD;
pub(crate) use outlook::Outlook;
pub(crate) use pace::Pace;
pub use past::{Length, Past, PastRun, Usual};
pub use plan::{Decision, forecast, plan};
pub(crate) use plan::{decide, lasting, promise};
pub(crate) use power::exp2;
pub(crate) use preempt::{Preemption, notice_ends, preemption};
pub use profile::{Need, Profile};
pub(crate) use promise::Lost;
pub use promise::{Planned, Promise};
pub(crate) use replace::replacement;
pub(crate) use scene::{Scene, Stale};
pub use scheduler::{Passed, Policy, Scheduler, Spans, Standing, Start, Waiting};
pub use shape::{Class, Shape, Share, Slot};
pub use tenants::dominant_share;
pub(crate) use tenants::used_by_all;
pub use windows::Windows;
pub(crate) use words::{asks_for, why_waiting};
