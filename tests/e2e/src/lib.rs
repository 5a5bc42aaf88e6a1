//! What the end-to-end tests share.
//!
//! * [`stage`]: a controller in a process of its own, simulated machines and the command line.
//! * [`puppet`]: a machine that is moved by hand; [`agent`]: an agent that says anything; [`wire`]: what they speak over.
//! * [`told`]: what clients were told, and whether it can be true.
//! * [`bad_network`]: a network that loses, doubles and delays; [`partition`]: hosts between which it is cut.

pub mod agent;
pub mod bad_network;
pub mod partition;
pub mod puppet;
pub mod stage;
pub mod told;
pub mod wire;
