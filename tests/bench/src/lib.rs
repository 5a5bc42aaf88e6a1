//! Benchmarks. What they print is told in `docs/benchmarks.md`.
//!
//! * [`machines`]: everything real but the machines, which are simulated and speak the real protocols.
//! * [`control_plane`]: gRPC, mutual TLS, core and store real; the machines' evidence is made up on the spot, so that
//!   nothing but the controller is measured.
//!
//! The program of all of them is `first-light`.

pub mod client;
pub mod control_plane;
pub mod figure;
pub mod machines;
pub mod process;
