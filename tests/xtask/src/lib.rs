//! What the demo, the tests and the benchmarks share: a controller in a directory of its own.
//!
//! * [`binaries`] builds and finds the programs.
//! * [`installation`] makes a controller's directory, starts `hostlerd` in it, kills it and starts it again.
//! * [`fleet`] starts a room of simulated machines in a process of its own.
//! * [`debian`] installs packages.
//! * [`artefacts`] generates what machines load: seeded, incompressible bytes.

pub mod artefacts;
pub mod binaries;
pub mod debian;
pub mod fleet;
pub mod installation;
