//! Everything that decisions are made from.

use crate::catalogue::{Image, Tenant};
use crate::event::{Event, Severity};
use crate::hardware::{Arch, Mac};
use crate::ids::{BmcId, ImageId, LeaseId, MAX_ID, NodeId, PoolId, ReservationId, RunId, TenantId};
use crate::index::Index;
use crate::inrush::Inrush;
use crate::invitation::Invitations;
use crate::lease::Lease;
use crate::node::{Bmc, Node};
use crate::pool::Pool;
use crate::run::Run;
use crate::schedule::{Busy, Scene, Stale};
use crate::table::{News, Table};
use crate::time::{Timestamp, Timing};
use crate::unused::Unused;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Everything that decisions are made from. Serialised, it is the state that replays byte for byte.
#[derive(Clone, Debug, Default, Serialize)]
pub struct World {
    /// Bounds on waits. Configuration, not state.
    #[serde(skip)]
    pub timing: Timing,
    /// Counters and the like.
    pub meta: Meta,
    /// Machines.
    pub nodes: Table<NodeId, Node>,
    /// Management controllers.
    pub bmcs: Table<BmcId, Bmc>,
    /// Open leases and those closed a short while ago.
    pub leases: Table<LeaseId, Lease>,
    /// Projects.
    pub tenants: Table<TenantId, Tenant>,
    /// What nodes are provisioned with.
    pub images: Table<ImageId, Image>,
    /// Sets of nodes that something was said about.
    pub pools: Table<PoolId, Pool>,
    /// Runs of the leases above.
    pub runs: Table<RunId, Run>,
    #[serde(skip)]
    index: Index,
    /// Who is starting, and who waits to.
    #[serde(skip)]
    pub(crate) inrush: Inrush,
    /// The machines that nobody uses.
    #[serde(skip)]
    pub(crate) unused: Unused,
    /// What the scheduler was told of all this.
    #[serde(skip)]
    scene: Scene,
    #[serde(skip)]
    events: Vec<Event>,
    #[serde(skip)]
    pub(crate) effects: Vec<crate::input::Effect>,
    /// Something changed that may let a queued lease start.
    #[serde(skip)]
    pub(crate) reschedule: bool,
    /// Machines that are set aside may have failed, or there may be others for them.
    #[serde(skip)]
    pub(crate) review_reservations: bool,
}

/// What is not a row of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The moment of the last input. Time does not go back before it.
    pub now: Timestamp,
    /// The last number given out, of each kind.
    pub counters: Counters,
    /// Pools whose machines went silent together.
    pub incidents: BTreeMap<String, Timestamp>,
    /// When it was last decided who starts. Quotas of machine time count as they stood then.
    #[serde(default)]
    pub planned: Timestamp,
    /// How busy all were in the last weeks.
    #[serde(default)]
    pub busy: Busy,
    /// Controllers that may join.
    #[serde(default, skip_serializing_if = "Invitations::is_new")]
    pub invitations: Invitations,
    /// When it was last looked at what time alone brings about. Machines that nobody uses are unused for as long as they
    /// were then.
    #[serde(default)]
    pub looked: Timestamp,
}

/// The last number given out, of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    node: u32,
    bmc: u32,
    lease: u32,
    tenant: u32,
    image: u32,
    run: u32,
    #[serde(default)]
    pool: u32,
    #[serde(default)]
    reservation: u32,
    pub(crate) boot: u32,
    event: u64,
}

impl Meta {
    /// Leaves out so many numbers of each kind. After a backup was restored, those that were given out since it was
    /// made must not come to mean something else.
    pub fn leave_out(&mut self, count: u32) {
        let Counters { node, bmc, lease, tenant, image, run, pool, reservation, boot, event: _ } =
            &mut self.counters;
        for counter in [node, bmc, lease, tenant, image, run, pool, reservation, boot] {
            *counter = counter.saturating_add(count).min(MAX_ID);
        }
        self.invitations.leave_out(count);
    }
}

