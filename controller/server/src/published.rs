//! What readers see: the world as of the last commit, and who wants to hear of which change.

use hostler_core::event::Event;
use hostler_core::ids::{LeaseId, NodeId, RunId};
use hostler_core::time::Timestamp;
use hostler_core::world::{Change, World};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError, RwLock};
use tokio::sync::{broadcast, watch};

/// Events that a slow watcher may be behind before it has to read the store.
const EVENT_BACKLOG: usize = 4096;

/// The committed world. The writer alone changes it, after each commit.
#[derive(Debug)]
pub(crate) struct Published {
    world: RwLock<World>,
    nodes: Watchers<NodeId>,
    leases: Watchers<LeaseId>,
    runs: Watchers<RunId>,
    deadline: watch::Sender<Option<Timestamp>>,
    changed_nodes: broadcast::Sender<NodeId>,
    events: broadcast::Sender<Event>,
}

impl Published {
    pub(crate) fn new(world: World) -> Self {
        Self {
            deadline: watch::Sender::new(world.next_deadline()),
            world: RwLock::new(world),
            nodes: Watchers::default(),
            leases: Watchers::default(),
            runs: Watchers::default(),
            changed_nodes: broadcast::Sender::new(EVENT_BACKLOG),
            events: broadcast::Sender::new(EVENT_BACKLOG),
        }
    }

    /// Looks at the world. The writer waits meanwhile: take what is needed and go.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        look(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts committed changes in place and tells whoever waits for them.
    pub(crate) fn publish(&self, changes: Vec<Change>, deadline: Option<Timestamp>) {
        let touched: Vec<_> = changes.iter().map(Touched::of).collect();
        let events: Vec<_> = changes
            .iter()
            .filter_map(|c| match c {
                Change::Event(event) => Some(event.clone()),
                _ => None,
            })
            .collect();
        self.world.write().unwrap_or_else(PoisonError::into_inner).restore(changes);
        self.deadline.send_if_modified(|known| std::mem::replace(known, deadline) != deadline);
        for touched in touched {
            match touched {
                Touched::Node(id, lease) => {
                    self.nodes.notify(id);
                    if let Some(lease) = lease {
                        self.leases.notify(lease);
                    }
                    // Nobody listening is not an error.
                    let _ = self.changed_nodes.send(id);
                }
                Touched::Lease(id) => self.leases.notify(id),
                Touched::Run(id, lease) => {
                    self.runs.notify(id);
                    self.notify_group(lease);
                }
                Touched::Nothing => {}
            }
        }
        for event in events {
            let _ = self.events.send(event);
        }
    }

    /// Puts another world in place. Nobody is told: where this is done, nobody may wait for changes.
    pub(crate) fn replace(&self, world: World) {
        *self.world.write().unwrap_or_else(PoisonError::into_inner) = world;
    }

    /// A run concerns the agents of its lease's nodes.
    fn notify_group(&self, lease: LeaseId) {
        let nodes: Vec<_> = self.read(|w| {
            w.leases.get(lease).map(|l| l.group().iter().map(|a| a.node).collect()).unwrap_or_default()
        });
        for node in nodes {
            self.nodes.notify(node);
        }
    }

    pub(crate) fn watch_node(&self, id: NodeId) -> watch::Receiver<()> {
        self.nodes.subscribe(id)
    }

    /// Wakes when the lease changes, or one of its nodes. Subscribe before looking, so that nothing is missed between.
    pub(crate) fn watch_lease(&self, id: LeaseId) -> watch::Receiver<()> {
        self.leases.subscribe(id)
    }

    pub(crate) fn watch_run(&self, id: RunId) -> watch::Receiver<()> {
        self.runs.subscribe(id)
    }

    /// Wakes those who follow a run: more output is there.
    pub(crate) fn notify_run(&self, id: RunId) {
        self.runs.notify(id);
    }

    pub(crate) fn watch_deadline(&self) -> watch::Receiver<Option<Timestamp>> {
        self.deadline.subscribe()
    }

    pub(crate) fn changed_nodes(&self) -> broadcast::Receiver<NodeId> {
        self.changed_nodes.subscribe()
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

enum Touched {
    Node(NodeId, Option<LeaseId>),
    Lease(LeaseId),
    Run(RunId, LeaseId),
    Nothing,
}

impl Touched {
    fn of(change: &Change) -> Self {
        match change {
            Change::Node(node) => Self::Node(node.id, node.state.lease()),
            Change::Lease(lease) => Self::Lease(lease.id),
            Change::ForgetLease(id) => Self::Lease(*id),
            Change::Run(run) => Self::Run(run.id, run.lease),
            _ => Self::Nothing,
        }
    }
}

/// One wake-up channel for each id that somebody waits for.
#[derive(Debug)]
struct Watchers<K>(Mutex<HashMap<K, watch::Sender<()>>>);

impl<K> Default for Watchers<K> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Eq + Hash> Watchers<K> {
    fn subscribe(&self, id: K) -> watch::Receiver<()> {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if channels.len() > 64 {
            channels.retain(|_, channel| channel.receiver_count() > 0);
        }
        channels.entry(id).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    fn notify(&self, id: K) {
        let channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&id) {
            channel.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_core::hardware::{Arch, Firmware};
    use hostler_core::input::Input;
    use hostler_core::node::{BmcSpec, NodeSpec, NodeState, Sealed, Start};
    use hostler_core::time::Timing;

    fn registered(world: &mut World) -> NodeId {
        let spec = NodeSpec {
            name: "n1".into(),
            arch: Arch::X86_64,
            firmware: Firmware::Uefi,
            pool: "default".into(),
            mac: "52:54:00:00:00:01".parse().unwrap(),
            address: [10, 0, 0, 1].into(),
            serial: None,
            uuid: None,
            keep_disks: [].into(),
            start: Start::Kexec,
            rack: None,
            switch: None,
            labels: [].into(),
        };
        let bmc = BmcSpec {
            address: "10.1.0.1:623".into(),
            user: "admin".into(),
            password: Sealed(String::new()),
            cipher_suite: 17,
            shared: false,
        };
        let apply = Input::Apply { author: "admin".into(), nodes: vec![(spec, bmc)] };
        world.apply(Timestamp(1), apply).reply.unwrap();
        world.node_named("n1").unwrap().id
    }

    #[test]
    fn a_lease_is_watched_with_its_nodes() {
        let mut world = World::new(Timing::default());
        let id = registered(&mut world);
        let mut node = world.nodes.get(id).unwrap().clone();
        let boot = Box::new(node.state.boot().unwrap().clone());
        node.state = NodeState::Leased { boot, lease: LeaseId(7) };
        let published = Published::new(world);
        let (mine, other) = (published.watch_lease(LeaseId(7)), published.watch_lease(LeaseId(8)));
        published.publish(vec![Change::Node(Box::new(node))], None);
        assert!(mine.has_changed().unwrap() && !other.has_changed().unwrap());
    }
}
