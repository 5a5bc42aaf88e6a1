//! What is looked up otherwise than by id. Derived from the rows, never stored; whoever changes a row says so here.

use crate::catalogue::{Image, ImageStatus};
use crate::hardware::{Arch, Mac};
use crate::ids::{ImageId, LeaseId, NodeId, RunId, TenantId};
use crate::lease::{Lease, LeaseState};
use crate::node::Node;
use crate::run::Run;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::Ipv4Addr;

/// Ids by everything else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    names: HashMap<String, NodeId>,
    macs: HashMap<Mac, NodeId>,
    addresses: HashMap<Ipv4Addr, NodeId>,
    /// Of each name, the image that is not retired; one map for each architecture, in the order of [`Arch::ALL`].
    images: [HashMap<String, ImageId>; Arch::ALL.len()],
    lease_keys: HashMap<(TenantId, String), LeaseId>,
    queue: BTreeSet<(Timestamp, LeaseId)>,
    queued: BTreeMap<TenantId, usize>,
    due: BTreeSet<(Timestamp, LeaseId)>,
    /// When promises to queued leases are broken if they still wait.
    promised: BTreeSet<(Timestamp, LeaseId)>,
    closed: BTreeSet<(Timestamp, LeaseId)>,
    /// The active leases that may have to give way, and do not yet.
    preemptible: BTreeSet<LeaseId>,
    /// Those that do.
    giving_way: BTreeSet<LeaseId>,
    /// The queued leases to which others give or gave way.
    claiming: BTreeSet<LeaseId>,
    run_keys: HashMap<(LeaseId, String), RunId>,
    runs: BTreeMap<LeaseId, BTreeSet<RunId>>,
}

impl Index {
    pub(crate) fn node_named(&self, name: &str) -> Option<NodeId> {
        self.names.get(name).copied()
    }

    pub(crate) fn node_by_mac(&self, mac: Mac) -> Option<NodeId> {
        self.macs.get(&mac).copied()
    }

    pub(crate) fn node_by_address(&self, address: Ipv4Addr) -> Option<NodeId> {
        self.addresses.get(&address).copied()
    }

    pub(crate) fn image_named(&self, name: &str, arch: Arch) -> Option<ImageId> {
        self.images[arch as usize].get(name).copied()
    }

    pub(crate) fn lease_by_key(&self, tenant: TenantId, key: &str) -> Option<LeaseId> {
        self.lease_keys.get(&(tenant, key.to_owned())).copied()
    }

    pub(crate) fn run_by_key(&self, lease: LeaseId, key: &str) -> Option<RunId> {
        self.run_keys.get(&(lease, key.to_owned())).copied()
    }

    /// The queued leases, first come first.
    pub(crate) fn queue(&self) -> impl Iterator<Item = LeaseId> {
        self.queue.iter().map(|(_, id)| *id)
    }

    /// When the first of the queued leases was asked for that were not asked for before `moment`.
    pub(crate) fn first_queued_since(&self, moment: Timestamp) -> Option<Timestamp> {
        self.queue.range((moment, LeaseId(0))..).next().map(|(requested, _)| *requested)
    }

    /// The queued leases that were promised a start, with the latest, the next first.
    pub(crate) fn promised(&self) -> impl ExactSizeIterator<Item = (Timestamp, LeaseId)> {
        self.promised.iter().copied()
    }

    /// How many queued leases came before `lease`.
    pub(crate) fn ahead_of(&self, lease: &Lease) -> usize {
        self.queue.range(..(lease.waits_from(), lease.id)).count()
    }

    /// How many leases `tenant` has in the queue.
    pub(crate) fn queued(&self, tenant: TenantId) -> usize {
        self.queued.get(&tenant).copied().unwrap_or(0)
    }

    /// The leases to which time alone does something, the next first.
    pub(crate) fn due(&self) -> impl Iterator<Item = (Timestamp, LeaseId)> {
        self.due.iter().copied()
    }

    /// The closed leases, with the moment of their end, the oldest first.
    pub(crate) fn closed(&self) -> impl ExactSizeIterator<Item = (Timestamp, LeaseId)> {
        self.closed.iter().copied()
    }

    /// The active leases that may have to give way, and do not yet.
    pub(crate) fn preemptible(&self) -> impl ExactSizeIterator<Item = LeaseId> {
        self.preemptible.iter().copied()
    }