/// A row as it is to be stored, or gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Counters and the like.
    Meta(Meta),
    /// A node.
    Node(Box<Node>),
    /// A BMC.
    Bmc(Bmc),
    /// A lease.
    Lease(Box<Lease>),
    /// A closed lease that leaves memory; its history stays.
    ForgetLease(LeaseId),
    /// A tenant.
    Tenant(Tenant),
    /// An image.
    Image(Image),
    /// A pool.
    Pool(Pool),
    /// A run.
    Run(Box<Run>),
    /// A run that leaves memory with its lease; its history stays.
    ForgetRun(RunId),
    /// Something that happened.
    Event(Event),
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(timing: Timing) -> Self {
        Self { timing, ..Self::default() }
    }

    /// Puts stored or committed rows in place: how a world is loaded, and how the published copy follows the
    /// writer's.
    pub fn restore(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match change {
                Change::Meta(meta) => self.meta = meta,
                Change::Node(row) => {
                    self.reindex_node(&row);
                    self.nodes.restore(row.id, *row);
                }
                Change::Bmc(row) => self.bmcs.restore(row.id, row),
                Change::Lease(row) => {
                    self.reindex_lease(&row);
                    self.leases.restore(row.id, *row);
                }
                Change::ForgetLease(id) => {
                    if let Some(lease) = self.leases.forget(id) {
                        self.index.drop_lease(&lease);
                    }
                }
                Change::Tenant(row) => self.tenants.restore(row.id, row),
                Change::Image(row) => {
                    self.index.add_image(&row);
                    self.images.restore(row.id, row);
                }
                Change::Pool(row) => self.pools.restore(row.id, row),
                Change::Run(row) => {
                    self.index.add_run(&row);
                    self.runs.restore(row.id, *row);
                }
                Change::ForgetRun(id) => {
                    if let Some(run) = self.runs.forget(id) {
                        self.index.drop_run(&run);
                    }
                }
                Change::Event(_) => {}
            }
        }
        // Whose turn it is, is said when something happens.
        let _ = self.inrush.refresh(&mut self.nodes);
        self.unused.refresh(&mut self.nodes, &self.bmcs);
    }

    /// What was touched since the last call, each row once, and what happened.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = vec![Change::Meta(self.meta.clone())];
        let nodes = self.nodes.take_touched();
        changes.extend(
            nodes.into_iter().filter_map(|id| self.nodes.get(id)).cloned().map(Box::new).map(Change::Node),
        );
        let bmcs = self.bmcs.take_touched();
        changes.extend(bmcs.into_iter().filter_map(|id| self.bmcs.get(id)).cloned().map(Change::Bmc));
        changes.extend(self.leases.take_touched().into_iter().map(|id| match self.leases.get(id) {
            Some(lease) => Change::Lease(Box::new(lease.clone())),
            None => Change::ForgetLease(id),
        }));
        let tenants = self.tenants.take_touched();
        changes
            .extend(tenants.into_iter().filter_map(|id| self.tenants.get(id)).cloned().map(Change::Tenant));
        let images = self.images.take_touched();
        changes.extend(images.into_iter().filter_map(|id| self.images.get(id)).cloned().map(Change::Image));
        let pools = self.pools.take_touched();
        changes.extend(pools.into_iter().filter_map(|id| self.pools.get(id)).cloned().map(Change::Pool));
        changes.extend(self.runs.take_touched().into_iter().map(|id| match self.runs.get(id) {
            Some(run) => Change::Run(Box::new(run.clone())),
            None => Change::ForgetRun(id),
        }));
        changes.extend(std::mem::take(&mut self.events).into_iter().map(Change::Event));
        changes
    }

    /// The node of this name.
    #[must_use]
    pub fn node_named(&self, name: &str) -> Option<&Node> {
        self.nodes.get(self.index.node_named(name)?)
    }

    /// The node with this boot interface.
    #[must_use]
    pub fn node_by_mac(&self, mac: Mac) -> Option<&Node> {
        self.nodes.get(self.index.node_by_mac(mac)?)
    }

    /// The node for which this address is reserved.
    #[must_use]
    pub fn node_by_address(&self, address: Ipv4Addr) -> Option<&Node> {
        self.nodes.get(self.index.node_by_address(address)?)
    }

    /// The lease that `tenant` asked for with `key`.
    #[must_use]
    pub fn lease_by_key(&self, tenant: TenantId, key: &str) -> Option<&Lease> {
        self.leases.get(self.index.lease_by_key(tenant, key)?)
    }

    /// The tenant of this name.
    #[must_use]
    pub fn tenant_named(&self, name: &str) -> Option<&Tenant> {
        self.tenants.values().find(|t| t.name == name)
    }

    /// What was said about the pool of this name, if anything was.
    #[must_use]
    pub fn pool_named(&self, name: &str) -> Option<&Pool> {
        self.pools.values().find(|p| p.name == name)
    }

    /// The image of this name that new leases on `arch` get.
    #[must_use]
    pub fn image_for(&self, name: &str, arch: Arch) -> Option<&Image> {
        self.images.get(self.index.image_named(name, arch)?)
    }

    /// The queued leases, first come first.
    #[must_use]
    pub fn queue(&self) -> Vec<&Lease> {
        self.index.queue().filter_map(|id| self.leases.get(id)).collect()
    }

    /// How many leases wait before this one; none if it does not wait.
    #[must_use]
    pub fn queue_position(&self, lease: &Lease) -> Option<usize> {
        lease.is_queued().then(|| self.index.ahead_of(lease))
    }

    /// The runs of a lease, oldest first.
    pub fn runs_of(&self, lease: LeaseId) -> impl Iterator<Item = &Run> {
        self.index.runs(lease).filter_map(|id| self.runs.get(id))
    }

    /// The run that was asked for on `lease` with `key`.
    #[must_use]
    pub fn run_by_key(&self, lease: LeaseId, key: &str) -> Option<&Run> {
        self.runs.get(self.index.run_by_key(lease, key)?)
    }

    pub(crate) const fn index(&self) -> &Index {
        &self.index
    }

    /// Asks the scheduler, which is told before what has changed since it was asked last.
    pub(crate) fn ask_scheduler<R>(&mut self, ask: impl FnOnce(&mut Scene, &Self) -> R) -> R {
        let stale = Stale {
            nodes: self.nodes.take_news(),
            leases: self.leases.take_news(),
            tenants: self.tenants.take_news(),
            images: !matches!(self.images.take_news(), News::Of(images) if images.is_empty()),
        };
        let mut scene = std::mem::take(&mut self.scene);
        scene.refresh(self, stale);
        let answer = ask(&mut scene, self);
        self.scene = scene;
        answer
    }

    /// The nodes of this kind in the order in which they are given: first those that need not boot, and of each kind the
    /// least recently used.
    pub(crate) fn in_order_of_choice(&self, kind: impl Fn(&Node) -> bool) -> Vec<&Node> {
        let mut nodes: Vec<_> = self.nodes.values().filter(|n| kind(n)).collect();
        nodes.sort_by_key(|n| (!n.is_warm(), n.since, n.id));
        nodes
    }

    pub(crate) fn put_node(&mut self, node: Node) {
        self.reindex_node(&node);
        self.nodes.insert(node.id, node);
    }

    pub(crate) fn put_image(&mut self, image: Image) {
        self.index.add_image(&image);
        self.images.insert(image.id, image);
    }

    pub(crate) fn put_lease(&mut self, lease: Lease) {
        self.reindex_lease(&lease);
        self.leases.insert(lease.id, lease);
    }

    /// Changes a lease. The only way to, so that the queue and the deadlines know of it.
    pub(crate) fn change_lease(&mut self, id: LeaseId, change: impl FnOnce(&mut Lease)) {
        if let Some(lease) = self.leases.get_mut(id) {
            self.index.drop_lease(lease);
            change(lease);
            self.index.add_lease(lease);
        }
    }

    pub(crate) fn put_run(&mut self, run: Run) {
        self.index.add_run(&run);
        self.runs.insert(run.id, run);
    }

    pub(crate) fn forget_lease(&mut self, id: LeaseId) {
        if let Some(lease) = self.leases.remove(id) {
            self.index.drop_lease(&lease);
        }
        let runs: Vec<_> = self.index.runs(id).collect();
        for run in runs {
            if let Some(run) = self.runs.remove(run) {
                self.index.drop_run(&run);
            }
        }
    }

    pub(crate) fn tell(
        &mut self,
        severity: Severity,
        kind: &str,
        about: impl Into<About>,
        message: impl Into<String>,
    ) {
        let About { node, lease } = about.into();
        self.meta.counters.event += 1;
        self.events.push(Event {
            id: self.meta.counters.event,
            at: self.meta.now,
            severity,
            kind: kind.to_owned(),
            node,
            lease,
            message: message.into(),
        });
    }

    fn reindex_node(&mut self, node: &Node) {
        if let Some(old) = self.nodes.get(node.id) {
            if old.spec == node.spec && old.in_service() == node.in_service() {
                // Nearly always: nodes change their state all the time, and their names hardly ever.
                return;
            }
            self.index.drop_node(old);
        }
        self.index.add_node(node);
    }

    fn reindex_lease(&mut self, lease: &Lease) {
        if let Some(old) = self.leases.get(lease.id) {
            self.index.drop_lease(old);
        }
        self.index.add_lease(lease);
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About {
    node: Option<NodeId>,
    lease: Option<LeaseId>,
}

impl From<NodeId> for About {
    fn from(node: NodeId) -> Self {
        Self { node: Some(node), lease: None }
    }
}

impl From<LeaseId> for About {
    fn from(lease: LeaseId) -> Self {
        Self { node: None, lease: Some(lease) }
    }
}

impl From<(NodeId, Option<LeaseId>)> for About {
    fn from((node, lease): (NodeId, Option<LeaseId>)) -> Self {
        Self { node: Some(node), lease }
    }
}

impl From<()> for About {
    fn from((): ()) -> Self {
        Self::default()
    }
}

macro_rules! next_id {
    ($($method:ident, $field:ident, $id:ty;)*) => {
        impl Counters {
            $(
                /// The next id, or `None` when the numbers have run out.
                pub(crate) fn $method(&mut self) -> Option<$id> {
                    let next = self.$field.checked_add(1).filter(|n| *n <= MAX_ID)?;
                    self.$field = next;
                    Some(<$id>::from(next))
                }
            )*
        }
        $(
            impl From<u32> for $id {
                fn from(number: u32) -> Self {
                    Self(number)
                }
            }
        )*
    };
}

next_id! {
    next_node, node, NodeId;
    next_bmc, bmc, BmcId;
    next_lease, lease, LeaseId;
    next_tenant, tenant, TenantId;
    next_image, image, ImageId;
    next_run, run, RunId;
    next_pool, pool, PoolId;
    next_reservation, reservation, ReservationId;
    next_boot, boot, crate::ids::BootId;
}
