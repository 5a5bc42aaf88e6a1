//! Simulated machines that speak the real protocols over real sockets.
//!
//! * [`bmc`]: a management controller that answers RMCP+ and switches a [`chassis`].
//! * [`network`]: the cables: addresses in 127.0.0.0/8, the port table, the relay, the switch that cuts them.
//! * [`firmware`]: from power-on to a kernel command line, by DHCP, TFTP and HTTP.
//! * [`host`]: the hardware that the real agent library sees.
//! * [`machine`]: all of these together, and the real agent on top.
//! * [`room`]: many machines, made from a seed, and the file that registers them.

pub mod bmc;
pub mod chassis;
pub mod dice;
pub mod firmware;
pub mod host;
pub mod limits;
pub mod machine;
pub mod network;
pub mod room;
