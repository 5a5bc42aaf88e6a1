//! What is over: read from the store, since memory has let go of it.

use crate::StoreError;
use hostler_core::event::Event;
use hostler_core::ids::{LeaseId, NodeId, RunId, TenantId};
use hostler_core::lease::Lease;
use hostler_core::run::Run;

/// Which events to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only those after this id.
    pub after: u64,
    /// At most this many.
    pub limit: u32,
    /// Only of this node.
    pub node: Option<NodeId>,
    /// Only of this lease.
    pub lease: Option<LeaseId>,
}

/// Queries over what was committed. Each may take its time and runs beside the writer.
pub trait History: Send {
    /// Events, oldest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn events(&self, filter: EventFilter) -> Result<Vec<Event>, StoreError>;

    /// A lease, however old.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn lease(&self, id: LeaseId) -> Result<Option<Lease>, StoreError>;

    /// The newest leases, newest first; of one tenant or of all.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn leases(&self, tenant: Option<TenantId>, limit: u32) -> Result<Vec<Lease>, StoreError> {
        self.leases_before(tenant, LeaseId(u32::MAX), limit)
    }

    /// Leases older than `before`, by their ids, the newest first; of one tenant or of all. For reading everything, a
    /// page at a time.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn leases_before(
        &self,
        tenant: Option<TenantId>,
        before: LeaseId,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError>;

    /// A run, however old.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn run(&self, id: RunId) -> Result<Option<Run>, StoreError>;
}
