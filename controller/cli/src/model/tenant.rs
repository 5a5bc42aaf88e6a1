//! Tenants.

use super::time;
use crate::text::clean;
use hostler_proto::node::v1 as pb;
use serde::Serialize;
use std::collections::BTreeMap;

/// A project that leases. A limit that is null is not set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) open_leases: u32,
    pub(crate) added_ms: Option<u64>,
    /// Its weight beside others.
    pub(crate) share: u32,
    /// The most urgent priority that it may ask for.
    pub(crate) priority: String,
    pub(crate) max_nodes: Option<u32>,
    /// By architecture.
    pub(crate) max_nodes_of: BTreeMap<String, u32>,
    pub(crate) node_hours: Option<NodeHours>,
    pub(crate) max_duration_s: Option<u64>,
    pub(crate) max_extension_s: Option<u64>,
    pub(crate) max_hold_s: Option<u64>,
    pub(crate) usage: Usage,
}

/// So much machine time for each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NodeHours {
    pub(crate) node_ms: u64,
    pub(crate) window_s: u64,
}

/// What a tenant has at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Usage {
    /// From the assignment until they are clean.
    pub(crate) nodes: u32,
    /// By architecture.
    pub(crate) nodes_of: BTreeMap<String, u32>,
    /// That its waiting leases were promised.
    pub(crate) promised_nodes: u32,
    /// What counts against its node-hours.
    pub(crate) granted_node_ms: u64,
    /// The part of the machines that it had of late, in thousandths.
    pub(crate) share_permille: u32,
}

impl From<pb::Tenant> for Tenant {
    fn from(tenant: pb::Tenant) -> Self {
        let limits = tenant.max_machines.iter().filter_map(|limit| Some((clean(&limit.arch), limit.most?)));
        let (all, max_nodes_of): (BTreeMap<_, _>, _) = limits.partition(|(arch, _)| arch.is_empty());
        Self {
            name: clean(&tenant.name),
            open_leases: tenant.open_leases,
            added_ms: time(tenant.added_ms),
            share: tenant.share,
            priority: clean(&tenant.priority),
            max_nodes: all.into_values().next(),
            max_nodes_of,
            node_hours: tenant
                .node_hours
                .map(|pb::NodeHours { node_ms, window_s }| NodeHours { node_ms, window_s }),
            max_duration_s: tenant.max_duration_s,
            max_extension_s: tenant.max_extension_s,
            max_hold_s: tenant.max_hold_s,
            usage: tenant.usage.map(Usage::from).unwrap_or_default(),
        }
    }
}

impl From<pb::TenantUsage> for Usage {
    fn from(usage: pb::TenantUsage) -> Self {
        Self {
            nodes: usage.machines,
            nodes_of: usage.machines_of.iter().map(|(arch, count)| (clean(arch), *count)).collect(),
            promised_nodes: usage.promised_machines,
            granted_node_ms: usage.granted_node_ms,
            share_permille: (usage.dominant_share.clamp(0.0, 1.0) * 1000.0).round() as u32,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tenant with every limit.
    pub(crate) fn limited() -> pb::Tenant {
        let limit = |arch: &str, most| pb::MachineLimit { arch: arch.to_owned(), most: Some(most) };
        pb::Tenant {
            name: "ci".to_owned(),
            open_leases: 3,
            added_ms: 1,
            share: 2,
            priority: "gate".to_owned(),
            max_machines: vec![limit("", 32), limit("ppc64le", 4)],
            node_hours: Some(pb::NodeHours { node_ms: 1_800_000_000, window_s: 604_800 }),
            max_duration_s: Some(43_200),
            max_extension_s: None,
            max_hold_s: Some(14_400),
            usage: Some(pb::TenantUsage {
                machines: 30,
                machines_of: [("x86_64".to_owned(), 28), ("ppc64le".to_owned(), 2)].into(),
                granted_node_ms: 450_000_000,
                promised_machines: 2,
                dominant_share: 0.3125,
            }),
        }
    }

    /// The JSON of a tenant; scripts depend on every word of it.
    #[test]
    fn json() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&Tenant::from(limited())).unwrap(), @r#"
        {
          "name": "ci",
          "open_leases": 3,
          "added_ms": 1,
          "share": 2,
          "priority": "gate",
          "max_nodes": 32,
          "max_nodes_of": {
            "ppc64le": 4
          },
          "node_hours": {
            "node_ms": 1800000000,
            "window_s": 604800
          },
          "max_duration_s": 43200,
          "max_extension_s": null,
          "max_hold_s": 14400,
          "usage": {
            "nodes": 30,
            "nodes_of": {
              "ppc64le": 2,
              "x86_64": 28
            },
            "promised_nodes": 2,
            "granted_node_ms": 450000000,
            "share_permille": 313
          }
        }
        "#);
    }
}
