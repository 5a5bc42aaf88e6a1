//! What the demo, the tests and the benchmarks share: a controller in a directory of its own.
//!
//! * [`installation`] makes a controller's directory, starts `hostlerd` in it, kills it and starts it again.
//! * [`fleet`] starts a room of simulated machines in a process of its own.
//! * [`artefacts`] generates what machines load: seeded, incompressible bytes.

pub mod artefacts;
pub mod fleet;
pub mod installation;
