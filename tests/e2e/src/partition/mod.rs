//! Hosts between any two of which the network can be cut: network namespaces on one bridge. It needs root.
//!
//! * [`Hosts`] and [`Host`]: the namespaces. A way is cut by giving each of the two a wrong Ethernet address for the
//!   other, so that packets vanish and nobody is told.
//! * [`Relay`]: the way to a database on a Unix socket, which can be slow.
//! * [`Sink`]: a management controller that never answers, and remembers who asked.

mod host;
mod relay;
mod sink;

pub use host::{Host, Hosts};
pub use relay::Relay;
pub use sink::Sink;
