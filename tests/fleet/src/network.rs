//! The cables.
//!
//! Each simulated machine has an address of its own in 127.0.0.0/8. Every socket that it opens is bound to it, so
//! that a server sees as many peers as there are machines. Nothing needs a privilege or a network namespace:
//!
//! * [`Cable`] carries TCP and UDP, and can be cut: packets then vanish, nothing is reset.
//! * [`Ports`] maps the well-known ports that firmware has burnt in (67, 69) to those where the servers really are.
//! * [`Nic`] is a cable with an Ethernet address; its [`Relay`] stands for the switch that forwards DHCP broadcasts.

mod cable;
mod nic;
mod relay;
mod stream;
mod udp;

pub use cable::Cable;
pub use nic::{Nic, Ports};
pub use relay::Relay;
pub use stream::CableStream;
pub use udp::CableSocket;
