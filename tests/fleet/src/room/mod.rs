//! A machine room: machines made from a seed, and the file that registers them.

mod apply;
mod block;
mod plan;
mod sim;

pub use apply::{RegisteredBmc, RegisteredNode, Registration, arch, mac_text};
pub use block::Block;
pub use plan::{MAX_MACHINES, MachinePlan, plan};
pub use sim::{Room, RoomOptions};
