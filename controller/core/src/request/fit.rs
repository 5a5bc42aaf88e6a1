//! Which group of machines a request would get.

use super::search::{GaveUp, Owners, Search};
use super::want::Want;
use crate::constraint::Grouping;
use crate::ids::NodeId;
use crate::lease::{Assigned, LeaseSpec, Member};
use crate::node::Node;
use crate::world::World;
use std::collections::BTreeSet;

/// A request, with the images that its names mean at present.
pub(crate) struct Request<'a> {
    members: Vec<Want<'a>>,
    groupings: &'a [Grouping],
    /// A machine that was never inspected may turn out to be as wanted.
    counts_unseen: bool,
}

impl<'a> Request<'a> {
    pub(crate) fn new(world: &'a World, spec: &'a LeaseSpec) -> Self {
        Self::of(world, &spec.members, &spec.groupings)
    }

    /// The same by its parts.
    pub(crate) fn of(world: &'a World, members: &'a [Member], groupings: &'a [Grouping]) -> Self {
        let members = members.iter().map(|m| Want::new(world, m)).collect();
        Self { members, groupings, counts_unseen: false }
    }

    /// The same, where a machine that was never inspected counts as it is hoped to be.
    pub(crate) fn hopeful(world: &'a World, spec: &'a LeaseSpec) -> Self {
        Self::hopeful_of(world, &spec.members, &spec.groupings)
    }

    /// The same by its parts.
    pub(super) fn hopeful_of(world: &'a World, members: &'a [Member], groupings: &'a [Grouping]) -> Self {
        let members = members.iter().map(|m| Want::hopeful(world, m)).collect();
        Self { members, groupings, counts_unseen: true }
    }

    pub(crate) fn members(&self) -> &[Want<'a>] {
        &self.members
    }

    pub(super) const fn groupings(&self) -> &'a [Grouping] {
        self.groupings
    }

    /// True if the value of an attribute that this machine does not tell may be any.
    pub(super) const fn may_be_any(&self, node: &Node) -> bool {
        self.counts_unseen && node.inventory.is_none()
    }

    /// Matches slots to `nodes`, preferring those that come first: at least as many of each role as are asked for, and
    /// more where more are wanted and there. None also where [`Request::search`] gives up.
    pub(crate) fn fit(&self, nodes: &[&Node]) -> Option<Vec<Assigned>> {
        self.search(nodes).ok().flatten()
    }

    /// The same. Exact: if a group exists, one is found.
    ///
    /// # Errors
    /// If what is asked of the machines together makes the search too long.
    pub(crate) fn search(&self, nodes: &[&Node]) -> Result<Option<Vec<Assigned>>, GaveUp> {
        let Some(owners) = self.owners(nodes)? else { return Ok(None) };
        let assigned = |(node, member): (&&Node, Option<usize>)| {
            let member = member?;
            Some(Assigned { node: node.id, member, image: self.members[member].image_on(node)? })
        };
        let mut group: Vec<_> = nodes.iter().zip(owners).filter_map(assigned).collect();
        group.sort_by_key(|a| (a.member, a.node));
        Ok(Some(group))
    }

    /// The same machines, whatever they would be provisioned with.
    ///
    /// # Errors
    /// As [`Request::search`].
    pub(crate) fn machines(&self, nodes: &[&Node]) -> Result<Option<BTreeSet<NodeId>>, GaveUp> {
        let owners = self.owners(nodes)?;
        let owned = |owners: Owners| nodes.iter().zip(owners).filter_map(|(n, owner)| owner.map(|_| n.id));
        Ok(owners.map(|owners| owned(owners).collect()))
    }

    /// For each of `nodes`, the member that gets it.
    fn owners(&self, nodes: &[&Node]) -> Result<Option<Owners>, GaveUp> {
        let least: usize = self.members.iter().map(|want| want.member.count as usize).sum();
        if least > nodes.len() { Ok(None) } else { Search::new(self, nodes).run() }
    }
}
