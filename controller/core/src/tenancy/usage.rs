//! What a tenant has, and what it had.

use super::allowance::NodeHours;
use super::bucket::Bucket;
use super::used::Used;
use crate::hardware::Arch;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a tenant has, and what it had as far as that counts still.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Machines of each architecture.
    of: BTreeMap<Arch, Used>,
    /// What counts against the quota of node-hours; kept only where there is one.
    granted: Bucket,
}

impl Usage {
    /// What counts of the machines of an architecture, in milliseconds of one machine.
    #[must_use]
    pub fn used(&self, arch: Arch, now: Timestamp) -> u64 {
        self.of.get(&arch).map_or(0, |used| used.at(now))
    }

    /// Machines of an architecture that are in use: from the assignment until they are clean.
    #[must_use]
    pub fn in_use(&self, arch: Arch) -> u32 {
        self.of.get(&arch).map_or(0, |used| used.machines())
    }

    /// So many are in use from now on.
    pub(crate) fn set_in_use(&mut self, arch: Arch, machines: u32, now: Timestamp) {
        self.of.entry(arch).or_default().set_machines(machines, now);
    }

    /// What counts against the quota of node-hours.
    #[must_use]
    pub fn granted(&self, quota: NodeHours, now: Timestamp) -> u64 {
        self.granted.at(now, quota)
    }

    /// From when on no more than this counts, if nothing more is granted.
    #[must_use]
    pub fn granted_falls_to(&self, node_ms: u64, quota: NodeHours) -> Timestamp {
        self.granted.falls_to(node_ms, quota)
    }

    /// Nothing counts against a quota of node-hours any more.
    pub(crate) fn forget_granted(&mut self) {
        self.granted = Bucket::default();
    }

    /// Machine time is granted.
    pub(crate) fn grant(&mut self, node_ms: u64, quota: NodeHours, now: Timestamp) {
        self.granted.add(node_ms, now, quota);
    }

    /// Machine time that was granted is given back.
    pub(crate) fn give_back(&mut self, node_ms: u64, quota: NodeHours, now: Timestamp) {
        self.granted.take(node_ms, now, quota);
    }
}
