//! What an agent is told to do: derived from the state of its node, so that it can be told again after any
//! interruption.

use crate::ahead::AheadState;
use crate::attempt::{Boot, Stage};
use crate::catalogue::Image;
use crate::ids::{NodeId, RunId};
use crate::node::{Node, NodeState, Start};
use crate::run::{Run, TaskState};
use crate::world::World;

/// What a ramdisk agent is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order<'a> {
    /// Say what the machine is.
    Inspect,
    /// Wipe all disks but these.
    Wipe {
        /// Serial numbers.
        keep: Vec<String>,
    },
    /// Burn the machine in: memory, processors, and its disks but these.
    Prove {
        /// Serial numbers.
        keep: Vec<String>,
    },
    /// Make this image the machine's system.
    Deploy {
        /// Which.
        image: &'a Image,
        /// Host name of the deployed system.
        hostname: &'a str,
        /// Serial numbers of disks to leave alone.
        keep: Vec<String>,
        /// Public ssh keys of the tenant.
        ssh_keys: &'a [String],
    },
    /// Write this image, for whoever gets the machine.
    WriteAhead {
        /// Which.
        image: &'a Image,
        /// Serial numbers of disks to leave alone.
        keep: Vec<String>,
    },
    /// Start what was deployed, in this way.
    Start(Start),
}

/// The number by which an agent knows an order: one for each stage of each boot, of what a lease makes of it, and of each
/// image that is written ahead.
#[must_use]
pub const fn task_id(boot: &Boot) -> u64 {
    let part = (boot.taken.is_some() as u64) << 7;
    ((boot.ahead_orders as u64) << 40) | ((boot.id.0 as u64) << 8) | part | boot.stage as u64
}

/// What the ramdisk agent of `node` is to do now, with the order's number.
#[must_use]
pub fn for_ramdisk(world: &World, node: NodeId) -> Option<(u64, Order<'_>)> {
    let node = world.nodes.get(node)?;
    let boot = node.state.boot()?;
    let keep = node.spec.keep_disks.iter().cloned().collect();
    let order = match boot.stage {
        Stage::Inspect => Order::Inspect,
        Stage::Wipe => Order::Wipe { keep },
        Stage::Prove => Order::Prove { keep },
        Stage::Deploy => Order::Deploy {
            image: image_of(world, node.id)?,
            hostname: &node.spec.name,
            keep,
            ssh_keys: node.state.lease().and_then(|l| world.leases.get(l)).map_or(&[], |l| &l.spec.ssh_keys),
        },
        // A restart would end what is in memory.
        Stage::Start if boot.is_diskless() => Order::Start(Start::Kexec),
        Stage::Start => Order::Start(node.spec.start),
        Stage::Idle => Order::WriteAhead { image: ahead_of(world, node)?, keep },
        Stage::Firmware | Stage::Enrolled | Stage::Deployed => return None,
    };
    Some((task_id(boot), order))
}

/// The image that is to be written while nobody has this machine.
fn ahead_of<'w>(world: &'w World, node: &Node) -> Option<&'w Image> {
    let NodeState::Ready { boot } = &node.state else { return None };
    let ahead = boot.ahead.as_ref()?;
    world.images.get(ahead.image).filter(|_| matches!(ahead.state, AheadState::Writing { .. }))
}

/// The image that the present lease of `node` wants on it.
#[must_use]
pub fn image_of(world: &World, node: NodeId) -> Option<&Image> {
    let (NodeState::Deploying { lease, .. } | NodeState::Leased { lease, .. }) =
        &world.nodes.get(node)?.state
    else {
        return None;
    };
    let assigned = world.leases.get(*lease)?.group().iter().find(|a| a.node == node)?;
    world.images.get(assigned.image)
}

/// What the agent of a deployed system is to do about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOrder<'a> {
    /// Start it.
    Start(&'a Run),
    /// End it, for this reason.
    Stop(RunId, &'a str),
}

/// What the agent of the deployed system on `node` is to do about runs.
#[must_use]
pub fn for_tenant(world: &World, node: NodeId) -> Vec<RunOrder<'_>> {
    let Some(NodeState::Leased { lease, .. }) = world.nodes.get(node).map(|n| &n.state) else {
        return Vec::new();
    };
    let mut orders = Vec::new();
    for run in world.runs_of(*lease) {
        match (run.task(node).map(|t| &t.state), &run.stop) {
            (Some(state), _) if state.is_untold() => {}
            (Some(TaskState::Pending { .. }), None) => orders.push(RunOrder::Start(run)),
            (Some(TaskState::Running { .. } | TaskState::Pending { .. }), Some(why)) => {
                orders.push(RunOrder::Stop(run.id, why));
            }
            _ => {}
        }
    }
    orders
}
