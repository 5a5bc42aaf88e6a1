//! The decisions of Hostler. Pure and synchronous: no I/O, no clock, no randomness; time and entropy come in as
//! arguments, so that the same inputs lead to the same state, byte for byte.
//!
//! Begin with [`world::World`], the state; [`input::Input`], what comes in; and [`step`], where one input is applied.
//! [`schedule::plan`] decides which groups start, [`boot::decide`] what a machine boots, [`order`] what an agent does.

pub mod ahead;
pub mod attempt;
pub mod boot;
pub mod calendar;
pub mod catalogue;
pub mod constraint;
pub mod course;
pub mod event;
pub mod explain;
pub mod hardware;
pub mod ids;
mod index;
pub mod input;
mod inrush;
pub mod invitation;
pub mod keep;
pub mod leadership;
pub mod lease;
pub mod node;
pub mod order;
pub mod pool;
pub mod record;
pub mod request;
pub mod run;
pub mod schedule;
pub mod ssh;
pub mod standby;
pub mod step;
pub mod table;
pub mod tenancy;
mod text;
pub mod time;
pub mod trust;
mod unused;
pub mod world;
