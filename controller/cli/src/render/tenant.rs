//! Tenants for people.

use super::look::{Look, Tone};
use super::table::{Table, or_dash, plain};
use super::time::{age, span, stamp};
use crate::model::tenant::{NodeHours, Tenant};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// One line for each tenant.
pub(crate) fn list(tenants: &[Tenant], now_ms: u64, look: &Look) -> String {
    let titles = &["NAME", "SHARE", "PRIORITY", "OPEN LEASES", "NODES", "NODE-HOURS", "ADDED"];
    let mut table = Table::new(look, titles).right(&[1, 3, 4, 5]);
    for tenant in tenants {
        table.row([
            plain(&tenant.name),
            plain(tenant.share),
            plain(&tenant.priority),
            plain(tenant.open_leases),
            plain(of(tenant.usage.nodes, tenant.max_nodes)),
            or_dash(tenant.node_hours.map(|quota| node_hours(tenant.usage.granted_node_ms, quota))),
            or_dash(tenant.added_ms.map(|at| age(now_ms, at))),
        ]);
    }
    table.render()
}

/// Everything about one tenant.
pub(crate) fn show(tenant: &Tenant, now_ms: u64, look: &Look) -> String {
    let mut text = format!("{}\n", look.paint(Tone::Strong, &tenant.name));
    let mut fact = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    let usage = &tenant.usage;
    let percent = f64::from(usage.share_permille) / 10.0;
    fact("share", format!("{}; had {percent:.1} % of late", tenant.share));
    fact("priority", format!("{} at most", tenant.priority));
    let promised = match usage.promised_nodes {
        0 => String::new(),
        promised => format!(", {promised} promised"),
    };
    fact("nodes", format!("{} in use{promised}", of(usage.nodes, tenant.max_nodes)));
    let arches: BTreeSet<_> = usage.nodes_of.keys().chain(tenant.max_nodes_of.keys()).collect();
    for arch in arches {
        let used = usage.nodes_of.get(arch).copied().unwrap_or(0);
        fact("", format!("{} {arch}", of(used, tenant.max_nodes_of.get(arch).copied())));
    }
    if let Some(quota) = tenant.node_hours {
        fact("node-hours", node_hours(usage.granted_node_ms, quota));
    }
    let bounds = [
        ("duration", tenant.max_duration_s),
        ("extension", tenant.max_extension_s),
        ("hold", tenant.max_hold_s),
    ];
    for (name, bound) in bounds {
        if let Some(bound) = bound {
            fact(name, format!("{} at most", span(Duration::from_secs(bound))));
        }
    }
    fact("open leases", tenant.open_leases.to_string());
    if let Some(added) = tenant.added_ms {
        fact("added", format!("{}, {} ago", stamp(added), age(now_ms, added)));
    }
    text
}

/// "30 of 32"; "30" where there is no limit.
fn of(used: u32, most: Option<u32>) -> String {
    most.map_or_else(|| used.to_string(), |most| format!("{used} of {most}"))
}

/// "125.0 of 500 per 7d 00h".
fn node_hours(granted_ms: u64, quota: NodeHours) -> String {
    const HOUR_MS: f64 = 3_600_000.0;
    let (granted, most) = (granted_ms as f64 / HOUR_MS, quota.node_ms as f64 / HOUR_MS);
    format!("{granted:.1} of {most:.0} per {}", span(Duration::from_secs(quota.window_s)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tenant::tests::limited;
    use hostler_proto::node::v1 as pb;

    fn tenants() -> [Tenant; 2] {
        let free = pb::Tenant {
            name: "nightly".to_owned(),
            share: 1,
            priority: "batch".to_owned(),
            ..Default::default()
        };
        [limited().into(), free.into()]
    }

    #[test]
    fn listed() {
        insta::assert_snapshot!(list(&tenants(), 7_200_001, &Look::default()), @r"
        NAME     SHARE  PRIORITY  OPEN LEASES     NODES               NODE-HOURS  ADDED
        ci           2  gate                3  30 of 32  125.0 of 500 per 7d 00h  2h
        nightly      1  batch               0         0                        -  -
        ");
    }

    #[test]
    fn shown() {
        let shown = tenants().map(|tenant| show(&tenant, 7_200_001, &Look::default()));
        insta::assert_snapshot!(shown.concat(), @r"
        ci
          share        2; had 31.3 % of late
          priority     gate at most
          nodes        30 of 32 in use, 2 promised
                       2 of 4 ppc64le
                       28 x86_64
          node-hours   125.0 of 500 per 7d 00h
          duration     12h 00m at most
          hold         4h 00m at most
          open leases  3
          added        1970-01-01 00:00:00Z, 2h ago
        nightly
          share        1; had 0.0 % of late
          priority     batch at most
          nodes        0 in use
          open leases  0
        ");
    }
}