    /// The leases that are told to give way.
    pub(crate) fn giving_way(&self) -> impl Iterator<Item = LeaseId> {
        self.giving_way.iter().copied()
    }

    /// The queued leases to which others give or gave way.
    pub(crate) fn claiming(&self) -> impl Iterator<Item = LeaseId> {
        self.claiming.iter().copied()
    }

    /// The runs of a lease, oldest first.
    pub(crate) fn runs(&self, lease: LeaseId) -> impl ExactSizeIterator<Item = RunId> {
        static NONE: BTreeSet<RunId> = BTreeSet::new();
        self.runs.get(&lease).unwrap_or(&NONE).iter().copied()
    }

    /// A retired node keeps its row, not its names: the machine may be registered anew.
    pub(crate) fn add_node(&mut self, node: &Node) {
        if node.in_service() {
            self.names.insert(node.spec.name.clone(), node.id);
            self.macs.insert(node.spec.mac, node.id);
            self.addresses.insert(node.spec.address, node.id);
        }
    }

    /// What another node has taken over meanwhile stays that node's.
    pub(crate) fn drop_node(&mut self, node: &Node) {
        drop_if_owned(&mut self.names, &node.spec.name, node.id);
        drop_if_owned(&mut self.macs, &node.spec.mac, node.id);
        drop_if_owned(&mut self.addresses, &node.spec.address, node.id);
    }

    /// A retired image makes way, if it was not replaced already.
    pub(crate) fn add_image(&mut self, image: &Image) {
        let images = &mut self.images[image.arch as usize];
        if image.status != ImageStatus::Retired {
            images.insert(image.name.clone(), image.id);
        } else if images.get(&image.name) == Some(&image.id) {
            images.remove(&image.name);
        }
    }

    pub(crate) fn add_lease(&mut self, lease: &Lease) {
        self.lease_keys.insert((lease.tenant, lease.key.clone()), lease.id);
        if lease.is_queued() {
            self.queue.insert((lease.waits_from(), lease.id));
            *self.queued.entry(lease.tenant).or_default() += 1;
        }
        if let Some(latest) = lease.latest_start() {
            self.promised.insert((latest, lease.id));
        }
        if let Some(due) = lease.due() {
            self.due.insert((due, lease.id));
        }
        if let LeaseState::Closed { at, .. } = lease.state {
            self.closed.insert((at, lease.id));
        }
        if is_preemptible(lease) {
            self.preemptible.insert(lease.id);
        }
        if lease.course.notice.is_some() {
            self.giving_way.insert(lease.id);
        }
        if lease.is_queued() && lease.course.claim.is_some() {
            self.claiming.insert(lease.id);
        }
    }

    pub(crate) fn drop_lease(&mut self, lease: &Lease) {
        self.lease_keys.remove(&(lease.tenant, lease.key.clone()));
        if self.queue.remove(&(lease.waits_from(), lease.id))
            && let Some(queued) = self.queued.get_mut(&lease.tenant)
        {
            *queued -= 1;
        }
        if let Some(latest) = lease.latest_start() {
            self.promised.remove(&(latest, lease.id));
        }
        if let Some(due) = lease.due() {
            self.due.remove(&(due, lease.id));
        }
        if let LeaseState::Closed { at, .. } = lease.state {
            self.closed.remove(&(at, lease.id));
        }
        self.preemptible.remove(&lease.id);
        self.giving_way.remove(&lease.id);
        self.claiming.remove(&lease.id);
    }

    pub(crate) fn add_run(&mut self, run: &Run) {
        self.run_keys.insert((run.lease, run.key.clone()), run.id);
        self.runs.entry(run.lease).or_default().insert(run.id);
    }

    pub(crate) fn drop_run(&mut self, run: &Run) {
        self.run_keys.remove(&(run.lease, run.key.clone()));
        if let Some(runs) = self.runs.get_mut(&run.lease) {
            runs.remove(&run.id);
            if runs.is_empty() {
                self.runs.remove(&run.lease);
            }
        }
    }
}

fn is_preemptible(lease: &Lease) -> bool {
    let Lease { course, spec, state, .. } = lease;
    matches!(state, LeaseState::Active { .. })
        && spec.terms.grace_ms.is_some()
        && course.notice.is_none()
        && course.hold.is_none()
}

fn drop_if_owned<K: Eq + Hash>(map: &mut HashMap<K, NodeId>, key: &K, owner: NodeId) {
    if map.get(key) == Some(&owner) {
        map.remove(key);
    }
}
