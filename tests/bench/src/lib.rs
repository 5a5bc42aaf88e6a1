//! Benchmarks. What they print is told in `docs/benchmarks.md`.
//!
//! * [`machines`]: everything real but the machines, which are simulated and speak the real protocols.
//! * [`control_plane`]: gRPC, mutual TLS, core and store real; the machines' evidence is made up on the spot, so that
//!   nothing but the controller is measured.
//! * [`lab`]: emulated machines with real firmware, booted by `hostlerd` and by others in turn.
//!
//! * [`schedule`]: the core's scheduler on a recorded workload under virtual time.
//! * [`store`]: the control-plane rate on each engine of the store, and starts with much to remember.
//!
//! The programs are `first-light` for the first two, `lab`, `schedule` and `store`.

pub mod client;
pub mod control_plane;
pub mod engine;
pub mod figure;
pub mod lab;
pub mod machines;
pub mod process;
pub mod schedule;
pub mod store;
